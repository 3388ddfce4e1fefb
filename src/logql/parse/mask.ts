/** A query without what it says of the data: for our own log, which holds no label value and no text of a line. */

import { GatewayError } from '../../domain/errors.ts'
import { tokenize } from './lex.ts'

/** Characters of a query that are shown, and of its text that are looked at. */
const SHOWN_CHARS_MAX = 500
const READ_CHARS_MAX = 4096

/** The query on one line, every string replaced by `"…"`; for a text that cannot be read only its length. */
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
    // Cut inside of a string, or no LogQL at all.
    if (!(error instanceof GatewayError)) throw error
    return `a query of ${text.length} characters`
  }
}
