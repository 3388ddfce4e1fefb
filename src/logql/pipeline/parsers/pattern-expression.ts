/** Parses the patterns of `| pattern`, `|>` and `!>`: literals separated by captures `<name>` and `<_>`. */

import { GatewayError } from '../../../domain/errors.ts'

export interface PatternCapture {
  /** Undefined for `<_>`, which discards its text. */
  readonly name: string | undefined
}

/** A literal is its text. */
export type PatternPart = string | PatternCapture

/** Maximum number of parts of a pattern, each a search in the line. */
const PARTS_MAX = 1024
const CAPTURE = /<([a-zA-Z_][a-zA-Z0-9_]*)>/g

/**
 * Splits a pattern. Captures are never adjacent, and names are unique. A `<` that does not start a capture is text.
 * Throws query_malformed.
 */
export function parsePattern(pattern: string): readonly PatternPart[] {
  const parts: PatternPart[] = []
  const names = new Set<string>()
  let last = 0
  for (const match of pattern.matchAll(CAPTURE)) {
    const name = match[1] as string
    if (match.index > last) parts.push(pattern.slice(last, match.index))
    else if (parts.length > 0) throw malformed(pattern, 'found consecutive capture; put text between the two')
    if (names.has(name)) throw malformed(pattern, `duplicate capture name <${name}>; name it once`)
    if (name !== '_') names.add(name)
    parts.push({ name: name === '_' ? undefined : name })
    last = match.index + match[0].length
  }
  if (last < pattern.length) parts.push(pattern.slice(last))
  if (parts.length === 0) throw malformed(pattern, 'empty pattern; write text and captures like <name>')
  if (parts.length > PARTS_MAX) throw malformed(pattern, `${parts.length} parts; ${PARTS_MAX} at most`)
  return parts
}

export function malformed(pattern: string, problem: string): GatewayError {
  const shown = pattern.length > 256 ? `${pattern.slice(0, 256)}…` : pattern
  return new GatewayError('query_malformed', `parse error : invalid pattern "${shown}": ${problem}`)
}
