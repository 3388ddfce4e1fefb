/** Formats values like Go's fmt.Print. */

import { type Budget, fault } from './budget.ts'
import { formatFloat } from './format-number.ts'
import { formatTimeString } from './time/time-format.ts'
import { GoTime, type GoValue, isGoMap, isList } from './value.ts'

/** Maximum nesting of lists and maps. */
const DEPTH_MAX = 64

/** `%v`. */
export function formatValue(value: GoValue, budget: Budget, depth = 0): string {
  switch (typeof value) {
    case 'string':
      budget.spend(value.length)
      return value
    case 'undefined':
      return '<nil>'
    case 'number':
      return formatFloat(value)
    case 'boolean':
    case 'bigint':
      return String(value)
    default:
      return formatComposite(value, budget, depth)
  }
}

function formatComposite(value: GoValue, budget: Budget, depth: number): string {
  if (value instanceof GoTime) return formatTimeString(value)
  if (depth >= DEPTH_MAX) throw fault(`prints values nested deeper than ${DEPTH_MAX}`)
  if (isList(value)) {
    return `[${value.map((element) => formatCounted(element, budget, depth)).join(' ')}]`
  }
  if (!isGoMap(value)) return ''
  const members = value.entries().map(([key, member]) => `${key}:${formatCounted(member, budget, depth)}`)
  return `map[${members.join(' ')}]`
}

function formatCounted(value: GoValue, budget: Budget, depth: number): string {
  budget.step()
  return formatValue(value, budget, depth + 1)
}

/** fmt.Sprint: a space between two operands when neither is a string. */
export function formatAll(values: readonly GoValue[], budget: Budget): string {
  let text = ''
  for (const [index, value] of values.entries()) {
    const before = values[index - 1]
    if (index > 0 && typeof value !== 'string' && typeof before !== 'string') text += ' '
    text += formatValue(value, budget)
  }
  return text
}
