/** Label matchers of queries, with compiled regular expressions. */

import { quoteGo } from '../domain/labels.ts'
import { equalityMatcher, type Matcher, type MatchOperator } from '../domain/selector.ts'
import { compileAnchored, type Regexp } from './regexp/regexp.ts'

/** Maximum number of values whose match results are cached. */
const REMEMBERED_MAX = 1000

/** Throws query_malformed for a regular expression that RE2 rejects. */
export function makeMatcher(name: string, operator: MatchOperator, value: string): Matcher {
  if (operator === '=~' || operator === '!~') compileAnchored(value)
  return lateMatcher(name, operator, value)
}

/** The same, with the regular expression compiled on first use: `test` throws if it is invalid. */
export function lateMatcher(name: string, operator: MatchOperator, value: string): Matcher {
  if (operator === '=' || operator === '!=') return equalityMatcher(name, operator, value)
  const wanted = operator === '=~'
  const remembered = new Map<string, boolean>()
  let regexp: Regexp | undefined
  const test = (text: string): boolean => {
    const known = remembered.get(text)
    if (known !== undefined) return known
    regexp ??= compileAnchored(value)
    const answer = regexp.test(text) === wanted
    if (remembered.size >= REMEMBERED_MAX) remembered.clear()
    remembered.set(text, answer)
    return answer
  }
  return { name, operator, value, test }
}

/** `name=~"value"` */
export function formatMatcher({ name, operator, value }: Matcher): string {
  return `${name}${operator}${quoteGo(value)}`
}

/** `{a="b", c!~"d"}` */
export function formatMatchers(matchers: readonly Matcher[]): string {
  return `{${matchers.map(formatMatcher).join(', ')}}`
}
