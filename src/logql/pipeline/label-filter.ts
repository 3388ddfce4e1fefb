/** `| status >= 500 and method = "GET"`: conditions on labels. */

import type { CompareOperator, LabelFilter } from '../parse/syntax.ts'
import { parseBytes, parseGoDuration, parseGoFloat } from './convert.ts'
import { bytesFault, durationFault, floatFault } from './convert-fault.ts'
import { compileIpFilter } from './ip.ts'
import { ERROR_DETAILS_LABEL, type LabelSet } from './label-set.ts'

/** False drops the entry. */
export type LabelTest = (labels: LabelSet) => boolean

/**
 * A missing label is the empty string for a string condition and fails every other condition. An entry with an error
 * fails number, duration and size conditions, and passes address conditions. A value that cannot be converted keeps the
 * entry and sets `__error__` if there is none. Throws query_malformed for an invalid ip pattern.
 */
export function compileLabelFilter(filter: LabelFilter): LabelTest {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return compileBoth(filter.kind, compileLabelFilter(filter.left), compileLabelFilter(filter.right))
    case 'string':
      return compileStringTest(filter.matcher.name, filter.matcher.test)
    case 'number':
      return compileComparison({ ...filter, parse: parseGoFloat, faultOf: floatFault })
    case 'duration':
      return compileComparison({
        ...filter,
        parse: parseGoDuration,
        faultOf: durationFault,
        value: Number(filter.value),
      })
    case 'bytes':
      return compileComparison({ ...filter, parse: parseBytes, faultOf: bytesFault })
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
  // Both sides always run: the right one may set an error that is visible if an `or` around them passes.
  if (kind === 'and') {
    return (labels) => {
      const isLeft = left(labels)
      return right(labels) && isLeft
    }
  }
  return (labels) => left(labels) || right(labels)
}

function compileStringTest(name: string, test: (value: string) => boolean): LabelTest {
  // As in Loki, no filter sees the details of an error.
  if (name === ERROR_DETAILS_LABEL) return () => test('')
  return (labels) => test(labels.get(name) ?? '')
}

function compileIpTest(name: string, operator: '=' | '!=', test: (value: string) => boolean): LabelTest {
  return (labels) => {
    // As in Loki, only this condition passes entries with an error.
    if (labels.hasError) return true
    const value = labels.get(name)
    return value !== undefined && test(value) === (operator === '=')
  }
}

interface Comparison {
  readonly name: string
  readonly operator: CompareOperator
  readonly value: number
  readonly parse: (text: string) => number | undefined
  /** The error text for a text that cannot be converted. */
  readonly faultOf: (text: string) => string
}

function compileComparison({ name, operator, value, parse, faultOf }: Comparison): LabelTest {
  const compare = COMPARE[operator]
  return (labels) => {
    const text = labels.getPlain(name)
    if (text === undefined) return false
    const number = parse(text)
    if (number !== undefined) return compare(number, value)
    if (!labels.hasError) labels.setError('LabelFilterErr', faultOf(text))
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
