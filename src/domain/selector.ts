/** What a read asks for: label matchers over streams. */

import { type Labels, labelValue } from './labels.ts'

export type MatchOperator = '=' | '!=' | '=~' | '!~'

/** One matcher; `test` holds the compiled meaning, so that stores need no regular expression engine. */
export interface Matcher {
  readonly name: string
  readonly operator: MatchOperator
  readonly value: string
  /** True when the label's value (an absent label is the empty string) satisfies the matcher. */
  readonly test: (value: string) => boolean
}

export function matchesAll(matchers: readonly Matcher[], labels: Labels): boolean {
  for (const matcher of matchers) if (!matcher.test(labelValue(labels, matcher.name))) return false
  return true
}

/** A matcher of equality or its opposite. */
export function equalityMatcher(name: string, operator: '=' | '!=', value: string): Matcher {
  return { name, operator, value, test: operator === '=' ? (text) => text === value : (text) => text !== value }
}
