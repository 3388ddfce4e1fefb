/** Label matchers that select streams. */

import { type Labels, labelValue } from './labels.ts'

export type MatchOperator = '=' | '!=' | '=~' | '!~'

/** One matcher; `test` holds the compiled meaning, so that stores need no regular expression engine. */
export interface Matcher {
  readonly name: string
  readonly operator: MatchOperator
  readonly value: string
  /** True if the label's value (the empty string for a missing label) matches. */
  readonly test: (value: string) => boolean
}

export function matchesAll(matchers: readonly Matcher[], labels: Labels): boolean {
  for (const matcher of matchers) if (!matcher.test(labelValue(labels, matcher.name))) return false
  return true
}

/** An equality or inequality matcher. */
export function equalityMatcher(name: string, operator: '=' | '!=', value: string): Matcher {
  return { name, operator, value, test: operator === '=' ? (text) => text === value : (text) => text !== value }
}
