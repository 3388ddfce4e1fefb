/** Binary operators between vectors and numbers. */

import { GatewayError } from '../../domain/errors.ts'
import { formatLabels, type Labels, labelValue, withLabel } from '../../domain/labels.ts'
import type { Slices } from '../../kit/slices.ts'
import type { BinaryOperation, VectorMatching } from '../parse/syntax.ts'
import { calculate, compare, isComparison } from '../scalar.ts'
import { groupLabels, matchKey } from './grouping.ts'
import { isPresent, makeSeries, SERIES_VALUES, type Series, setValue, valueAt, valueStride } from './series.ts'

const DEFAULT_MATCHING: VectorMatching = { on: false, labels: [], many: 'none', include: [] }

/** An operation between a vector and a number; the number is the left operand if `isLeft`. */
export function* operateWithNumber(
  operation: BinaryOperation,
  input: readonly Series[],
  number: number,
  isLeft: boolean,
): Slices<Series[]> {
  const stride = valueStride()
  const results: Series[] = []
  for (const series of input) {
    if (stride.isDue(SERIES_VALUES + series.values.length)) yield
    const result = makeSeries(series.labels, series.values.length)
    for (let k = 0; k < series.values.length; k++) {
      if (!isPresent(series, k)) continue
      const own = valueAt(series, k)
      const value = operate(operation, isLeft ? number : own, isLeft ? own : number, own)
      if (value !== undefined) setValue(result, k, value)
    }
    results.push(result)
  }
  return results
}

/** An operation between two vectors. Throws query_refused if there is more than one match. */
export function* operateVectors(
  operation: BinaryOperation,
  left: readonly Series[],
  right: readonly Series[],
  count: number,
): Slices<Series[]> {
  const matching = operation.matching ?? DEFAULT_MATCHING
  switch (operation.operator) {
    case 'and':
      return yield* keepWhere(matching, left, right, true)
    case 'unless':
      return yield* keepWhere(matching, left, right, false)
    case 'or':
      return [...left, ...(yield* keepWhere(matching, right, left, false))]
    default:
      return yield* matchPairs(operation, matching, left, right, count)
  }
}

/** The value, or undefined if a comparison filters it out; `kept` is the value that a passing filter returns. */
function operate({ operator, returnsBool }: BinaryOperation, left: number, right: number, kept: number) {
  if (isComparison(operator)) {
    const holds = compare(operator, left, right)
    return returnsBool ? Number(holds) : holds ? kept : undefined
  }
  if (operator === 'and' || operator === 'or' || operator === 'unless') {
    throw new TypeError('BUG: a set operator reached arithmetic')
  }
  return calculate(operator, left, right)
}

function signature({ on, labels }: VectorMatching, of: Labels): string {
  return matchKey({ without: !on, labels }, of)
}

function* bySignature(matching: VectorMatching, input: readonly Series[]): Slices<Map<string, Series[]>> {
  const groups = new Map<string, Series[]>()
  const stride = valueStride()
  for (const series of input) {
    if (stride.isDue(SERIES_VALUES)) yield
    const key = signature(matching, series.labels)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [series])
    else group.push(series)
  }
  return groups
}

/** The values at steps for which another vector has (or does not have) a value with the same signature. */
function* keepWhere(
  matching: VectorMatching,
  input: readonly Series[],
  others: readonly Series[],
  wanted: boolean,
): Slices<Series[]> {
  const groups = yield* bySignature(matching, others)
  const presences = new Map<string, Uint8Array>()
  const stride = valueStride()
  const results: Series[] = []
  for (const series of input) {
    if (stride.isDue(SERIES_VALUES + series.values.length)) yield
    const key = signature(matching, series.labels)
    const presence = presences.get(key) ?? (yield* anyPresent(groups.get(key) ?? [], series.values.length))
    presences.set(key, presence)
    const result = makeSeries(series.labels, series.values.length)
    for (let k = 0; k < series.values.length; k++) {
      if (isPresent(series, k) && (presence[k] === 1) === wanted) setValue(result, k, valueAt(series, k))
    }
    results.push(result)
  }
  return results
}

function* anyPresent(group: readonly Series[], count: number): Slices<Uint8Array> {
  const presence = new Uint8Array(count)
  const stride = valueStride()
  for (const { present } of group) {
    if (stride.isDue(SERIES_VALUES + count)) yield
    for (let k = 0; k < count; k++) if (present[k] === 1) presence[k] = 1
  }
  return presence
}

function* matchPairs(
  operation: BinaryOperation,
  matching: VectorMatching,
  left: readonly Series[],
  right: readonly Series[],
  count: number,
): Slices<Series[]> {
  // With group_right the right side is the many side.
  const isSwapped = matching.many === 'right'
  const many = isSwapped ? right : left
  const partners = yield* findPartners(matching, isSwapped ? left : right, count)
  const stride = valueStride()
  const results = new Map<string, Result>()
  for (const manySeries of many) {
    if (stride.isDue(SERIES_VALUES + count)) yield
    const group = signature(matching, manySeries.labels)
    const ones = partners.get(group)
    if (ones === undefined) continue
    const resultOf = resultFinder(matching, manySeries.labels, group, results, count)
    for (let k = 0; k < count; k++) {
      const one = isPresent(manySeries, k) ? ones[k] : undefined
      if (one === undefined) continue
      const { series, matched } = resultOf(one)
      // A pair that the comparison filters out counts too.
      if (matched[k] === 1) throw severalMatches(matching)
      matched[k] = 1
      const [a, b] = isSwapped ? [one, manySeries] : [manySeries, one]
      const value = operate(operation, valueAt(a, k), valueAt(b, k), valueAt(a, k))
      if (value !== undefined) setValue(series, k, value)
    }
  }
  return [...results.values()].map(({ series }) => series)
}

/** The series of the one side by match group and step. Throws query_refused if a group has two at a step. */
function* findPartners(
  matching: VectorMatching,
  ones: readonly Series[],
  count: number,
): Slices<Map<string, Partners>> {
  const partnersByGroup = new Map<string, Partners>()
  const stride = valueStride()
  for (const [group, members] of yield* bySignature(matching, ones)) {
    const partners: (Series | undefined)[] = new Array(count)
    for (const one of members) {
      if (stride.isDue(SERIES_VALUES + count)) yield
      for (let k = 0; k < count; k++) {
        if (!isPresent(one, k)) continue
        if (partners[k] !== undefined) throw duplicateSeries(matching)
        partners[k] = one
      }
    }
    partnersByGroup.set(group, partners)
  }
  return partnersByGroup
}

type Partners = readonly (Series | undefined)[]

interface Result {
  readonly series: Series
  /** 1 at the steps where a pair was matched. */
  readonly matched: Uint8Array
}

/** Maps a series of the many side, by its partner, to its result series: equal labels share one. */
function resultFinder(
  matching: VectorMatching,
  labels: Labels,
  group: string,
  results: Map<string, Result>,
  count: number,
): (one: Series) => Result {
  const resultByOne = new Map<Series, Result>()
  return (one) => {
    const known = resultByOne.get(one)
    if (known !== undefined) return known
    const resultOwn = resultLabels(matching, labels, one.labels)
    const key = matching.many === 'none' ? group : formatLabels(resultOwn)
    const result = results.get(key) ?? { series: makeSeries(resultOwn, count), matched: new Uint8Array(count) }
    results.set(key, result)
    resultByOne.set(one, result)
    return result
  }
}

function severalMatches({ many }: VectorMatching): GatewayError {
  return new GatewayError(
    'query_refused',
    many === 'none'
      ? 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'
      : 'multiple matches for labels: grouping labels must ensure unique matches',
  )
}

function duplicateSeries({ many }: VectorMatching): GatewayError {
  const side = many === 'right' ? 'left' : 'right'
  return new GatewayError(
    'query_refused',
    `found duplicate series on the ${side} hand-side;` +
      'many-to-many matching not allowed: matching labels must be unique on one side',
  )
}

/**
 * One to one: the labels that were matched on. Many to one: the labels of the many side, with the included ones of the
 * one side.
 */
function resultLabels(matching: VectorMatching, manyLabels: Labels, one: Labels): Labels {
  const many = manyLabels.filter(({ value }) => value !== '')
  if (matching.many === 'none') {
    return matching === DEFAULT_MATCHING ? many : groupLabels({ without: !matching.on, labels: matching.labels }, many)
  }
  let labels: Labels = many
  for (const name of matching.include) {
    const value = labelValue(one, name)
    labels = labels.filter((label) => label.name !== name)
    if (value !== '') labels = withLabel(labels, name, value)
  }
  return labels
}
