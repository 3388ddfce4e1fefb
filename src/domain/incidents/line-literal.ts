/** A text by which a query finds the lines of a kind again. */

/** A shorter text finds too much. */
const LITERAL_CHARS_MIN = 6
/** Where line-mask.ts looks. */
const LINE_CHARS_MAX = 4096

/** The longest text of the pattern that is in the line as it is; undefined where it is too short. */
export function literalOf(pattern: string, wholeLine: string): string | undefined {
  const line = wholeLine.slice(0, LINE_CHARS_MAX)
  let best = ''
  for (const piece of pattern.split(/<[a-z]{1,7}>/)) {
    let text = piece.trim()
    // White space that was made one space is not in the line: what follows it may be.
    while (text !== '' && !line.includes(text)) text = /\s(.*)$/.exec(text)?.[1] ?? ''
    if (text.length > best.length) best = text
  }
  return best.length >= LITERAL_CHARS_MIN ? best : undefined
}
