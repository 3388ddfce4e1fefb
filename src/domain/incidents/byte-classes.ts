/** Classes of bytes, for reading lines without making text of them. */

export const DIGIT = 1
/** A letter, an underscore, or a byte of a character beyond ASCII. */
export const LETTER = 2
export const WORD = DIGIT | LETTER
export const SPACE = 4
/** A hexadecimal digit. */
export const HEX = 8
/** Where a search for the keys of logfmt looks closer: the sign after a key, and the ends of lines. */
export const KEY_END = 16

/** The classes of each byte. */
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

/** True when text[at] is of one of the classes. A position outside of the text is of none. */
export function isOf(text: Uint8Array, at: number, classes: number): boolean {
  return ((CLASS[text[at] as number] as number) & classes) !== 0
}

/** The end of the bytes from `at` on that are of one of the classes, `end` at most. */
export function endOf(text: Uint8Array, at: number, end: number, classes: number): number {
  let i = at
  while (i < end && ((CLASS[text[i] as number] as number) & classes) !== 0) i++
  return i
}
