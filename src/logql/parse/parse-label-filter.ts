/** Parses label filters: comparisons joined by `and`, `,`, a space, `or` and parentheses. */

import type { MatchOperator } from '../../domain/selector.ts'
import { readMatcher } from './parse-matcher.ts'
import type { CompareOperator, LabelFilter } from './syntax.ts'
import type { TokenReader } from './token-reader.ts'

const COMPARE_OPERATORS: ReadonlyMap<string, CompareOperator> = new Map([
  ['=', '=='],
  ['==', '=='],
  ['!=', '!='],
  ['>', '>'],
  ['>=', '>='],
  ['<', '<'],
  ['<=', '<='],
])

/**
 * `and` binds more tightly than `or`. A comma or a space joins what precedes it with all that follows, as in Loki's
 * grammar: `a="1", b="2" or c="3"` is `a="1" and (b="2" or c="3")`.
 */
export function parseLabelFilter(reader: TokenReader): LabelFilter {
  let left = parseConjunction(reader)
  while (reader.takeWord('or')) {
    reader.countOperator()
    left = { kind: 'or', left, right: parseConjunction(reader) }
  }
  return left
}

function parseConjunction(reader: TokenReader): LabelFilter {
  let left = parseList(reader)
  while (reader.takeWord('and')) {
    reader.countOperator()
    left = { kind: 'and', left, right: parseList(reader) }
  }
  return left
}

function parseList(reader: TokenReader): LabelFilter {
  const left = parsePrimary(reader)
  if (!reader.takeSymbol(',') && !isPrimary(reader)) return left
  reader.countOperator()
  return { kind: 'and', left, right: parseLabelFilter(reader) }
}

function isPrimary(reader: TokenReader): boolean {
  if (reader.isSymbol('(')) return true
  const operator = reader.peek(1)
  const word = reader.word()
  return (
    word !== undefined &&
    word !== 'or' &&
    word !== 'and' &&
    operator.kind === 'symbol' &&
    (COMPARE_OPERATORS.has(operator.text) || operator.text === '=~' || operator.text === '!~')
  )
}

function parsePrimary(reader: TokenReader): LabelFilter {
  if (reader.takeSymbol('(')) {
    const filter = reader.nested(() => parseLabelFilter(reader))
    reader.expectSymbol(')')
    return filter
  }
  const name = reader.expectName()
  const token = reader.peek()
  const text = token.kind === 'symbol' ? token.text : ''
  if (text === '=~' || text === '!~') {
    reader.advance()
    return { kind: 'string', matcher: readMatcher(reader, name, text) }
  }
  const operator = COMPARE_OPERATORS.get(text)
  if (operator === undefined) return reader.fail()
  reader.advance()
  return parseComparison(reader, name, text, operator)
}

function parseComparison(reader: TokenReader, name: string, text: string, operator: CompareOperator): LabelFilter {
  const isEquality = text === '=' || text === '!='
  const token = reader.peek()
  if (isEquality && token.kind === 'string') {
    return { kind: 'string', matcher: readMatcher(reader, name, text as MatchOperator) }
  }
  if (isEquality && reader.word() === 'ip' && reader.isSymbol('(', 1)) {
    reader.advance()
    reader.advance()
    const value = reader.expectString()
    reader.expectSymbol(')')
    return { kind: 'ip', name, operator: text as '=' | '!=', value }
  }
  const isNegative = reader.isSymbol('-')
  const number = reader.peek(isNegative || reader.isSymbol('+') ? 1 : 0)
  if (number.kind === 'duration') {
    if (isNegative || reader.isSymbol('+')) reader.advance()
    reader.advance()
    return { kind: 'duration', name, operator, value: isNegative ? -number.ns : number.ns }
  }
  if (token.kind === 'size') {
    reader.advance()
    return { kind: 'bytes', name, operator, value: token.bytes }
  }
  if (number.kind === 'number') return { kind: 'number', name, operator, value: reader.expectNumber() }
  return isEquality ? reader.fail() : reader.fail('BYTES', 'DURATION', 'NUMBER')
}
