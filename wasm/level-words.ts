/** Level words by their first letter, the longest first: src/domain/levels/level-words.ts. */

import { CRITICAL, DEBUG, ERROR, FATAL, INFO, TRACE, WARN } from './levels'

/** The words of a letter end with an empty one. */
const WORDS: StaticArray<string> = [
  'alert', '',
  'critical', 'crit', '',
  'debug', 'dbug', 'debu', 'dbg', '',
  'emergency', 'error', 'emerg', 'erro', 'eror', 'err', '',
  'fatal', 'fail', 'fata', 'ftl', '',
  'informational', 'information', 'info', 'inf', '',
  'notice', 'note', '',
  'panic', 'pani', '',
  'severe', '',
  'trace', 'trce', 'trac', 'trc', '',
  'verbose', 'vrb', '',
  'warning', 'warn', 'wrn', '',
]

/** Code times two, plus one for a word that counts in text only in capitals. */
const MEANINGS: StaticArray<i32> = [
  CRITICAL * 2 + 1, 0,
  CRITICAL * 2, CRITICAL * 2 + 1, 0,
  DEBUG * 2, DEBUG * 2 + 1, DEBUG * 2 + 1, DEBUG * 2 + 1, 0,
  FATAL * 2 + 1, ERROR * 2, FATAL * 2 + 1, ERROR * 2 + 1, ERROR * 2 + 1, ERROR * 2, 0,
  FATAL * 2, ERROR * 2 + 1, FATAL * 2 + 1, FATAL * 2 + 1, 0,
  INFO * 2 + 1, INFO * 2 + 1, INFO * 2, INFO * 2 + 1, 0,
  INFO * 2 + 1, INFO * 2 + 1, 0,
  FATAL * 2 + 1, FATAL * 2 + 1, 0,
  ERROR * 2 + 1, 0,
  TRACE * 2, TRACE * 2 + 1, TRACE * 2 + 1, TRACE * 2 + 1, 0,
  DEBUG * 2 + 1, DEBUG * 2 + 1, 0,
  WARN * 2, WARN * 2, WARN * 2 + 1, 0,
]

/** By byte: the index of its first word, or -1; and a mask of the second letters of its words (their low five bits). */
const FIRST = memory.data(256)
const SECOND = memory.data(1024)

export function fillWordTables(): void {
  memory.fill(FIRST, 0xff, 256)
  let start = 0
  for (let i = 0; i < WORDS.length; i++) {
    const word = unchecked(WORDS[i])
    if (word.length == 0) {
      start = i + 1
      continue
    }
    const letter = word.charCodeAt(0)
    const bit = 1 << (word.charCodeAt(1) & 31)
    for (let first = letter; first >= letter - 0x20; first -= 0x20) {
      store<i8>(FIRST + first, <i8>start)
      store<i32>(SECOND + (first << 2), load<i32>(SECOND + (first << 2)) | bit)
    }
  }
}

/** The index of the first word that begins with the byte; -1 if there is none. */
// @ts-ignore: decorator
@inline
export function firstWordOf(byte: i32): i32 {
  return load<i8>(FIRST + byte)
}

// @ts-ignore: decorator
@inline
export function secondLetters(byte: i32): i32 {
  return load<i32>(SECOND + (byte << 2))
}

// @ts-ignore: decorator
@inline
export function wordAt(index: i32): string {
  return unchecked(WORDS[index])
}

// @ts-ignore: decorator
@inline
export function codeOfWordIndex(index: i32): i32 {
  return unchecked(MEANINGS[index]) >>> 1
}

// @ts-ignore: decorator
@inline
export function needsCapitals(index: i32): bool {
  return (unchecked(MEANINGS[index]) & 1) == 1
}
