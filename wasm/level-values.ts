/** The value of a level field: src/domain/levels/level-values.ts and level-letters.ts. */

import { byteAt, isDigit, isTextOfAnyCase } from './bytes'
import { CRITICAL, DEBUG, ERROR, FATAL, INFO, NONE, TRACE, WARN } from './levels'
import { codeOfWordIndex, firstWordOf, wordAt } from './level-words'

const ESCAPE = 0x1b
const BACKSLASH = 0x5c
const BRACKET = 0x5b
const LETTER_M = 0x6d
const VALUE_BYTES_MAX: usize = 48

/** Syslog's severities, tens of pino, hundreds of Monolog. */
const SYSLOG: StaticArray<i32> = [FATAL, CRITICAL, CRITICAL, ERROR, WARN, INFO, INFO, DEBUG]
const TENS: StaticArray<i32> = [NONE, TRACE, DEBUG, INFO, WARN, ERROR, FATAL]
const HUNDREDS: StaticArray<i32> = [NONE, DEBUG, INFO, WARN, ERROR, CRITICAL, FATAL]

export function codeOfSyslog(severity: i32): i32 {
  return unchecked(SYSLOG[severity])
}

/** The code of the value [start, end), where `start` may be beyond `end`. */
export function codeOfValue(start: usize, end: usize): i32 {
  if (start >= end || end - start > VALUE_BYTES_MAX) return NONE
  let first = afterColour(start, end)
  while (first < end && byteAt(first) == 0x20) first++
  let last = first
  while (last < end && isWordByte(byteAt(last))) last++
  if (last == first || (last < end && afterColour(last, end) == last && byteAt(last) != 0x20)) return NONE
  return isDigit(byteAt(first)) ? codeOfDigits(first, last) : codeOfWord(first, last)
}

/** The position after colour codes; `start` if there are none. */
export function afterColour(start: usize, end: usize): usize {
  let at = start
  while (true) {
    let i = at
    const byte = byteAt(i)
    if (byte == ESCAPE) i++
    else if (byte == BACKSLASH) {
      const next = byteAt(i + 1)
      if (next != 0x75 && next != 0x78) return at
      i += next == 0x75 ? 6 : 4
    } else return at
    if (i >= end || byteAt(i) != BRACKET) return at
    i++
    while (i < end && (isDigit(byteAt(i)) || byteAt(i) == 0x3b)) i++
    if (i >= end || byteAt(i) != LETTER_M) return at
    at = i + 1
  }
}

function codeOfDigits(start: usize, end: usize): i32 {
  if (end - start > 3) return NONE
  let number = 0
  for (let i = start; i < end; i++) {
    if (!isDigit(byteAt(i))) return NONE
    number = number * 10 + byteAt(i) - 0x30
  }
  if (number < 10) return number < 8 ? unchecked(SYSLOG[number]) : NONE
  const step = number < 100 ? number / 10 : number / 100
  if (step > 6) return NONE
  return number < 100 ? unchecked(TENS[step]) : unchecked(HUNDREDS[step])
}

function codeOfWord(start: usize, end: usize): i32 {
  const length = <i32>(end - start)
  for (let index = firstWordOf(byteAt(start)); index >= 0; index++) {
    const word = wordAt(index)
    if (word.length == 0) return NONE
    if (word.length == length && isTextOfAnyCase(start, word)) return codeOfWordIndex(index)
  }
  return NONE
}

function isWordByte(byte: i32): bool {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)
}

/** The code of a capital letter. */
export function codeOfLetter(letter: i32): i32 {
  switch (letter) {
    case 0x56:
      return TRACE
    case 0x44:
      return DEBUG
    case 0x49:
      return INFO
    case 0x57:
      return WARN
    case 0x45:
      return ERROR
    case 0x46:
      return FATAL
    default:
      return NONE
  }
}

/** MongoDB's `"s":"E"` or `"s":"D2"`. */
export function isMongoSeverity(keyStart: usize, keyEnd: usize, valueStart: usize, valueEnd: usize): bool {
  if (keyEnd - keyStart != 1 || byteAt(keyStart) != 0x73) return false
  const length = <i32>(valueEnd - valueStart)
  if (length != 1 && (length != 2 || !isDigit(byteAt(valueStart + 1)))) return false
  return codeOfLetter(byteAt(valueStart)) != NONE
}

/** A line that starts like glog's and klog's, or like Android's. */
export function levelOfFirstLetter(first: usize, end: usize): i32 {
  const code = codeOfLetter(byteAt(first))
  if (code == NONE || end - first < 6) return NONE
  if (byteAt(first + 1) == 0x2f) {
    const letter = byteAt(first + 2)
    return (letter >= 0x41 && letter <= 0x5a) || (letter >= 0x61 && letter <= 0x7a) ? code : NONE
  }
  for (let i = first + 1; i < first + 5; i++) if (!isDigit(byteAt(i))) return NONE
  return byteAt(first + 5) == 0x20 ? code : NONE
}
