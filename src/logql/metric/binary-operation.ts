/** Binary operators between vectors and numbers. */

import { GatewayError } from '../../domain/errors.ts'
import { formatLabels, type Labels, labelValue, withLabel } from '../../domain/labels.ts'
import { calculate, compare, isComparison } from '../scalar.ts'
import type { BinaryOperation, VectorMatching } from '../syntax.ts'
import { groupKey, groupLabels } from './grouping.ts'
import { isPresent, makeSeries, type Series, setValue, valueAt } from './series.ts'

const DEFAULT_MATCHING: VectorMatching = { on: false, labels: [], many: 'none', include: [] }

/** A vector with a number on one of its sides; the number is the left operand where `isLeft`. */
export function operateWithNumber(
  operation: BinaryOperation,
  input: readonly Series[],
  number: number,
  isLeft: boolean,
): Series[] {
  return input.map((series) => {
    const result = makeSeries(series.labels, series.values.length)
    for (let k = 0; k < series.values.length; k++) {
      if (!isPresent(series, k)) continue
      const own = valueAt(series, k)
      const value = operate(operation, isLeft ? number : own, isLeft ? own : number, own)
      if (value !== undefined) setValue(result, k, value)
    }
    return result
  })
}

/** Two vectors. Throws query_refused where the matching leaves more than one partner. */
export function operateVectors(
  operation: BinaryOperation,
  left: readonly Series[],
  right: readonly Series[],
  count: number,
): Series[] {
  const matching = operation.matching ?? DEFAULT_MATCHING
  switch (operation.operator) {
    case 'and':
      return keepWhere(matching, left, right, true)
    case 'unless':
      return keepWhere(matching, left, right, false)
    case 'or':
      return [...left, ...keepWhere(matching, right, left, false)]
    default:
      return matchPairs(operation, matching, left, right, count)
  }
}

/** The value, or undefined where a comparison filters it out; `kept` is what a filter lets through. */
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
  return groupKey({ without: !on, labels }, of)
}

function bySignature(matching: VectorMatching, input: readonly Series[]): Map<string, Series[]> {
  const groups = new Map<string, Series[]>()
  for (const series of input) {
    const key = signature(matching, series.labels)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [series])
    else group.push(series)
  }
  return groups
}

/** The values for which another vector has (or has not) a value of the same signature at the step. */
function keepWhere(
  matching: VectorMatching,
  input: readonly Series[],
  others: readonly Series[],
  wanted: boolean,
): Series[] {
  const groups = bySignature(matching, others)
  return input.map((series) => {
    const partners = groups.get(signature(matching, series.labels)) ?? []
    const result = makeSeries(series.labels, series.values.length)
    for (let k = 0; k < series.values.length; k++) {
      if (!isPresent(series, k)) continue
      if (partners.some((partner) => isPresent(partner, k)) === wanted) setValue(result, k, valueAt(series, k))
    }
    return result
  })
}

function matchPairs(
  operation: BinaryOperation,
  matching: VectorMatching,
  left: readonly Series[],
  right: readonly Series[],
  count: number,
): Series[] {
  // group_right makes the right side the one that may have many.
  const isSwapped = matching.many === 'right'
  const many = isSwapped ? right : left
  const ones = bySignature(matching, isSwapped ? left : right)
  const results = new Map<string, Series[]>()
  for (const manySeries of many) {
    const group = signature(matching, manySeries.labels)
    const partners = ones.get(group) ?? []
    for (const one of partners) {
      const result = makeSeries(resultLabels(matching, manySeries.labels, one.labels), count)
      // Results that may not both have a value at one step.
      const key = matching.many === 'none' ? group : formatLabels(result.labels)
      const rivals = results.get(key) ?? []
      for (let k = 0; k < count; k++) {
        if (!isPresent(manySeries, k) || !isPresent(one, k)) continue
        checkOnlyPartner(matching, partners, k)
        const [a, b] = isSwapped ? [one, manySeries] : [manySeries, one]
        const value = operate(operation, valueAt(a, k), valueAt(b, k), valueAt(a, k))
        if (value === undefined) continue
        if (rivals.some((rival) => isPresent(rival, k))) throw severalMatches(matching)
        setValue(result, k, value)
      }
      results.set(key, [...rivals, result])
    }
  }
  return [...results.values()].flat()
}

function severalMatches({ many }: VectorMatching): GatewayError {
  return new GatewayError(
    'query_refused',
    many === 'none'
      ? 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'
      : 'multiple matches for labels: grouping labels must ensure unique matches',
  )
}

/** The one side must be one at each step. */
function checkOnlyPartner(matching: VectorMatching, partners: readonly Series[], k: number): void {
  if (partners.length < 2) return
  const present = partners.filter((partner) => isPresent(partner, k))
  const [first, second] = present
  if (first === undefined || second === undefined) return
  const side = matching.many === 'right' ? 'left' : 'right'
  const group = formatLabels(groupLabels({ without: !matching.on, labels: matching.labels }, first.labels))
  throw new GatewayError(
    'query_refused',
    `found duplicate series for the match group ${group} on the ${side} hand-side of the operation: ` +
      `[${formatLabels(second.labels)}, ${formatLabels(first.labels)}];` +
      'many-to-many matching not allowed: matching labels must be unique on one side',
  )
}

/** One to one: what was matched on. Many to one: the many side's labels, with those asked for from the one side. */
function resultLabels(matching: VectorMatching, many: Labels, one: Labels): Labels {
  if (matching.many === 'none') {
    return matching === DEFAULT_MATCHING ? many : groupLabels({ without: !matching.on, labels: matching.labels }, many)
  }
  let labels = many
  for (const name of matching.include) {
    const value = labelValue(one, name)
    labels = labels.filter((label) => label.name !== name)
    if (value !== '') labels = withLabel(labels, name, value)
  }
  return labels
}
