/** Parses matchers in selectors and label filters. */

import type { Matcher, MatchOperator } from '../../domain/selector.ts'
import { lateMatcher } from '../matcher.ts'
import type { TokenReader } from './token-reader.ts'

export const MATCH_OPERATORS: readonly string[] = ['=', '!=', '=~', '!~'] satisfies MatchOperator[]

/** `{a="b", c=~"d"}`; `{}` gives none. */
export function parseMatchers(reader: TokenReader): Matcher[] {
  reader.expectSymbol('{')
  if (reader.takeSymbol('}')) return []
  const matchers = [parseMatcher(reader)]
  while (reader.takeSymbol(',')) matchers.push(parseMatcher(reader))
  if (!reader.takeSymbol('}')) reader.fail('}', ',')
  return matchers
}

export function parseMatcher(reader: TokenReader): Matcher {
  const name = reader.expectName()
  const operator = reader.peek()
  if (operator.kind !== 'symbol' || !MATCH_OPERATORS.includes(operator.text)) return reader.fail('=', '=~', '!~', '!=')
  reader.advance()
  return readMatcher(reader, name, operator.text as MatchOperator)
}

/** Reads a value and returns its matcher. */
export function readMatcher(reader: TokenReader, name: string, operator: MatchOperator): Matcher {
  const value = reader.expectString()
  if (operator === '=~' || operator === '!~') reader.compileLater(value, 'anchored')
  return lateMatcher(name, operator, value)
}
