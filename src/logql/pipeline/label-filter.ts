/** `| status >= 500 and method = "GET"`: conditions on labels. */

import type { CompareOperator, LabelFilter } from '../parse/syntax.ts'
import { parseBytes, parseGoDuration, parseGoFloat } from './convert.ts'
import { compileIpFilter } from './ip.ts'
import type { LabelSet } from './label-set.ts'

/** False drops the entry. */
export type LabelTest = (labels: LabelSet) => boolean

/**
 * An absent label is the empty string to a string condition and fails every other one, also of an entry with an error,
 * which passes conditions on addresses only. A value that cannot be converted keeps the entry and sets `__error__` where there is none. Throws query_malformed for an ip pattern that cannot be read.
 */
export function compileLabelFilter(filter: LabelFilter): LabelTest {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return compileBoth(filter.kind, compileLabelFilter(filter.left), compileLabelFilter(filter.right))
    case 'string':
      return compileStringTest(filter.matcher.name, filter.matcher.test)
    case 'number':
      return compileComparison({ ...filter, kind: 'number', parse: parseGoFloat })
    case 'duration':
      return compileComparison({ ...filter, kind: 'duration', parse: parseGoDuration, value: Number(filter.value) })
    case 'bytes':
      return compileComparison({ ...filter, kind: 'size in bytes', parse: parseBytes })
    case 'ip':
      return compileIpTest(filter.name, filter.operator, compileIpFilter(filter.value))
  }
}

/** The names that a filter reads. */
export function labelsOfFilter(filter: LabelFilter): readonly string[] {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return [...labelsOfFilter(filter.left), ...labelsOfFilter(filter.right)]
    case 'string':
      return [filter.matcher.name]
    default:
      return [filter.name]
  }
}

function compileBoth(kind: 'and' | 'or', left: LabelTest, right: LabelTest): LabelTest {
  if (kind === 'and') return (labels) => left(labels) && right(labels)
  return (labels) => left(labels) || right(labels)
}

function compileStringTest(name: string, test: (value: string) => boolean): LabelTest {
  return (labels) => test(labels.get(name) ?? '')
}

function compileIpTest(name: string, operator: '=' | '!=', test: (value: string) => boolean): LabelTest {
  return (labels) => {
    // Of all conditions this one alone lets errors through, in Loki as well.
    if (labels.hasError) return true
    const value = labels.get(name)
    return value !== undefined && test(value) === (operator === '=')
  }
}

interface Comparison {
  readonly kind: string
  readonly name: string
  readonly operator: CompareOperator
  readonly value: number
  readonly parse: (text: string) => number | undefined
}

function compileComparison({ kind, name, operator, value, parse }: Comparison): LabelTest {
  const compare = COMPARE[operator]
  return (labels) => {
    const text = labels.get(name)
    if (text === undefined) return false
    const number = parse(text)
    if (number !== undefined) return compare(number, value)
    if (!labels.hasError) labels.setError('LabelFilterErr', `the value of label ${name} is not a ${kind}`)
    return true
  }
}

const COMPARE: Readonly<Record<CompareOperator, (a: number, b: number) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
}
