/** Aggregations over the series of a vector, step by step. */

import { GatewayError } from '../../domain/errors.ts'
import { type Slices, sortSlices } from '../../kit/slices.ts'
import type { Grouping, VectorAggregation } from '../parse/syntax.ts'
import { groupKey, vectorGroupLabels } from './grouping.ts'
import {
  isPresent,
  makeSeries,
  SERIES_VALUES,
  type Series,
  setValue,
  valueAt,
  valueStride,
  withValues,
} from './series.ts'

const ALL_TOGETHER: Grouping = { without: false, labels: [] }

/**
 * The aggregated series. sort and sort_desc only matter for an instant query: they return the series in order.
 * Throws query_refused for approx_topk over a range.
 */
export function* aggregateVector(
  { operation, grouping = ALL_TOGETHER, parameter }: VectorAggregation,
  input: readonly Series[],
  count: number,
): Slices<Series[]> {
  switch (operation) {
    case 'sort':
      return yield* sortByValue(input, count, (a, b) => compareValues(a, b))
    case 'sort_desc':
      return yield* sortByValue(input, count, (a, b) => compareValues(b, a))
    case 'approx_topk':
      if (count > 1) {
        throw new GatewayError('query_refused', 'approx_topk is only supported on instant queries; use topk')
      }
      return yield* pickSeries(input, grouping, count, parameter as number, true)
    case 'topk':
    case 'bottomk':
      return yield* pickSeries(input, grouping, count, parameter as number, operation === 'topk')
    default: {
      const results: Series[] = []
      for (const { members } of yield* groupsOf(input, grouping)) {
        const [first] = members
        const labels = first === undefined ? [] : vectorGroupLabels(grouping, first.labels)
        results.push(yield* aggregateGroup(operation, labels, members, count))
      }
      return results
    }
  }
}

interface Group {
  readonly members: Series[]
}

function* groupsOf(input: readonly Series[], grouping: Grouping): Slices<Group[]> {
  const groups = new Map<string, Group>()
  const stride = valueStride()
  for (const series of input) {
    if (stride.isDue(SERIES_VALUES)) yield
    const key = groupKey(grouping, series.labels)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { members: [series] })
    else group.members.push(series)
  }
  return [...groups.values()]
}

type Reduction = 'sum' | 'avg' | 'count' | 'min' | 'max' | 'stddev' | 'stdvar'

function* aggregateGroup(
  operation: Reduction,
  labels: Series['labels'],
  members: readonly Series[],
  count: number,
): Slices<Series> {
  const result = makeSeries(labels, count)
  const stride = valueStride()
  for (let k = 0; k < count; k++) {
    if (stride.isDue(1 + members.length)) yield
    const values: number[] = []
    for (const series of members) if (isPresent(series, k)) values.push(valueAt(series, k))
    if (values.length > 0) setValue(result, k, REDUCTIONS[operation](values))
  }
  return result
}

/** Each takes at least one value. */
const REDUCTIONS: Readonly<Record<Reduction, (values: readonly number[]) => number>> = {
  sum,
  avg: average,
  count: (values) => values.length,
  // A number wins over NaN.
  min: (values) => values.reduce((a, b) => (b < a || Number.isNaN(a) ? b : a)),
  max: (values) => values.reduce((a, b) => (b > a || Number.isNaN(a) ? b : a)),
  stddev: (values) => Math.sqrt(variance(values)),
  stdvar: variance,
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

/** The incremental mean; an infinite mean stays unless the opposite infinity or NaN is added. */
function average(values: readonly number[]): number {
  let mean = values[0] as number
  for (let i = 1; i < values.length; i++) {
    const value = values[i] as number
    if (Math.abs(mean) === Number.POSITIVE_INFINITY && (value === mean || Number.isFinite(value))) continue
    mean += (value - mean) / (i + 1)
  }
  return mean
}

/** The population variance by Welford's method; a single value has zero, even if it is infinite. */
function variance(values: readonly number[]): number {
  let mean = values[0] as number
  let squares = 0
  for (let i = 1; i < values.length; i++) {
    const value = values[i] as number
    const distance = value - mean
    mean += distance / (i + 1)
    squares += distance * (value - mean)
  }
  return squares / values.length
}

/** The k greatest or least values of each group at each step; NaN only if nothing else is left. */
function* pickSeries(
  input: readonly Series[],
  grouping: Grouping,
  count: number,
  size: number,
  isGreatest: boolean,
): Slices<Series[]> {
  const compare = (a: number, b: number): number => (isGreatest ? compareValues(b, a) : compareValues(a, b))
  const picked: Series[] = []
  const stride = valueStride()
  for (const { members } of yield* groupsOf(input, grouping)) {
    const results: Series[] = []
    for (const { labels } of members) {
      results.push(makeSeries(labels, count))
      if (stride.isDue(SERIES_VALUES + count)) yield
    }
    for (let k = 0; k < count; k++) {
      const present = members.map((_, i) => i).filter((i) => isPresent(members[i] as Series, k))
      const at = (i: number): number => valueAt(members[i] as Series, k)
      const order = yield* sortSlices(present, (i, j) => compareWithNaN(compare, at(i), at(j)))
      for (const i of order.slice(0, size)) setValue(results[i] as Series, k, at(i))
      if (stride.isDue(SERIES_VALUES * (1 + members.length))) yield
    }
    for (const series of yield* withValues(results)) picked.push(series)
  }
  return yield* sortByValue(picked, count, (a, b) => compareWithNaN(compare, a, b))
}

function compareWithNaN(compare: (a: number, b: number) => number, a: number, b: number): number {
  const nan = Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return nan !== 0 ? nan : compare(a, b)
}

function compareValues(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a === b ? 0 : a < b ? -1 : 1
}

function* sortByValue(
  input: readonly Series[],
  count: number,
  compare: (a: number, b: number) => number,
): Slices<Series[]> {
  if (count !== 1) return [...input]
  const present = input.filter((series) => isPresent(series, 0))
  return yield* sortSlices(present, (a, b) => compareWithNaN(compare, valueAt(a, 0), valueAt(b, 0)))
}
