/** One push: what its decoder needs while it reads the body. */

import type { BatchColumns } from '../../../domain/entries/batch.ts'
import type { BatchBuilder } from '../../../domain/entries/batch-builder.ts'
import type { PushLimits } from '../../../domain/limits.ts'
import type { BodyForm } from '../../../protocol/bytes/body-hint.ts'
import type { PushProtocol } from '../../../telemetry/metrics.ts'
import type { RequestBody } from './request-body.ts'

/** What a route says about the push that it takes. */
export interface PushRequest<Result> {
  readonly tenant: string
  /** The wire form: it labels the metrics and decides how many labels a stream may have. */
  readonly protocol: PushProtocol
  /** How the body is written, for the error of one that is not. */
  readonly form: BodyForm
  /** Reads the decompressed body into `push.sink`. Throws a GatewayError for a body that cannot be read at all. */
  readonly decode: (bytes: Uint8Array, push: Push) => Result
}

export class Push {
  /** Where the decoder puts streams and entries. */
  readonly sink: BatchBuilder
  /** The tenant's limits. */
  readonly limits: PushLimits
  /** The bytes that the body may decompress to. */
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
