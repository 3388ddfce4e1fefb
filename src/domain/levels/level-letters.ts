/** One-letter levels of glog, klog, Android and MongoDB. */

import { DEBUG, ERROR, FATAL, INFO, LEVEL_NONE, TRACE, WARN } from './level.ts'
import { isDigit } from './level-words.ts'

const LETTER_S = 0x73

/** The code of a capital letter; LEVEL_NONE if it is not a level. */
export function codeOfLetter(letter: number): number {
  switch (letter) {
    case 0x56: // V
      return TRACE
    case 0x44: // D
      return DEBUG
    case 0x49: // I
      return INFO
    case 0x57: // W
      return WARN
    case 0x45: // E
      return ERROR
    case 0x46: // F
      return FATAL
    default:
      return LEVEL_NONE
  }
}

/** `"s":"E"` or `"s":"D2"`: the severity of MongoDB's JSON. */
export function isMongoSeverity(
  text: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): boolean {
  if (keyEnd - keyStart !== 1 || text[keyStart] !== LETTER_S) return false
  const length = valueEnd - valueStart
  if (length !== 1 && (length !== 2 || !isDigit(text[valueStart + 1] as number))) return false
  return codeOfLetter(text[valueStart] as number) !== LEVEL_NONE
}

/** The level of a line that starts like glog's and klog's, `E0625 12:00:00…`, or like Android's, `E/Tag…`. */
export function levelOfFirstLetter(text: Uint8Array, first: number, end: number): number {
  const code = codeOfLetter(text[first] as number)
  if (code === LEVEL_NONE || end - first < 6) return LEVEL_NONE
  if (text[first + 1] === 0x2f) return isLetter(text[first + 2] as number) ? code : LEVEL_NONE
  for (let i = first + 1; i < first + 5; i++) if (!isDigit(text[i] as number)) return LEVEL_NONE
  return text[first + 5] === 0x20 ? code : LEVEL_NONE
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)
}
