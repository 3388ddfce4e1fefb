/** `|> "<_> text <_>"`: whether a whole line has the shape of a pattern. */

import { malformed, parsePattern } from './parsers/pattern-expression.ts'

/**
 * `<_>` stands for any text, at the end of the pattern for at least one character; the pattern matches from the line's
 * first character to its last. Linear in the line. Throws query_malformed, for named captures as well.
 */
export function compilePatternFilter(pattern: string): (line: string) => boolean {
  if (pattern === '') return (line) => line === ''
  const parts = parsePattern(pattern)
  for (const part of parts) {
    if (typeof part === 'string' || part.name === undefined) continue
    throw malformed(pattern, `named captures are not allowed; write <_> in place of <${part.name}>`)
  }
  const literals = parts.filter((part) => typeof part === 'string')
  const first = typeof parts[0] === 'string' ? literals.shift() : undefined
  const last = typeof parts.at(-1) === 'string' ? literals.pop() : undefined
  // A pattern that is one literal: the line is that text.
  if (parts.length === 1 && first !== undefined) return (line) => line === first
  return (line) => matchShape(line, { first: first ?? '', middle: literals, last })
}

interface Shape {
  readonly first: string
  readonly middle: readonly string[]
  /** Undefined where the pattern ends with a capture. */
  readonly last: string | undefined
}

/** Taking each literal at its first place leaves the most room for the next: no other choice can do better. */
function matchShape(line: string, { first, middle, last }: Shape): boolean {
  if (!line.startsWith(first)) return false
  let at = first.length
  for (const literal of middle) {
    const found = line.indexOf(literal, at)
    if (found < 0) return false
    at = found + literal.length
  }
  return last === undefined ? at < line.length : line.length - last.length >= at && line.endsWith(last)
}
