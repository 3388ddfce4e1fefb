/** `| pattern "<ip> - <_> \"<method> <path>\""`: captures as labels. */

import type { EntryParser } from './json-parser.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'
import { malformed, parsePattern } from './pattern-expression.ts'

/**
 * A capture is the text up to the first occurrence of the next literal. If that literal is missing, the capture is the
 * rest of the line and parsing ends. A line that does not start with the pattern's leading literal gets no labels.
 *
 * Throws query_malformed; at least one capture must have a name.
 */
export function compilePatternParser(pattern: string, hint: ParserHint = ALL_LABELS): EntryParser {
  const parts = parsePattern(pattern)
  if (!parts.some((part) => typeof part !== 'string' && part.name !== undefined)) {
    throw malformed(pattern, 'at least one capture is required, like <name>')
  }
  const lead = typeof parts[0] === 'string' ? parts[0] : ''
  const captures = parts.flatMap((part, index) => {
    if (typeof part === 'string') return []
    const after = parts[index + 1]
    return { name: part.name, literal: typeof after === 'string' ? after : undefined }
  })
  return ({ line }, labels) => {
    if (line === '' || !line.startsWith(lead)) return
    let at = lead.length
    for (const { name, literal } of captures) {
      const end = literal === undefined ? -1 : line.indexOf(literal, at)
      if (name !== undefined && hint.wants(name)) labels.setParsed(name, line.slice(at, end < 0 ? undefined : end))
      if (end < 0) return
      at = end + (literal as string).length
    }
  }
}
