/** Runs a LogQL log query over a store. */

import { GatewayError } from '../../domain/errors.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import type { QueryStats, ResultStream } from '../../domain/query-result.ts'
import { LogQuery } from '../../logql/log-query.ts'
import { neededText } from '../../logql/needed-text.ts'
import type { LogExpr } from '../../logql/parse/syntax.ts'
import type { Clock, LogStore } from '../../ports/log-store.ts'
import { type QueryTurn, UNSHARED } from './query-turns.ts'
import { tolerantRead } from './tolerant-read.ts'

export interface LogQueryRequest {
  readonly tenant: string
  readonly expr: LogExpr
  /** The time range [start, end) in ns; an entry at `start` is returned even if both are equal. */
  readonly start: bigint
  readonly end: bigint
  readonly limit: number
  readonly direction: 'forward' | 'backward'
  /** Skips entries closer than this to the previous returned one; 0: skips none. */
  readonly intervalNs: bigint
}

export interface LogQueryResult {
  readonly streams: readonly ResultStream[]
  readonly stats: QueryStats
}

/**
 * Reads blocks until the result is complete, in the turns of the query. Throws query_refused if a limit is exceeded,
 * the errors of the compiled query, and the reason of the turn's signal once it is aborted. What the store cannot read is added to
 * `warnings`, or without them thrown as store_damaged.
 */
export async function runLogQuery(
  store: LogStore,
  clock: Clock,
  limits: QueryLimits,
  request: LogQueryRequest,
  turn: QueryTurn = UNSHARED,
  warnings?: string[],
): Promise<LogQueryResult> {
  const { tenant, expr, start, end, limit, direction, intervalNs } = request
  if (limit > limits.entriesMax) {
    const text = `max entries limit per query exceeded, limit > max_entries_limit_per_query (${limit} > ${limits.entriesMax})`
    throw new GatewayError('query_refused', text)
  }
  const startedMs = clock.monotonicMs()
  const query = new LogQuery(expr, { direction, limit, intervalNs, nowMs: clock.nowMs() })
  const blocks = tolerantRead(
    store,
    {
      tenant,
      matchers: query.matchers,
      start,
      end: end === start ? end + 1n : end,
      direction,
      scans: query.scans,
      traceId: query.traceId,
      needs: neededText(expr.stages),
      wants: (oldest, newest) => query.wants(oldest, newest),
      pause: turn.pause,
    },
    turn.signal,
    warnings,
  )
  for await (const { block, runs, sequence } of blocks) await turn.run(query.add(block, runs, sequence))
  const streams = await turn.run(query.result())
  const entriesReturned = streams.reduce((sum, { entries }) => sum + entries.length, 0)
  return { streams, stats: { ...query.figures, entriesReturned, seconds: (clock.monotonicMs() - startedMs) / 1000 } }
}
