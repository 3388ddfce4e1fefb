/** Evaluates the tree of a metric query over the series of its range aggregations. */

import type { Slices } from '../../kit/slices.ts'
import type { BinaryOperation, MetricExpr, RangeAggregation } from '../parse/syntax.ts'
import { operateVectors, operateWithNumber } from './binary-operation.ts'
import { replaceLabels } from './label-replace.ts'
import { checkVolume, constantSeries, mergeEqual, type Series, withValues } from './series.ts'
import { aggregateVector } from './vector-aggregation.ts'

/** Returns the series of a range aggregation, for the leaves. */
export type LeafSeries = (leaf: RangeAggregation) => Slices<readonly Series[]>

/** The series of the expression at `count` steps; a literal is a series without labels. Throws query_refused. */
export function* evaluate(expr: MetricExpr, leaves: LeafSeries, count: number): Slices<readonly Series[]> {
  const series = yield* evaluateNode(expr, leaves, count)
  checkVolume(series.length, count)
  return series
}

function* evaluateNode(expr: MetricExpr, leaves: LeafSeries, count: number): Slices<readonly Series[]> {
  switch (expr.kind) {
    case 'literal':
    case 'vector':
      return [constantSeries([], count, expr.value)]
    case 'range_aggregation':
      return yield* leaves(expr)
    case 'vector_aggregation': {
      const series = yield* withValues(yield* evaluate(expr.expr, leaves, count))
      return yield* aggregateVector(expr, series, count)
    }
    case 'label_replace':
      return yield* replaceLabels(expr, yield* evaluate(expr.expr, leaves, count))
    case 'binary_operation':
      return yield* evaluateOperation(expr, leaves, count)
  }
}

function* evaluateOperation(operation: BinaryOperation, leaves: LeafSeries, count: number): Slices<readonly Series[]> {
  const { left, right } = operation
  if (left.kind === 'literal') {
    return yield* operateWithNumber(operation, yield* evaluate(right, leaves, count), left.value, true)
  }
  if (right.kind === 'literal') {
    return yield* operateWithNumber(operation, yield* evaluate(left, leaves, count), right.value, false)
  }
  const [lefts, rights] = [yield* evaluate(left, leaves, count), yield* evaluate(right, leaves, count)]
  return yield* mergeEqual(yield* operateVectors(operation, lefts, rights, count))
}
