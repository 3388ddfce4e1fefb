/** A query with its pipelines changed. */

import { formatLine } from '../../src/logql/parse/format.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { Expr, LogExpr, MetricExpr, PipelineStage } from '../../src/logql/parse/syntax.ts'

type Change = (stages: readonly PipelineStage[]) => readonly PipelineStage[]

/** The same text where nothing changes, or the query cannot be read. */
export function mapStages(query: string, change: Change): string {
  let expr: Expr
  try {
    expr = parseExpr(query)
  } catch {
    return query
  }
  const changed = formatLine(expr.kind === 'log' ? mapLog(expr, change) : mapMetric(expr, change))
  return changed === formatLine(expr) ? query : changed
}

function mapLog(log: LogExpr, change: Change): LogExpr {
  return { ...log, stages: change(log.stages) }
}

function mapMetric(expr: MetricExpr, change: Change): MetricExpr {
  switch (expr.kind) {
    case 'range_aggregation':
      return { ...expr, range: { ...expr.range, log: mapLog(expr.range.log, change) } }
    case 'vector_aggregation':
    case 'label_replace':
      return { ...expr, expr: mapMetric(expr.expr, change) }
    case 'binary_operation':
      return { ...expr, left: mapMetric(expr.left, change), right: mapMetric(expr.right, change) }
    case 'vector':
    case 'literal':
      return expr
  }
}
