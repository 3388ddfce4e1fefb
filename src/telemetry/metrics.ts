/** The gateway's Prometheus metrics. */

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { LogStore, StoreFigures } from '../ports/log-store.ts'
import { logStore, type StoreLog, type StoreReports } from './store-log.ts'

/** The protocol of a push. */
export type PushProtocol = 'loki_protobuf' | 'loki_json' | 'otlp' | 'logs'

/** The sources of the gauges. */
export interface Observed {
  readonly store: LogStore
  readonly streams: { readonly activeStreams: number }
  readonly queries: { readonly running: number; readonly waiting: number }
  readonly answers: { readonly figures: { readonly bytes: number; readonly hits: number; readonly misses: number } }
  readonly bodies: { readonly heldBytes: number }
}

export class Metrics {
  readonly registry = new Registry()
  readonly accepted = this.#counter('entries_accepted_total', 'Entries that are durable, including duplicates', [
    'protocol',
  ])
  readonly duplicates = this.#counter('entries_duplicate_total', 'Entries that were already stored', ['protocol'])
  readonly refused = this.#counter('entries_refused_total', 'Rejected entries, by reason', ['reason'])
  readonly dropped = this.#counter('entries_dropped_total', 'Entries dropped by MILLRACE_DROP_STREAMS', [])
  readonly lineBytes = this.#counter('line_bytes_total', 'Bytes of accepted lines', ['protocol'])
  readonly bodyBytes = this.#counter('body_bytes_total', 'Bytes of push bodies as received', ['protocol'])
  readonly errors = this.#counter('errors_total', 'Requests that failed, by error code', ['code'])
  readonly damagedBlocks = this.#counter('store_damaged_blocks_total', 'Reads of a damaged block', [])
  readonly writeFailures = this.#counter('store_write_failures_total', 'Failed commits, whose pushes were rejected', [])
  readonly limitsRefused = this.#counter('tenant_limits_refused_total', 'Invalid changes of the tenant limits file', [])
  readonly userRefreshFailures = this.#counter(
    'user_refresh_failures_total',
    'Failed lookups of the MILLRACE_USERS parameter; the previous users are kept',
    [],
  )
  readonly commitSeconds = new Histogram({
    name: 'millrace_commit_seconds',
    help: 'Duration of a commit, including fsync',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
    registers: [this.registry],
  })
  readonly requestSeconds = new Histogram({
    name: 'millrace_request_seconds',
    help: 'Time from the head of a request to the end of its response',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [this.registry],
  })

  /** Counts and logs the events of the store. */
  storeEvents(log: StoreLog): StoreReports {
    const logged = logStore(log)
    return {
      ...logged,
      committed: (ms) => {
        this.commitSeconds.observe(ms / 1000)
        logged.committed(ms)
      },
      writeFailed: (cause) => {
        this.writeFailures.inc()
        logged.writeFailed(cause)
      },
      blockDamaged: (blockId, cause) => {
        this.damagedBlocks.inc()
        logged.blockDamaged(blockId, cause)
      },
      limitsRefused: (cause) => {
        this.limitsRefused.inc()
        logged.limitsRefused(cause)
      },
    }
  }

  /** Registers gauges that are read when Prometheus scrapes. */
  observe({ store, streams, queries, answers, bodies }: Observed): void {
    const figures: readonly (readonly [name: string, help: string, figure: keyof StoreFigures])[] = [
      ['store_blocks', 'Blocks on disk', 'blocks'],
      ['store_entries', 'Entries on disk', 'entries'],
      ['store_streams', 'Streams in the index', 'streams'],
      ['store_disk_bytes', 'Bytes on disk', 'diskBytes'],
      ['store_line_bytes', 'Bytes of the lines on disk, uncompressed', 'lineBytes'],
      ['store_queue_bytes', 'Bytes waiting for a commit', 'queueBytes'],
      ['store_commits', 'Commits since the start', 'commits'],
      ['store_maintenance_failures', 'Rounds of maintenance that failed since the last success', 'maintenanceFailures'],
    ]
    for (const [name, help, figure] of figures) this.#gauge(name, help, () => store.figures()[figure] ?? 0)
    this.#gauge('store_healthy', '1 if pushes can be stored, 0 if not', () => (store.trouble() === undefined ? 1 : 0))
    this.#gauge('active_streams', 'Streams that received a line within the last hour', () => streams.activeStreams)
    this.#gauge('inflight_body_bytes', 'Bytes of request bodies in memory', () => bodies.heldBytes)
    this.#gauge('queries_running', 'Running queries', () => queries.running)
    this.#gauge('queries_waiting', 'Queued queries', () => queries.waiting)
    this.#gauge('query_cache_bytes', 'Bytes of cached results', () => answers.figures.bytes)
    this.#gauge('query_cache_hits', 'Query cache hits since the start', () => answers.figures.hits)
    this.#gauge('query_cache_misses', 'Query cache misses since the start', () => answers.figures.misses)
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
