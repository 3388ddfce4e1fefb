/** A push while its body is decoded: limits, the sink and memory. */

import type { BatchColumns } from '../../../domain/entries/batch.ts'
import type { BatchBuilder } from '../../../domain/entries/batch-builder.ts'
import type { PushLimits } from '../../../domain/limits.ts'
import type { Slices } from '../../../kit/slices.ts'
import type { BodyForm } from '../../../protocol/bytes/body-hint.ts'
import type { PushProtocol } from '../../../telemetry/metrics.ts'
import type { RequestBody } from './request-body.ts'

/** The parts of a push that depend on its route. */
export interface PushRequest<Result> {
  readonly tenant: string
  /** The protocol, which is the label of metrics and decides how many labels a stream may have. */
  readonly protocol: PushProtocol
  /** The expected format of the body, for error texts. */
  readonly form: BodyForm
  /** Decodes the decompressed body into `push.sink`. Throws a GatewayError if the whole body is invalid. */
  readonly decode: (bytes: Uint8Array, push: Push) => Slices<Result>
}

export class Push {
  /** The destination of streams and entries. */
  readonly sink: BatchBuilder
  /** The tenant's limits. */
  readonly limits: PushLimits
  /** Maximum size of the decompressed body. */
  readonly decompressedBytesMax: number
  /** The clock's reading when the body was complete, ms since the epoch. */
  readonly nowMs: number
  readonly columns: BatchColumns
  readonly #body: RequestBody

  constructor(
    parts: { sink: BatchBuilder; columns: BatchColumns; body: RequestBody },
    limits: { limits: PushLimits; decompressedBytesMax: number },
    nowMs: number,
  ) {
    this.sink = parts.sink
    this.columns = parts.columns
    this.#body = parts.body
    this.limits = limits.limits
    this.decompressedBytesMax = limits.decompressedBytesMax
    this.nowMs = nowMs
  }

  /** Memory of exactly `bytes`, uninitialised, which is freed with the push. Throws overloaded when too much is in use. */
  allocate(bytes: number): Buffer {
    return this.#body.allocate(bytes)
  }
}
