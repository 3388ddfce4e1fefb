/** A literal text with which a query finds the lines of a kind. */

/** A shorter text matches too many other lines. */
const LITERAL_CHARS_MIN = 6
/** The part of a line that line-mask.ts reads. */
const LINE_CHARS_MAX = 4096

/** The longest literal text of the pattern that is also in the line; undefined if it is too short. */
export function literalOf(pattern: string, wholeLine: string): string | undefined {
  const line = wholeLine.slice(0, LINE_CHARS_MAX)
  let best = ''
  for (const piece of pattern.split(/<[a-z]{1,7}>/)) {
    let text = piece.trim()
    // The pattern has single spaces where the line may have other white space: then try the text after it.
    while (text !== '' && !line.includes(text)) text = /\s(.*)$/.exec(text)?.[1] ?? ''
    if (text.length > best.length) best = text
  }
  return best.length >= LITERAL_CHARS_MIN ? best : undefined
}
