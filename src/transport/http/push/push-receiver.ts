/** The common path of pushes through every route: read, decompress, decode, accept, release. */

import type { FastifyRequest } from 'fastify'
import { BatchColumns } from '../../../domain/entries/batch.ts'
import { BatchBuilder } from '../../../domain/entries/batch-builder.ts'
import { RisingNs } from '../../../domain/entries/rising-ns.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { PushLimits } from '../../../domain/limits.ts'
import type { Matcher } from '../../../domain/selector.ts'
import { acceptPush, type PushOutcome } from '../../../flows/push/accept-push.ts'
import type { StreamGateKeeper } from '../../../flows/push/stream-gate.ts'
import type { QueryTurns } from '../../../flows/query/query-turns.ts'
import { findLevelsByKernel } from '../../../kernel/kernel-levels.ts'
import type { Slices } from '../../../kit/slices.ts'
import type { Ports } from '../../../ports/log-store.ts'
import { type BodyForm, hintOfBody } from '../../../protocol/bytes/body-hint.ts'
import type { Metrics, PushProtocol } from '../../../telemetry/metrics.ts'
import { Push, type PushRequest } from './push.ts'
import type { BodyReader, RequestBody } from './request-body.ts'

export interface PushSettings {
  /** For tenants without their own limits. The limit on decompressed bytes is the same for all tenants. */
  readonly limits: PushLimits
  readonly discoverServiceName: boolean
  readonly discoverLevels: boolean
  /** Selectors of the streams to drop. */
  readonly dropped: readonly (readonly Matcher[])[]
  /** Pushes are rejected before this time, ms since the epoch. */
  readonly blockedUntilMs: number | undefined
  readonly blockedStatus: number
}

/** A push after it was accepted, with the result of its decoder. */
export interface ReceivedPush<Result> {
  readonly outcome: PushOutcome
  readonly decoded: Result
}

/**
 * Maximum number and size of columns kept for further pushes, so that the memory of one huge push is not kept forever.
 */
const IDLE_COLUMNS_MAX = 16
const COLUMN_ENTRIES_MAX = 32_768
const COLUMN_METADATA_BYTES_MAX = 4 * 1024 * 1024
/** A body that is not decoded after this time waits for its turn with other large ones, ms. */
const FIRST_TURN_MS = 4

/** Receives the pushes of all routes. One per process, so that its limits apply across applications. */
export class PushReceiver {
  readonly bodies: BodyReader
  /** Times for logs without one. */
  readonly times = new RisingNs()
  readonly #settings: PushSettings
  readonly #ports: Pick<Ports, 'store' | 'feed' | 'limits' | 'clock'>
  readonly #gate: StreamGateKeeper
  readonly #metrics: Metrics
  readonly #turns: QueryTurns
  /** Columns of stored batches, for the next pushes. */
  readonly #idleColumns: BatchColumns[] = []

  constructor(
    parts: { ports: Ports; gate: StreamGateKeeper; bodies: BodyReader; metrics: Metrics; turns: QueryTurns },
    settings: PushSettings,
  ) {
    this.#ports = parts.ports
    this.#gate = parts.gate
    this.bodies = parts.bodies
    this.#metrics = parts.metrics
    this.#turns = parts.turns
    this.#settings = settings
  }

  /**
   * Reads the request's body, decodes it and stores the valid part; the memory of the push is released when it settles.
   * Throws ingestion_blocked while the operator blocks pushes, and the errors of BodyReader, `decode` and acceptPush;
   * then nothing is stored.
   */
  async receive<Result>(request: FastifyRequest, wanted: PushRequest<Result>): Promise<ReceivedPush<Result>> {
    this.#assertOpen(wanted.tenant)
    const body = await this.bodies.read(request)
    try {
      const { decompressedBytesMax } = this.#settings.limits
      const encoding = request.headers['content-encoding']
      const bytes = await this.bodies.decompress(body, encoding, decompressedBytesMax)
      return await this.#accept(this.#begin(request, wanted, body), wanted, bytes, body.bytes.length)
    } finally {
      body.release()
    }
  }

  #assertOpen(tenant: string): void {
    const { blockedUntilMs, blockedStatus } = this.#settings
    if (blockedUntilMs === undefined || this.#ports.clock.nowMs() >= blockedUntilMs) return
    const until = new Date(blockedUntilMs).toISOString()
    const text = `ingestion blocked for user '${tenant}' until '${until}' with status code '${blockedStatus}'`
    throw new GatewayError('ingestion_blocked', text, { status: blockedStatus })
  }

  #begin(request: FastifyRequest, { tenant, protocol }: PushRequest<unknown>, body: RequestBody): Push {
    const limits = this.#ports.limits?.of(tenant).push ?? this.#settings.limits
    const { discoverServiceName, discoverLevels, dropped } = this.#settings
    const nowMs = this.#ports.clock.nowMs()
    const columns = this.#idleColumns.pop() ?? new BatchColumns()
    const admission = {
      tenant,
      limits,
      nowMs,
      discoverServiceName,
      discoverLevels,
      findLevels: findLevelsByKernel,
      labelCountMax: protocol === 'otlp' ? limits.otlpLabelCountMax : limits.labelCountMax,
      acceptsAnyAge: isBackfill(request),
      dropped,
      streams: this.#gate.withLimits(limits),
    }
    const { decompressedBytesMax } = this.#settings.limits
    const sink = new BatchBuilder(admission, columns)
    return new Push({ sink, columns, body }, { limits, decompressedBytesMax }, nowMs)
  }

  async #accept<Result>(
    push: Push,
    { tenant, protocol, form, decode }: PushRequest<Result>,
    bytes: Uint8Array,
    bodyBytes: number,
  ): Promise<ReceivedPush<Result>> {
    try {
      const decoded = await this.#decode(decode(bytes, push), tenant).catch((error: unknown) => {
        throw hinted(error, bytes, form)
      })
      this.#metrics.bodyBytes.inc({ protocol }, bodyBytes)
      const outcome = await acceptPush(this.#ports, push.sink, {
        origin: protocol === 'logs' ? 'logs' : 'push',
        rate: { gate: this.#gate, limits: push.limits },
      })
      this.#count(protocol, outcome)
      return { outcome, decoded }
    } finally {
      this.#keepColumns(push.columns)
      for (const [reason, entries] of push.sink.refusals.byReason) this.#metrics.refused.inc({ reason }, entries)
    }
  }

  /** A small body at once; a large one in turns, so that it does not keep others waiting. */
  async #decode<Result>(work: Slices<Result>, tenant: string): Promise<Result> {
    const endMs = this.#ports.clock.monotonicMs() + FIRST_TURN_MS
    do {
      const { value, done } = work.next()
      if (done === true) return value
    } while (this.#ports.clock.monotonicMs() < endMs)
    return this.#turns.open(tenant).run(work)
  }

  #count(protocol: PushProtocol, outcome: PushOutcome): void {
    this.#metrics.accepted.inc({ protocol }, outcome.accepted)
    this.#metrics.duplicates.inc({ protocol }, outcome.duplicates)
    this.#metrics.lineBytes.inc({ protocol }, outcome.lineBytes)
    this.#metrics.dropped.inc(outcome.dropped)
  }

  /** The batch is stored or rejected, so its columns are free. */
  #keepColumns(columns: BatchColumns): void {
    if (columns.levels.length > COLUMN_ENTRIES_MAX || columns.metadata.length > COLUMN_METADATA_BYTES_MAX) return
    if (this.#idleColumns.length >= IDLE_COLUMNS_MAX) return
    columns.count = 0
    this.#idleColumns.push(columns)
  }
}

/** The error of an invalid body, with what it looks like. */
function hinted(error: unknown, bytes: Uint8Array, form: BodyForm): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'body_malformed') return error
  const hint = hintOfBody(bytes, form)
  return hint === undefined ? error : new GatewayError(error.code, `${error.message}; ${hint}`, { cause: error })
}

const SHARD_CHARS_MAX = 128

/**
 * Loki's header for a backfill, for which the age of lines is not checked. Throws parameter_invalid with Loki's text.
 */
function isBackfill(request: FastifyRequest): boolean {
  const shard = request.headers['x-loki-backfill-shard'] ?? ''
  if (shard.length <= SHARD_CHARS_MAX) return shard !== ''
  const text = `invalid X-Loki-Backfill-Shard header: value length ${shard.length} exceeds limit of ${SHARD_CHARS_MAX}`
  throw new GatewayError('parameter_invalid', text)
}
