/** Unicode's simple case folding: texts that RE2's flag i takes for the same have one folded form. */

const ASCII = /^[\0-\x7f]*$/

/** Where upper and lower case alone give another answer than Unicode's table. */
const EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  ['\u0131', '\u0131'],
  ['\u1fd3', '\u0390'],
  ['\u1fe3', '\u03b0'],
  ['\ufb05', '\ufb06'],
])

/** As many characters as the text has; a text without letters beyond ASCII is only put in lower case. */
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

/** The text if it is one character; letters such as ß become several in upper case. */
function oneChar(text: string): string | undefined {
  return text.length === ((text.codePointAt(0) as number) > 0xffff ? 2 : 1) ? text : undefined
}
