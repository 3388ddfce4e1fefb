/** Label matchers as queries write them, with their regular expressions compiled. */

import { quoteGo } from '../domain/labels.ts'
import { equalityMatcher, type Matcher, type MatchOperator } from '../domain/selector.ts'
import { compileAnchored } from './regexp/regexp.ts'

/** Values a matcher of a regular expression remembers the answers for. */
const REMEMBERED_MAX = 1000

/** Throws query_malformed for a regular expression that RE2 refuses. */
export function makeMatcher(name: string, operator: MatchOperator, value: string): Matcher {
  if (operator === '=' || operator === '!=') return equalityMatcher(name, operator, value)
  const regexp = compileAnchored(value)
  const wanted = operator === '=~'
  const remembered = new Map<string, boolean>()
  const test = (text: string): boolean => {
    const known = remembered.get(text)
    if (known !== undefined) return known
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
