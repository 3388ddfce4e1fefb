/** Level words as byte tables, for lookups without creating strings. */

import { CRITICAL, DEBUG, ERROR, FATAL, INFO, LEVEL_NONE, TRACE, WARN } from './level.ts'

/** A word in lower case, and the code of its level. */
export interface LevelWord {
  readonly bytes: Uint8Array
  readonly code: number
  /** In free text it counts only in capitals: in lower case it is prose or has no meaning. */
  readonly needsCapitals: boolean
}

const UTF8 = new TextEncoder()

/** Words that Loki looks for in free text; of those with the same beginning the longest first. */
const LOKI_WORDS: readonly (readonly [word: string, code: number])[] = [
  ['trace', TRACE],
  ['debug', DEBUG],
  ['fatal', FATAL],
  ['critical', CRITICAL],
  ['error', ERROR],
  ['err', ERROR],
  ['warning', WARN],
  ['warn', WARN],
  ['info', INFO],
]

/** Words of further loggers: Serilog, zerolog, logrus, .NET, java.util.logging, syslog, Monolog, nginx, old Grafana. */
const OTHER_WORDS: readonly (readonly [word: string, code: number])[] = [
  ['trc', TRACE],
  ['trce', TRACE],
  ['trac', TRACE],
  ['dbg', DEBUG],
  ['dbug', DEBUG],
  ['debu', DEBUG],
  ['verbose', DEBUG],
  ['vrb', DEBUG],
  ['inf', INFO],
  ['information', INFO],
  ['informational', INFO],
  ['notice', INFO],
  ['note', INFO],
  ['wrn', WARN],
  ['erro', ERROR],
  ['eror', ERROR],
  ['severe', ERROR],
  ['fail', ERROR],
  ['crit', CRITICAL],
  ['alert', CRITICAL],
  ['ftl', FATAL],
  ['fata', FATAL],
  ['pani', FATAL],
  ['panic', FATAL],
  ['emerg', FATAL],
  ['emergency', FATAL],
]

/** Candidates by their first letter in either case, so that most bytes cost one lookup; the longest word first. */
export const WORDS_BY_LETTER: readonly (readonly LevelWord[] | undefined)[] = byFirstLetter()

function byFirstLetter(): (LevelWord[] | undefined)[] {
  const table: (LevelWord[] | undefined)[] = new Array(256).fill(undefined)
  const toWord = ([word, code]: readonly [string, number], needsCapitals: boolean): LevelWord => {
    return { bytes: UTF8.encode(word), code, needsCapitals }
  }
  const words = [...LOKI_WORDS.map((row) => toWord(row, false)), ...OTHER_WORDS.map((row) => toWord(row, true))]
  for (const word of words.sort((a, b) => b.bytes.length - a.bytes.length)) {
    const letter = word.bytes[0] as number
    for (const first of [letter, letter - 0x20]) table[first] = [...(table[first] ?? []), word]
  }
  return table
}

/** By first letter, a bit mask of the second letters of its words (their low five bits), which rules out most bytes. */
export const SECOND_LETTERS: Int32Array = secondLetters()

function secondLetters(): Int32Array {
  const table = new Int32Array(256)
  for (const [first, words] of WORDS_BY_LETTER.entries()) {
    for (const { bytes } of words ?? []) table[first] = (table[first] as number) | (1 << ((bytes[1] as number) & 31))
  }
  return table
}

/** The code of the word text[start, end) in any case; LEVEL_NONE if it is not a level. */
export function codeOfWord(text: Uint8Array, start: number, end: number): number {
  const candidates = WORDS_BY_LETTER[text[start] as number]
  if (candidates === undefined) return LEVEL_NONE
  for (const { bytes, code } of candidates) {
    if (bytes.length === end - start && beginsWith(text, start, bytes)) return code
  }
  return LEVEL_NONE
}

/** Whether the text at `start` begins with `lower`, in any case. */
export function beginsWith(text: Uint8Array, start: number, lower: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i++) if (lowerCase(text[start + i] as number) !== lower[i]) return false
  return true
}

export function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
