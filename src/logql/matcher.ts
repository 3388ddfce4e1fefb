/** Label matchers as queries write them, with their regular expressions compiled. */

import { quoteGo } from '../domain/labels.ts'
import { equalityMatcher, type Matcher, type MatchOperator } from '../domain/selector.ts'
import { compileAnchored, type Regexp } from './regexp/regexp.ts'

/** Values a matcher of a regular expression remembers the answers for. */
const REMEMBERED_MAX = 1000

/** Throws query_malformed for a regular expression that RE2 refuses. */
export function makeMatcher(name: string, operator: MatchOperator, value: string): Matcher {
  if (operator === '=~' || operator === '!~') compileAnchored(value)
  return lateMatcher(name, operator, value)
}

/** The same, with the regular expression compiled when it is first asked: `test` throws for one that is faulty. */
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
