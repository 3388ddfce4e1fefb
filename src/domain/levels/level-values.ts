/** Decodes the value of a level field: words, numbers of several loggers, letters, with or without colour codes. */

import { CRITICAL, DEBUG, ERROR, FATAL, INFO, LEVEL_NONE, TRACE, WARN } from './level.ts'
import { codeOfWord, isDigit } from './level-words.ts'

const ESCAPE = 0x1b
const BACKSLASH = 0x5c
const BRACKET = 0x5b
const LETTER_M = 0x6d
/** The longest level word is `informational`; colour codes make a value longer. */
const VALUE_BYTES_MAX = 48
const DIGITS_MAX = 3

/** syslog's severities (RFC 5424), 0 to 7. */
export const SYSLOG_LEVELS: readonly number[] = [FATAL, CRITICAL, CRITICAL, ERROR, WARN, INFO, INFO, DEBUG]
/** pino's and bunyan's numbers by their tens, 10 to 60. */
const TENS: readonly number[] = [LEVEL_NONE, TRACE, DEBUG, INFO, WARN, ERROR, FATAL]
/** Monolog's numbers by their hundreds, 100 to 600. */
const HUNDREDS: readonly number[] = [LEVEL_NONE, DEBUG, INFO, WARN, ERROR, CRITICAL, FATAL]

/** The code of the value text[start, end); LEVEL_NONE if it is not a level. */
export function codeOfValue(text: Uint8Array, start: number, end: number): number {
  if (end - start > VALUE_BYTES_MAX) return LEVEL_NONE
  let first = afterColour(text, start, end)
  while (first < end && text[first] === 0x20) first++
  let last = first
  while (last < end && isWordByte(text[last] as number)) last++
  if (last === first || (last < end && afterColour(text, last, end) === last && text[last] !== 0x20)) return LEVEL_NONE
  return isDigit(text[first] as number) ? codeOfDigits(text, first, last) : codeOfWord(text, first, last)
}

/**
 * The position after colour codes (`ESC [ … m`, also as `\u001b[…m` or `\x1b[…m` in JSON); `start` if there are none.
 */
export function afterColour(text: Uint8Array, start: number, end: number): number {
  let at = start
  for (;;) {
    let i = at
    if (text[i] === ESCAPE) i++
    else if (text[i] === BACKSLASH && (text[i + 1] === 0x75 || text[i + 1] === 0x78)) {
      // \u001b or \x1b; the bracket follows.
      i += text[i + 1] === 0x75 ? 6 : 4
    } else return at
    if (i >= end || text[i] !== BRACKET) return at
    i++
    while (i < end && (isDigit(text[i] as number) || text[i] === 0x3b)) i++
    if (i >= end || text[i] !== LETTER_M) return at
    at = i + 1
  }
}

function codeOfDigits(text: Uint8Array, start: number, end: number): number {
  if (end - start > DIGITS_MAX) return LEVEL_NONE
  let number = 0
  for (let i = start; i < end; i++) {
    if (!isDigit(text[i] as number)) return LEVEL_NONE
    number = number * 10 + (text[i] as number) - 0x30
  }
  return codeOfNumber(number)
}

/**
 * 0 to 7 are syslog's, 10 to 69 pino's and bunyan's, 100 to 699 Monolog's. Numbers in between are rounded to the lower
 * level.
 */
export function codeOfNumber(number: number): number {
  if (number < 10) return SYSLOG_LEVELS[number] ?? LEVEL_NONE
  const codes = number < 100 ? TENS : HUNDREDS
  return codes[Math.floor(number / (number < 100 ? 10 : 100))] ?? LEVEL_NONE
}

function isWordByte(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)
}
