/** What the gateway tells Prometheus. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { LogStore, StoreFigures } from '../ports/log-store.ts'

/** Pushes come by one of these. */
export type PushProtocol = 'loki_protobuf' | 'loki_json' | 'otlp' | 'logs'

export interface StoreLog {
  error(facts: object, text: string): void
  info?(facts: object, text: string): void
}

/** What a store calls to report on itself. */
export interface StoreReports {
  committed(ms: number): void
  writeFailed(cause: unknown): void
  blockDamaged(blockId: number, cause: unknown): void
  maintenanceFailed(cause: unknown): void
  limitsChanged(tenants: number): void
  limitsRefused(cause: unknown): void
}

/** What the gauges are read from. */
export interface Observed {
  readonly store: LogStore
  readonly streams: { readonly activeStreams: number }
  readonly queries: { readonly running: number; readonly waiting: number }
  readonly answers: { readonly figures: { readonly bytes: number; readonly hits: number; readonly misses: number } }
  readonly bodies: { readonly heldBytes: number }
}

export class Metrics {
  readonly registry = new Registry()
  readonly accepted = this.#counter('entries_accepted_total', 'Entries that are durable, duplicates included', [
    'protocol',
  ])
  readonly duplicates = this.#counter('entries_duplicate_total', 'Entries that were stored before', ['protocol'])
  readonly refused = this.#counter('entries_refused_total', 'Entries refused, by reason', ['reason'])
  readonly dropped = this.#counter(
    'entries_dropped_total',
    'Entries dropped by the operator’s MILLRACE_DROP_STREAMS',
    [],
  )
  readonly lineBytes = this.#counter('line_bytes_total', 'Bytes of accepted lines', ['protocol'])
  readonly bodyBytes = this.#counter('body_bytes_total', 'Bytes of push bodies as they came', ['protocol'])
  readonly errors = this.#counter('errors_total', 'Requests answered with an error, by code', ['code'])
  readonly damagedBlocks = this.#counter('store_damaged_blocks_total', 'Reads that met a block they could not read', [])
  readonly writeFailures = this.#counter(
    'store_write_failures_total',
    'Commits that failed; their pushes were refused',
    [],
  )
  readonly limitsRefused = this.#counter(
    'tenant_limits_refused_total',
    'Changes of the file of tenants’ limits that could not be used',
    [],
  )
  readonly userRefreshFailures = this.#counter(
    'user_refresh_failures_total',
    'Look-ups of MILLRACE_USERS in its parameter that failed; the users before hold on',
    [],
  )
  readonly commitSeconds = new Histogram({
    name: 'millrace_commit_seconds',
    help: 'Time of one commit, fsync included',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
    registers: [this.registry],
  })
  readonly requestSeconds = new Histogram({
    name: 'millrace_request_seconds',
    help: 'Time from a request’s head to the end of its answer',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [this.registry],
  })

  /** What the store reports, counted and logged. */
  storeEvents(log: StoreLog): StoreReports {
    // Agents push on while the disk is full: a line for each commit would be a flood, to a disk that is full.
    let isFailing = false
    return {
      committed: (ms) => {
        this.commitSeconds.observe(ms / 1000)
        if (isFailing) log.info?.({}, 'commits succeed again')
        isFailing = false
      },
      writeFailed: (cause) => {
        this.writeFailures.inc()
        if (!isFailing) log.error({ err: cause }, 'a commit failed; pushes are refused until one succeeds')
        isFailing = true
      },
      blockDamaged: (blockId, cause) => {
        this.damagedBlocks.inc()
        log.error({ blockId, err: cause }, 'a stored block cannot be read')
      },
      maintenanceFailed: (cause) =>
        log.error({ err: cause }, 'a round of maintenance failed; the next one tries again'),
      limitsChanged: (tenants) => log.info?.({ tenants }, 'the limits of tenants changed'),
      limitsRefused: (cause) => {
        this.limitsRefused.inc()
        log.error({ err: cause }, 'the changed limits of tenants are faulty; those before hold')
      },
    }
  }

  /** Gauges that are read when Prometheus asks. */
  observe({ store, streams, queries, answers, bodies }: Observed): void {
    const figures: readonly (readonly [name: string, help: string, figure: keyof StoreFigures])[] = [
      ['store_blocks', 'Blocks on disk', 'blocks'],
      ['store_entries', 'Entries on disk', 'entries'],
      ['store_streams', 'Streams in the index', 'streams'],
      ['store_disk_bytes', 'Bytes on disk', 'diskBytes'],
      ['store_line_bytes', 'Bytes of the lines on disk, uncompressed', 'lineBytes'],
      ['store_queue_bytes', 'Bytes that wait for their commit', 'queueBytes'],
      ['store_commits', 'Commits since the start', 'commits'],
    ]
    for (const [name, help, figure] of figures) this.#gauge(name, help, () => store.figures()[figure])
    this.#gauge('store_healthy', '1 while pushes can be stored', () => (store.trouble() === undefined ? 1 : 0))
    this.#gauge('active_streams', 'Streams that took a line within the last hour', () => streams.activeStreams)
    this.#gauge('inflight_body_bytes', 'Bytes of request bodies held now', () => bodies.heldBytes)
    this.#gauge('queries_running', 'Queries that run now', () => queries.running)
    this.#gauge('queries_waiting', 'Queries that wait for their turn', () => queries.waiting)
    this.#gauge('query_cache_bytes', 'Bytes of answers that are kept', () => answers.figures.bytes)
    this.#gauge('query_cache_hits', 'Kept answers given again since the start', () => answers.figures.hits)
    this.#gauge(
      'query_cache_misses',
      'Answers that might have been kept ones, and were not',
      () => answers.figures.misses,
    )
  }

  #counter<Name extends string>(name: string, help: string, labelNames: readonly Name[]): Counter<Name> {
    return new Counter({ name: `millrace_${name}`, help, labelNames: [...labelNames], registers: [this.registry] })
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `millrace_${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.set(read())
      },
    })
  }
}
