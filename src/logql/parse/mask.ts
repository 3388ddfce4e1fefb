/** Masks a query for our own log, which must not contain label values or text of lines. */

import { GatewayError } from '../../domain/errors.ts'
import { tokenize } from './lex.ts'

/** Maximum number of characters shown, and of the text processed. */
const SHOWN_CHARS_MAX = 500
const READ_CHARS_MAX = 4096

/** The query on one line, with every string replaced by `"…"`; only the length of a malformed query. */
export function maskQuery(text: string): string {
  const isCut = text.length > READ_CHARS_MAX
  try {
    const words = tokenize(isCut ? text.slice(0, READ_CHARS_MAX) : text).map((token) => {
      if (token.kind === 'string') return '"…"'
      return token.kind === 'range' ? `[${token.text}]` : token.text
    })
    const masked = words.join(' ').trim()
    return masked.length > SHOWN_CHARS_MAX || isCut ? `${masked.slice(0, SHOWN_CHARS_MAX)} …` : masked
  } catch (error) {
    // Truncated inside a string, or not LogQL.
    if (!(error instanceof GatewayError)) throw error
    return `a query of ${text.length} characters`
  }
}
