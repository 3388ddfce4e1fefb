/** Aggregations over the series of a vector, step by step. */

import { GatewayError } from '../../domain/errors.ts'
import type { Grouping, VectorAggregation } from '../parse/syntax.ts'
import { groupKey, groupLabels } from './grouping.ts'
import { isPresent, makeSeries, type Series, setValue, valueAt } from './series.ts'

const ALL_TOGETHER: Grouping = { without: false, labels: [] }

/**
 * The aggregated series. sort and sort_desc only matter to an instant query: they give the series in their order.
 * Throws query_refused for approx_topk over a range.
 */
export function aggregateVector(
  { operation, grouping = ALL_TOGETHER, parameter }: VectorAggregation,
  input: readonly Series[],
  count: number,
): Series[] {
  switch (operation) {
    case 'sort':
      return sortByValue(input, count, (a, b) => compareValues(a, b))
    case 'sort_desc':
      return sortByValue(input, count, (a, b) => compareValues(b, a))
    case 'approx_topk':
      if (count > 1) {
        throw new GatewayError('query_refused', 'approx_topk is only supported on instant queries; use topk')
      }
      return pickSeries(input, grouping, count, parameter as number, true)
    case 'topk':
    case 'bottomk':
      return pickSeries(input, grouping, count, parameter as number, operation === 'topk')
    default:
      return groupsOf(input, grouping).map(({ members }) => {
        const [first] = members
        return aggregateGroup(operation, first === undefined ? [] : groupLabels(grouping, first.labels), members, count)
      })
  }
}

interface Group {
  readonly members: Series[]
}

function groupsOf(input: readonly Series[], grouping: Grouping): Group[] {
  const groups = new Map<string, Group>()
  for (const series of input) {
    const key = groupKey(grouping, series.labels)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { members: [series] })
    else group.members.push(series)
  }
  return [...groups.values()]
}

type Reduction = 'sum' | 'avg' | 'count' | 'min' | 'max' | 'stddev' | 'stdvar'

function aggregateGroup(
  operation: Reduction,
  labels: Series['labels'],
  members: readonly Series[],
  count: number,
): Series {
  const result = makeSeries(labels, count)
  for (let k = 0; k < count; k++) {
    const values: number[] = []
    for (const series of members) if (isPresent(series, k)) values.push(valueAt(series, k))
    if (values.length > 0) setValue(result, k, REDUCTIONS[operation](values))
  }
  return result
}

/** Each takes at least one value. */
const REDUCTIONS: Readonly<Record<Reduction, (values: readonly number[]) => number>> = {
  sum,
  avg: (values) => sum(values) / values.length,
  count: (values) => values.length,
  // A number beats NaN.
  min: (values) => values.reduce((a, b) => (b < a || Number.isNaN(a) ? b : a)),
  max: (values) => values.reduce((a, b) => (b > a || Number.isNaN(a) ? b : a)),
  stddev: (values) => Math.sqrt(variance(values)),
  stdvar: variance,
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

/** Of the whole population, by Welford's method. */
function variance(values: readonly number[]): number {
  let mean = 0
  let squares = 0
  for (const [i, value] of values.entries()) {
    const distance = value - mean
    mean += distance / (i + 1)
    squares += distance * (value - mean)
  }
  return squares / values.length
}

/** The k greatest or least of each group, chosen anew at each step; NaN only where nothing else is left. */
function pickSeries(
  input: readonly Series[],
  grouping: Grouping,
  count: number,
  size: number,
  isGreatest: boolean,
): Series[] {
  const compare = (a: number, b: number): number => (isGreatest ? compareValues(b, a) : compareValues(a, b))
  const picked: Series[] = []
  for (const { members } of groupsOf(input, grouping)) {
    const results = members.map(({ labels }) => makeSeries(labels, count))
    for (let k = 0; k < count; k++) {
      const order = members.map((_, i) => i).filter((i) => isPresent(members[i] as Series, k))
      order.sort((i, j) => compareWithNaN(compare, valueAt(members[i] as Series, k), valueAt(members[j] as Series, k)))
      for (const i of order.slice(0, size)) setValue(results[i] as Series, k, valueAt(members[i] as Series, k))
    }
    picked.push(...results.filter(({ present }) => present.includes(1)))
  }
  return sortByValue(picked, count, (a, b) => compareWithNaN(compare, a, b))
}

function compareWithNaN(compare: (a: number, b: number) => number, a: number, b: number): number {
  const nan = Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return nan !== 0 ? nan : compare(a, b)
}

function compareValues(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a === b ? 0 : a < b ? -1 : 1
}

function sortByValue(input: readonly Series[], count: number, compare: (a: number, b: number) => number): Series[] {
  if (count !== 1) return [...input]
  return input
    .filter((series) => isPresent(series, 0))
    .sort((a, b) => compareWithNaN(compare, valueAt(a, 0), valueAt(b, 0)))
}
