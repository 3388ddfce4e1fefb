/** Runs a LogQL query for numbers over a store. */

import type { QueryLimits } from '../domain/limits.ts'
import type { MetricResult, QueryStats } from '../domain/query-result.ts'
import { MetricQuery, type MetricTime } from '../logql/metric/metric-query.ts'
import type { MetricExpr } from '../logql/syntax.ts'
import type { Clock, LogStore } from '../ports.ts'

export interface MetricQueryRequest {
  readonly tenant: string
  readonly expr: MetricExpr
  readonly time: MetricTime
}

export interface MetricQueryResult {
  readonly result: MetricResult
  readonly stats: QueryStats
}

/**
 * Reads what each range aggregation needs, once, and evaluates. Throws query_refused for what passes a limit, what the
 * compiled query throws, and the signal's reason once it is aborted.
 */
export async function runMetricQuery(
  store: LogStore,
  clock: Clock,
  limits: QueryLimits,
  { tenant, expr, time }: MetricQueryRequest,
  signal?: AbortSignal,
): Promise<MetricQueryResult> {
  const startedMs = clock.nowMs()
  const query = new MetricQuery(expr, { time, limits, nowMs: startedMs })
  const stats = { bytes: 0, lines: 0, linesAfterFilter: 0, entriesReturned: 0 }
  for (const read of query.reads) {
    const { matchers, start, end, withoutText, scans } = read
    const wants = (oldest: bigint, newest: bigint): boolean => read.wants(oldest, newest)
    const request = { tenant, matchers, start, end, withoutText, scans, direction: 'forward' as const, wants }
    for await (const { block, runs, sequence } of store.read(request, signal)) read.add(block, runs, sequence)
    stats.lines += read.figures.lines
    stats.bytes += read.figures.bytes
    stats.linesAfterFilter += read.figures.linesAfterFilter
  }
  const result = query.result()
  return { result, stats: { ...stats, seconds: (clock.nowMs() - startedMs) / 1000 } }
}
