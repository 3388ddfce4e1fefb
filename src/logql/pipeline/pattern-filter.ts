/** `|> "<_> text <_>"`: tests whether a line matches a pattern. */

import { malformed, parsePattern } from './parsers/pattern-expression.ts'

/**
 * `<_>` matches any text of at least one character. Each literal matches at its first occurrence after the previous
 * one; a leading literal may be anywhere in the line, a trailing one must be at its end. Linear in the line. Throws
 * query_malformed, also for named captures.
 *
 * See Matcher.Test in pkg/logql/log/pattern of grafana/loki.
 */
export function compilePatternFilter(pattern: string): (line: string) => boolean {
  if (pattern === '') return (line) => line === ''
  const parts = parsePattern(pattern)
  for (const part of parts) {
    if (typeof part === 'string' || part.name === undefined) continue
    throw malformed(pattern, `named captures are not allowed; write <_> in place of <${part.name}>`)
  }
  const literals = parts.filter((part) => typeof part === 'string')
  const begins = typeof parts[0] === 'string'
  const wantsRest = typeof parts.at(-1) !== 'string'
  return (line) => {
    if (line === '') return false
    let at = 0
    for (const [i, literal] of literals.entries()) {
      const index = line.indexOf(literal, at)
      if (index < 0 || (index === at && (i > 0 || !begins))) return false
      at = index + literal.length
    }
    return wantsRest === at < line.length
  }
}
