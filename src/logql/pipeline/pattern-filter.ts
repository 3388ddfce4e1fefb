/** `|> "<_> text <_>"`: whether a line has the shape of a pattern. */

import { malformed, parsePattern } from './parsers/pattern-expression.ts'

/**
 * `<_>` stands for any text of at least one character. Each literal is taken at its first place behind the one before;
 * a literal at the pattern's beginning may stand anywhere in the line, one at its end must end it. Linear in the line.
 * Throws query_malformed, for named captures as well.
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
      const found = line.indexOf(literal, at)
      if (found < 0 || (found === at && (i > 0 || !begins))) return false
      at = found + literal.length
    }
    return wantsRest === at < line.length
  }
}
