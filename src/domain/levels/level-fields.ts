/** The level field of a JSON or logfmt line, read over bytes without checking that the line is either. */

import { LEVEL_FIELDS, LEVEL_NONE } from './level.ts'
import { codeOfLetter, isMongoSeverity } from './level-letters.ts'
import { codeOfValue } from './level-values.ts'
import { beginsWith, isDigit } from './level-words.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COLON = 0x3a
const EQUALS = 0x3d
const SPACE = 0x20
/** Objects within each other in which a field is looked for: Loki's log_level_from_json_max_depth. */
const JSON_DEPTH_MAX = 2

/** Names of further loggers: Python, Monolog, Serilog's compact JSON, journald. Loki does not look for them. */
const OTHER_FIELDS = [
  'levelname',
  'level_name',
  'log_level',
  'logLevel',
  'LogLevel',
  'loglevel',
  'levelName',
  '@l',
  'PRIORITY',
]

/** All names under which a level is looked for in a line; those of logfmt count in any case. */
export const FIELD_NAMES: readonly string[] = [...LEVEL_FIELDS, ...OTHER_FIELDS]

const UTF8 = new TextEncoder()
/** JSON keys, compared as they are, by their length. */
const JSON_FIELDS = byLength(FIELD_NAMES)
/** logfmt keys in lower case, each at its most trusted rank, by their length. */
const LOGFMT_FIELDS = byLength([...new Set(FIELD_NAMES.map((field) => field.toLowerCase()))])

interface Field {
  readonly bytes: Uint8Array
  /** The most trusted name is 0. */
  readonly rank: number
}

function byLength(names: readonly string[]): readonly (readonly Field[] | undefined)[] {
  const table: Field[][] = []
  for (const [rank, name] of names.entries()) {
    const bytes = UTF8.encode(name)
    table[bytes.length] = [...(table[bytes.length] ?? []), { bytes, rank }]
  }
  return table
}

/** The text of the first key in document order that names a level, else the number of the first one. */
export function levelOfJson(text: Uint8Array, start: number, end: number): number {
  let number = LEVEL_NONE
  let depth = 0
  let arrays = 0
  let i = start
  while (i < end) {
    const byte = text[i] as number
    if (byte === QUOTE) {
      const keyStart = i + 1
      const keyEnd = endOfString(text, keyStart, end)
      i = keyEnd + 1
      if (arrays > 0 || depth > JSON_DEPTH_MAX) continue
      while (i < end && isSpace(text[i] as number)) i++
      if (text[i] !== COLON) continue
      i++
      while (i < end && isSpace(text[i] as number)) i++
      const isString = text[i] === QUOTE
      if (!isString && !isDigit(text[i] as number)) continue
      const valueStart = isString ? i + 1 : i
      const valueEnd = isString ? endOfString(text, valueStart, end) : endOfNumber(text, valueStart, end)
      i = isString ? valueEnd + 1 : valueEnd
      if (isMongoSeverity(text, keyStart, keyEnd, valueStart, valueEnd)) return codeOfLetter(text[valueStart] as number)
      if (!isJsonField(text, keyStart, keyEnd)) continue
      const code = codeOfValue(text, valueStart, valueEnd)
      if (isString) return code === LEVEL_NONE ? number : code
      if (number === LEVEL_NONE) number = code
      continue
    }
    if (byte === OPEN_BRACE) depth++
    else if (byte === CLOSE_BRACE) depth--
    else if (byte === OPEN_BRACKET) arrays++
    else if (byte === CLOSE_BRACKET) arrays--
    i++
  }
  return number
}

/** The value of the most trusted key of a logfmt line; keys are compared in any case. */
export function levelOfLogfmt(text: Uint8Array, start: number, end: number): number {
  let best = LEVEL_NONE
  let bestRank = Number.POSITIVE_INFINITY
  let i = start
  let keyStart = start
  while (i < end) {
    const byte = text[i] as number
    if (byte === EQUALS) {
      const rank = rankOfKey(text, keyStart, i)
      let valueStart = i + 1
      let valueEnd = valueStart
      if (text[valueStart] === QUOTE) {
        valueStart++
        valueEnd = endOfString(text, valueStart, end)
        i = valueEnd + 1
      } else {
        while (valueEnd < end && (text[valueEnd] as number) > SPACE) valueEnd++
        i = valueEnd
      }
      if (rank < bestRank) {
        best = codeOfValue(text, valueStart, valueEnd)
        bestRank = rank
        if (rank === 0) return best
      }
      keyStart = i
      continue
    }
    i++
    if (byte <= SPACE) keyStart = i
  }
  return best
}

export function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 0x09 && byte <= 0x0d)
}

/** Where the string that begins at `start` ends: the index of its closing quote, or `end`. */
function endOfString(text: Uint8Array, start: number, end: number): number {
  let i = start
  while (i < end) {
    const byte = text[i] as number
    if (byte === QUOTE) return i
    i += byte === BACKSLASH ? 2 : 1
  }
  return end
}

function endOfNumber(text: Uint8Array, start: number, end: number): number {
  let i = start
  while (i < end && (isDigit(text[i] as number) || text[i] === 0x2e)) i++
  return i
}

function isJsonField(text: Uint8Array, start: number, end: number): boolean {
  const fields = JSON_FIELDS[end - start]
  if (fields === undefined) return false
  for (const { bytes } of fields) {
    let i = 0
    while (i < bytes.length && text[start + i] === bytes[i]) i++
    if (i === bytes.length) return true
  }
  return false
}

function rankOfKey(text: Uint8Array, start: number, end: number): number {
  const fields = LOGFMT_FIELDS[end - start]
  if (fields === undefined) return Number.POSITIVE_INFINITY
  for (const { bytes, rank } of fields) if (beginsWith(text, start, bytes)) return rank
  return Number.POSITIVE_INFINITY
}
