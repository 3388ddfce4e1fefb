/** Unicode's simple case folding: texts that are equal under RE2's flag i have the same folded form. */

const ASCII = /^[\0-\x7f]*$/

/** Characters for which upper and lower case differ from Unicode's table. */
const EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  ['\u0131', '\u0131'],
  ['\u1fd3', '\u0390'],
  ['\u1fe3', '\u03b0'],
  ['\ufb05', '\ufb06'],
])

/** Keeps the number of characters; a text without non-ASCII letters is just converted to lower case. */
export function foldCase(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  let folded = ''
  for (const char of text) folded += foldChar(char)
  return folded
}

function foldChar(char: string): string {
  const exception = EXCEPTIONS.get(char)
  if (exception !== undefined) return exception
  const upper = oneChar(char.toUpperCase()) ?? char
  return oneChar(upper.toLowerCase()) ?? upper
}

/** The text if it is a single character; letters such as ß have several in upper case. */
function oneChar(text: string): string | undefined {
  return text.length === ((text.codePointAt(0) as number) > 0xffff ? 2 : 1) ? text : undefined
}
