/** What the push routes share: from a request to a builder, from a builder to an outcome. */

import type { FastifyRequest } from 'fastify'
import { BatchColumns } from '../../../domain/entries/batch.ts'
import { BatchBuilder } from '../../../domain/entries/batch-builder.ts'
import { RisingNs } from '../../../domain/entries/rising-ns.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { PushLimits } from '../../../domain/limits.ts'
import type { Matcher } from '../../../domain/selector.ts'
import { acceptPush, type PushOutcome } from '../../../flows/push/accept-push.ts'
import type { StreamGateKeeper } from '../../../flows/push/stream-gate.ts'
import type { Clock, Ports } from '../../../ports/log-store.ts'
import type { Metrics, PushProtocol } from '../../../telemetry/metrics.ts'
import type { BodyReader } from './request-body.ts'

export interface PushSettings {
  /** Of tenants without limits of their own; those of the process are the same for all. */
  readonly limits: PushLimits
  readonly discoverServiceName: boolean
  readonly discoverLevels: boolean
  /** Selectors of the streams that are dropped on purpose. */
  readonly dropped: readonly (readonly Matcher[])[]
  /** No push is taken before this instant, ms since the epoch. */
  readonly blockedUntilMs: number | undefined
  readonly blockedStatus: number
}

/** Columns kept for further pushes: how many, and how large at most, so that one huge push does not stay for ever. */
const IDLE_COLUMNS_MAX = 16
const COLUMN_ENTRIES_MAX = 32_768
const COLUMN_METADATA_BYTES_MAX = 4 * 1024 * 1024

/** Takes pushes in for all push routes. */
export class PushIntake {
  readonly bodies: BodyReader
  readonly settings: PushSettings
  readonly clock: Clock
  /** Of logs that come without a time of their own. */
  readonly times = new RisingNs()
  readonly #ports: Pick<Ports, 'store' | 'feed' | 'limits'>
  readonly #gate: StreamGateKeeper
  readonly #metrics: Metrics
  /** Columns of batches that are stored, for the next ones. */
  readonly #idleColumns: BatchColumns[] = []
  readonly #pushes = new WeakMap<BatchBuilder, { readonly columns: BatchColumns; readonly limits: PushLimits }>()

  constructor(
    parts: { ports: Ports; gate: StreamGateKeeper; bodies: BodyReader; metrics: Metrics },
    settings: PushSettings,
  ) {
    this.#ports = parts.ports
    this.clock = parts.ports.clock
    this.#gate = parts.gate
    this.bodies = parts.bodies
    this.#metrics = parts.metrics
    this.settings = settings
  }

  /** Throws ingestion_blocked while the operator blocks pushes. */
  assertOpen(tenant: string): void {
    const { blockedUntilMs, blockedStatus } = this.settings
    if (blockedUntilMs === undefined || this.clock.nowMs() >= blockedUntilMs) return
    const until = new Date(blockedUntilMs).toISOString()
    const text = `ingestion blocked for user '${tenant}' until '${until}' with status code '${blockedStatus}'`
    throw new GatewayError('ingestion_blocked', text, { status: blockedStatus })
  }

  /** A builder for one push of the tenant. */
  builder(request: FastifyRequest, tenant: string, protocol: PushProtocol): BatchBuilder {
    const limits = this.#ports.limits?.of(tenant).push ?? this.settings.limits
    const { discoverServiceName, discoverLevels, dropped } = this.settings
    const admission = {
      tenant,
      limits,
      nowMs: this.clock.nowMs(),
      discoverServiceName,
      discoverLevels,
      labelCountMax: protocol === 'otlp' ? limits.otlpLabelCountMax : limits.labelCountMax,
      acceptsAnyAge: isBackfill(request),
      dropped,
      streams: this.#gate.withLimits(limits),
    }
    const columns = this.#idleColumns.pop() ?? new BatchColumns()
    const builder = new BatchBuilder(admission, columns)
    this.#pushes.set(builder, { columns, limits })
    return builder
  }

  /** Stores what the builder kept and counts it all. */
  async accept(builder: BatchBuilder, protocol: PushProtocol, bodyBytes: number): Promise<PushOutcome> {
    this.#metrics.bodyBytes.inc({ protocol }, bodyBytes)
    try {
      const outcome = await acceptPush(
        this.#ports,
        this.#gate,
        this.#limitsOf(builder),
        builder,
        protocol === 'logs' ? 'logs' : 'push',
      )
      this.#metrics.accepted.inc({ protocol }, outcome.accepted)
      this.#metrics.duplicates.inc({ protocol }, outcome.duplicates)
      this.#metrics.lineBytes.inc({ protocol }, outcome.lineBytes)
      this.#metrics.dropped.inc(outcome.dropped)
      return outcome
    } finally {
      this.#keepColumns(builder)
      for (const [reason, entries] of builder.refusals.byReason) this.#metrics.refused.inc({ reason }, entries)
    }
  }

  #limitsOf(builder: BatchBuilder): PushLimits {
    return this.#pushes.get(builder)?.limits ?? this.settings.limits
  }

  /** The batch is stored, or never will be: its columns are free. */
  #keepColumns(builder: BatchBuilder): void {
    const columns = this.#pushes.get(builder)?.columns
    if (columns === undefined || columns.levels.length > COLUMN_ENTRIES_MAX) return
    if (this.#idleColumns.length >= IDLE_COLUMNS_MAX || columns.metadata.length > COLUMN_METADATA_BYTES_MAX) return
    columns.count = 0
    this.#idleColumns.push(columns)
  }
}

/** Loki's header of a backfill, up to 128 characters: the age of its lines is not checked. */
function isBackfill(request: FastifyRequest): boolean {
  const shard = request.headers['x-loki-backfill-shard']
  return typeof shard === 'string' && shard !== '' && shard.length <= 128
}
