/** Expressions of alert rules: a metric query, or a log query whose lines are counted. */

import { formatDuration } from '../domain/duration.ts'
import { GatewayError } from '../domain/errors.ts'
import type { QueryLimits } from '../domain/limits.ts'
import { MetricQuery } from './metric/metric-query.ts'
import { formatLine } from './parse/format.ts'
import { parseExpr } from './parse/parse.ts'
import type { Expr, LogExpr, MetricExpr } from './parse/syntax.ts'

/**
 * The metric query of a rule. A bare log query `Q` stands for `sum(count_over_time(Q[<interval of the group>])) > 0`:
 * one alert, whose value is the number of lines. Throws query_malformed or query_refused for a query that can never
 * run.
 */
export function compileRuleExpr(text: string, intervalMs: number, limits: QueryLimits): MetricExpr {
  const expr = metricOf(text, intervalMs, limits)
  // Stages and steps are checked when the query is planned.
  new MetricQuery(expr, { time: { kind: 'instant', time: 0n }, limits, nowMs: 0 })
  return expr
}

function metricOf(text: string, intervalMs: number, limits: QueryLimits): MetricExpr {
  const expr = parseExpr(text, { bytesMax: limits.queryBytesMax })
  if (expr.kind !== 'log') return expr
  const counted = parseExpr(`sum(count_over_time(${formatLine(expr)} [${formatDuration(intervalMs)}])) > 0`)
  if (counted.kind !== 'log') return counted
  throw new GatewayError('internal', 'BUG: a count of lines was read as a log query')
}

/** The first log query in a rule's expression, for a link to the lines behind an alert; undefined if there is none. */
export function linesBehind(text: string): string | undefined {
  const log = firstLog(parseExpr(text))
  return log === undefined ? undefined : formatLine(log)
}

function firstLog(expr: Expr): LogExpr | undefined {
  switch (expr.kind) {
    case 'log':
      return expr
    case 'range_aggregation':
      return expr.range.log
    case 'vector_aggregation':
    case 'label_replace':
      return firstLog(expr.expr)
    case 'binary_operation':
      return firstLog(expr.left) ?? firstLog(expr.right)
    case 'vector':
    case 'literal':
      return undefined
  }
}
