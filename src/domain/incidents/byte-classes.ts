/** Classes of bytes, for parsing lines without converting them to strings. */

export const DIGIT = 1
/** A letter, an underscore, or a byte of a non-ASCII character. */
export const LETTER = 2
export const WORD = DIGIT | LETTER
export const SPACE = 4
/** A hexadecimal digit. */
export const HEX = 8
/** Bytes at which the search for logfmt keys stops: the sign after a key, and line ends. */
export const KEY_END = 16

/** The classes of each byte value. */
export const CLASS: Uint8Array = makeClasses()

function makeClasses(): Uint8Array {
  const classes = new Uint8Array(256)
  for (let byte = 0; byte < 256; byte++) {
    const char = String.fromCharCode(byte)
    if (/[0-9]/.test(char)) classes[byte] = DIGIT | HEX
    else if (/[a-fA-F]/.test(char)) classes[byte] = LETTER | HEX
    else if (/[A-Za-z_]/.test(char) || byte >= 0x80) classes[byte] = LETTER
    else if (/[\n\r]/.test(char)) classes[byte] = SPACE | KEY_END
    else if (/[ \t\v\f]/.test(char)) classes[byte] = SPACE
    else if (char === '=') classes[byte] = KEY_END
  }
  return classes
}

/** True if text[at] is in one of the classes; false outside of the text. */
export function isOf(text: Uint8Array, at: number, classes: number): boolean {
  return ((CLASS[text[at] as number] as number) & classes) !== 0
}

/** The end of the run of bytes from `at` that are in one of the classes; at most `end`. */
export function endOf(text: Uint8Array, at: number, end: number, classes: number): number {
  let i = at
  while (i < end && ((CLASS[text[i] as number] as number) & classes) !== 0) i++
  return i
}
