/** Template functions with regular expressions. */

import type { Regexp, RegexpMatch } from '../../../regexp/regexp.ts'
import type { Budget } from '../budget.ts'
import { define, type TemplateFunction } from './functions.ts'
import type { SizedRegexp } from './sized-regexp.ts'

export const REGEXP_FUNCTIONS: readonly (readonly [name: string, made: TemplateFunction])[] = [
  [
    'regexReplaceAll',
    define(['string', 'string', 'string'], ([pattern, text, by], { budget, compileRegexp }) => {
      const sized = compileRegexp(pattern)
      const matches = matchesOf(sized, text, budget)
      return replaceMatches(text, matches, (match) => expand(by, match, sized.regexp), budget)
    }),
  ],
  [
    'regexReplaceAllLiteral',
    define(['string', 'string', 'string'], ([pattern, text, by], { budget, compileRegexp }) =>
      replaceMatches(text, matchesOf(compileRegexp(pattern), text, budget), () => by, budget),
    ),
  ],
  [
    'count',
    define(['string', 'string'], ([pattern, text], { budget, compileRegexp }) => {
      let count = 0n
      for (const _ of matchesOf(compileRegexp(pattern), text, budget)) count++
      return count
    }),
  ],
]

/** All matches except empty ones directly after another match, which Go does not count. */
function* matchesOf({ regexp, size }: SizedRegexp, text: string, budget: Budget): Iterable<RegexpMatch> {
  budget.spendMatching(text.length, size)
  let last = -1
  for (const match of regexp.matchAll(text)) {
    budget.step()
    if (match.start === match.end && match.start === last) continue
    last = match.end
    yield match
  }
}

function replaceMatches(
  text: string,
  matches: Iterable<RegexpMatch>,
  replacementOf: (match: RegexpMatch) => string,
  budget: Budget,
): string {
  let replaced = ''
  let last = 0
  for (const match of matches) {
    const replacement = replacementOf(match)
    budget.spend(replacement.length)
    replaced += text.slice(last, match.start) + replacement
    last = match.end
  }
  return replaced + text.slice(last)
}

/** `$1`, `${1}`, `$name`, `${name}`, and `$$` for a dollar; missing groups are empty. */
function expand(template: string, { groups }: RegexpMatch, { groupNames }: Regexp): string {
  return template.replace(/\$(?:\$|\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))/g, (all, braced?: string, bare?: string) => {
    const name = braced ?? bare
    if (name === undefined) return all.slice(1)
    return groups[/^\d+$/.test(name) ? Number(name) : groupNames.indexOf(name)] ?? ''
  })
}
