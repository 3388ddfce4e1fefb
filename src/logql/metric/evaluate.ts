/** The tree of a metric query over the series that its range aggregations gathered. */

import type { BinaryOperation, MetricExpr, RangeAggregation } from '../parse/syntax.ts'
import { operateVectors, operateWithNumber } from './binary-operation.ts'
import { replaceLabels } from './label-replace.ts'
import { checkVolume, constantSeries, hasValues, mergeEqual, type Series } from './series.ts'
import { aggregateVector } from './vector-aggregation.ts'

/** Gives the series of a range aggregation at the leaves. */
export type LeafSeries = (leaf: RangeAggregation) => readonly Series[]

/** The series of the expression at `count` steps; a literal is a series without labels. Throws query_refused. */
export function evaluate(expr: MetricExpr, leaves: LeafSeries, count: number): readonly Series[] {
  const series = evaluateNode(expr, leaves, count)
  checkVolume(series.length, count)
  return series
}

function evaluateNode(expr: MetricExpr, leaves: LeafSeries, count: number): readonly Series[] {
  switch (expr.kind) {
    case 'literal':
    case 'vector':
      return [constantSeries([], count, expr.value)]
    case 'range_aggregation':
      return leaves(expr)
    case 'vector_aggregation':
      return aggregateVector(expr, evaluate(expr.expr, leaves, count).filter(hasValues), count)
    case 'label_replace':
      return replaceLabels(expr, evaluate(expr.expr, leaves, count))
    case 'binary_operation':
      return evaluateOperation(expr, leaves, count)
  }
}

function evaluateOperation(operation: BinaryOperation, leaves: LeafSeries, count: number): readonly Series[] {
  const { left, right } = operation
  if (left.kind === 'literal') return operateWithNumber(operation, evaluate(right, leaves, count), left.value, true)
  if (right.kind === 'literal') return operateWithNumber(operation, evaluate(left, leaves, count), right.value, false)
  return mergeEqual(operateVectors(operation, evaluate(left, leaves, count), evaluate(right, leaves, count), count))
}
