/** Runs a LogQL metric query over a store. */

import type { RunSummary } from '../../domain/entries/run-summary.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import type { MetricResult, QueryStats } from '../../domain/query-result.ts'
import { MetricQuery, type MetricTime } from '../../logql/metric/metric-query.ts'
import type { Steps } from '../../logql/metric/steps.ts'
import type { MetricExpr } from '../../logql/parse/syntax.ts'
import type { Clock, LogStore, StreamRange } from '../../ports/log-store.ts'
import { type QueryTurn, UNSHARED } from './query-turns.ts'
import { tolerantRead } from './tolerant-read.ts'

export interface MetricQueryRequest {
  readonly tenant: string
  readonly expr: MetricExpr
  readonly time: MetricTime
  /** True: with too many series, the result has some of them and a warning, instead of an error. */
  readonly isPartial?: boolean
}

export interface MetricQueryResult {
  readonly result: MetricResult
  readonly stats: QueryStats
}

/** A compiled metric query that has not been executed yet. */
export interface MetricPlan {
  /** The time range [start, end) to read; undefined if nothing is read, as for `1 + 1`. */
  readonly span: { readonly start: bigint; readonly end: bigint } | undefined
  /** What is read, in parts. */
  readonly reads: readonly Omit<StreamRange, 'pause'>[]
  readonly steps: Steps
  /** False if the result may depend on the current time. */
  readonly isTimeless: boolean
  /**
   * Reads the data of all range aggregations once, and evaluates. Throws like runMetricQuery; with `warnings`, what the store cannot read is
   * one of the result instead of store_damaged. Call it once.
   */
  run(store: LogStore, turn?: QueryTurn, warnings?: string[]): Promise<MetricQueryResult>
}

/** Throws whatever the compiled query throws. */
export function planMetricQuery(
  clock: Clock,
  limits: QueryLimits,
  { tenant, expr, time, isPartial }: MetricQueryRequest,
): MetricPlan {
  const startedMs = clock.monotonicMs()
  const query = new MetricQuery(expr, { time, limits, isPartial, nowMs: clock.nowMs() })
  return {
    span: spanOf(query),
    reads: query.reads.map(({ matchers, start, end }) => ({ tenant, matchers, start, end })),
    steps: query.steps,
    isTimeless: query.isTimeless,
    run: async (store, turn = UNSHARED, warnings) => {
      const stats = await readAll(store, tenant, query, turn, warnings)
      const found = await turn.run(query.result())
      const all = [...(found.warnings ?? []), ...(warnings ?? [])]
      const result = all.length === 0 ? found : { ...found, warnings: all }
      return { result, stats: { ...stats, seconds: (clock.monotonicMs() - startedMs) / 1000 } }
    },
  }
}

/**
 * Plans and runs, in the turns of the query. Throws query_refused if a limit is exceeded, the errors of the compiled
 * query, and the reason of the turn's signal once it is aborted.
 */
export function runMetricQuery(
  store: LogStore,
  clock: Clock,
  limits: QueryLimits,
  request: MetricQueryRequest,
  turn?: QueryTurn,
): Promise<MetricQueryResult> {
  return planMetricQuery(clock, limits, request).run(store, turn)
}

async function readAll(
  store: LogStore,
  tenant: string,
  query: MetricQuery,
  turn: QueryTurn,
  warnings: string[] | undefined,
): Promise<Omit<QueryStats, 'seconds'>> {
  const stats = { bytes: 0, lines: 0, linesAfterFilter: 0, entriesReturned: 0 }
  for (const read of query.reads) {
    const { matchers, start, end, withoutText, scans, traceId, needs } = read
    const wants = (oldest: bigint, newest: bigint): boolean => read.wants(oldest, newest)
    const range = { tenant, matchers, start, end, direction: 'forward' as const }
    const takes = read.takesSummaries ? (run: RunSummary): boolean => read.take(run) : undefined
    const skips = { takes, needs, wants }
    const request = { ...range, ...skips, withoutText, scans, traceId, readsAll: true, pause: turn.pause }
    for await (const { block, runs, sequence } of tolerantRead(store, request, turn.signal, warnings)) {
      await turn.run(read.add(block, runs, sequence))
    }
    stats.lines += read.figures.lines
    stats.bytes += read.figures.bytes
    stats.linesAfterFilter += read.figures.linesAfterFilter
  }
  return stats
}

function spanOf({ reads }: MetricQuery): MetricPlan['span'] {
  const [first, ...others] = reads
  if (first === undefined) return undefined
  let { start, end } = first
  for (const read of others) {
    if (read.start < start) start = read.start
    if (read.end > end) end = read.end
  }
  return { start, end }
}
