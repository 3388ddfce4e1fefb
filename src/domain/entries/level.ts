/**
 * The level of a line, found as Loki's distributor finds it: the value of the structured metadata `detected_level`.
 *
 * See pkg/distributor/field_detection.go of grafana/loki for the order of the evidence; this is written over bytes,
 * so that a line need not become a string.
 */

import type { Labels } from '../labels.ts'

/** The levels that a block stores as one byte each: the index is the stored code. 0: none, or one kept as metadata. */
export const LEVELS = ['', 'unknown', 'trace', 'debug', 'info', 'warn', 'error', 'critical', 'fatal'] as const

export const LEVEL_NONE = 0
export const LEVEL_UNKNOWN = 1
const TRACE = 2
const DEBUG = 3
const INFO = 4
const WARN = 5
const ERROR = 6
const CRITICAL = 7
const FATAL = 8

/** Names under which a level is looked for, the most trusted first. Loki's log_level_fields. */
export const LEVEL_FIELDS = [
  'level',
  'LEVEL',
  'Level',
  'log.level',
  'severity',
  'SEVERITY',
  'Severity',
  'SeverityText',
  'lvl',
  'LVL',
  'Lvl',
  'severity_text',
  'Severity_Text',
  'SEVERITY_TEXT',
] as const

export const DETECTED_LEVEL = 'detected_level'

const WORDS: ReadonlyMap<string, number> = new Map([
  ['unknown', LEVEL_UNKNOWN],
  ['trace', TRACE],
  ['trc', TRACE],
  ['debug', DEBUG],
  ['dbg', DEBUG],
  ['info', INFO],
  ['inf', INFO],
  ['information', INFO],
  ['warn', WARN],
  ['wrn', WARN],
  ['warning', WARN],
  ['error', ERROR],
  ['err', ERROR],
  ['critical', CRITICAL],
  ['fatal', FATAL],
])

/** The code of a level word in any case, or LEVEL_NONE for a word that is not one. */
export function levelCode(word: string): number {
  return WORDS.get(word.toLowerCase()) ?? LEVEL_NONE
}

/** The value of the first label that names a level, or undefined. */
export function levelOfLabels(labels: Labels): string | undefined {
  for (const field of LEVEL_FIELDS) {
    for (const label of labels) if (label.name === field) return label.value
  }
  return undefined
}

/** The level of an OTLP severity_number: 1 to 4 trace, then four numbers a level up to fatal. Not a number: info. */
export function levelOfSeverityNumber(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isInteger(number)) return INFO
  if (number < 1 || number > 24) return LEVEL_UNKNOWN
  return [TRACE, DEBUG, INFO, WARN, ERROR, FATAL][Math.floor((number - 1) / 4)] as number
}

/** The level that the line `text[start, end)` itself tells: a JSON or logfmt field, else the first word; else unknown. */
export function levelOfLine(text: Uint8Array, start: number, end: number): number {
  let first = start
  let last = end - 1
  while (first <= last && isSpace(text[first] as number)) first++
  while (last > first && isSpace(text[last] as number)) last--
  if (first > last) return LEVEL_UNKNOWN
  const field =
    text[first] === OPEN_BRACE && text[last] === CLOSE_BRACE
      ? levelOfJson(text, first, last + 1)
      : levelOfLogfmt(text, first, last + 1)
  if (field !== LEVEL_NONE) return field
  return levelOfWords(text, start, end)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COLON = 0x3a
const EQUALS = 0x3d
const SPACE = 0x20

function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 0x09 && byte <= 0x0d)
}

/** Field names as bytes, for comparing in place. */
const FIELD_BYTES: readonly Uint8Array[] = LEVEL_FIELDS.map((field) => new TextEncoder().encode(field))
/** Lower-cased names, each at its most trusted rank, for logfmt keys. */
const LOWER_FIELDS: readonly { readonly rank: number; readonly bytes: Uint8Array }[] = LEVEL_FIELDS.flatMap(
  (field, rank) =>
    LEVEL_FIELDS.findIndex((other) => other.toLowerCase() === field.toLowerCase()) === rank
      ? [{ rank, bytes: new TextEncoder().encode(field.toLowerCase()) }]
      : [],
)

/** The longest level word is `information`; a longer value cannot be one. */
const WORD_BYTES_MAX = 11

function codeOfBytes(text: Uint8Array, start: number, end: number): number {
  if (end - start > WORD_BYTES_MAX || end - start < 3) return LEVEL_NONE
  let word = ''
  for (let i = start; i < end; i++) word += String.fromCharCode(text[i] as number)
  return levelCode(word)
}

/**
 * The first string value, in document order and at most two objects deep, whose key names a level.
 * Reads the text as JSON without checking that it is.
 */
function levelOfJson(text: Uint8Array, start: number, end: number): number {
  let depth = 0
  let arrays = 0
  let i = start
  while (i < end) {
    const byte = text[i] as number
    if (byte === QUOTE) {
      const keyStart = i + 1
      const keyEnd = endOfString(text, keyStart, end)
      i = keyEnd + 1
      if (arrays > 0 || depth > 2) continue
      while (i < end && isSpace(text[i] as number)) i++
      if (text[i] !== COLON) continue
      i++
      while (i < end && isSpace(text[i] as number)) i++
      if (text[i] !== QUOTE) continue
      const valueStart = i + 1
      const valueEnd = endOfString(text, valueStart, end)
      i = valueEnd + 1
      if (isField(text, keyStart, keyEnd)) return codeOfBytes(text, valueStart, valueEnd)
      continue
    }
    if (byte === OPEN_BRACE) depth++
    else if (byte === CLOSE_BRACE) depth--
    else if (byte === OPEN_BRACKET) arrays++
    else if (byte === CLOSE_BRACKET) arrays--
    i++
  }
  return LEVEL_NONE
}

/** Where the string that begins at `i` ends: the index of its closing quote, or `end`. */
function endOfString(text: Uint8Array, start: number, end: number): number {
  let i = start
  while (i < end) {
    const byte = text[i] as number
    if (byte === QUOTE) return i
    i += byte === BACKSLASH ? 2 : 1
  }
  return end
}

function isField(text: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (length < 3 || length > 13) return false
  for (const field of FIELD_BYTES) {
    if (field.length !== length) continue
    let i = 0
    while (i < length && text[start + i] === field[i]) i++
    if (i === length) return true
  }
  return false
}

/** The value of the most trusted key of a logfmt line; keys are compared without regard to case. */
function levelOfLogfmt(text: Uint8Array, start: number, end: number): number {
  let best = LEVEL_NONE
  let bestRank: number = LEVEL_FIELDS.length
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
        best = codeOfBytes(text, valueStart, valueEnd)
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

function rankOfKey(text: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < 3 || length > 13) return LEVEL_FIELDS.length
  for (const field of LOWER_FIELDS) {
    if (field.bytes.length !== length) continue
    let i = 0
    while (i < length && lower(text[start + i] as number) === field.bytes[i]) i++
    if (i === length) return field.rank
  }
  return LEVEL_FIELDS.length
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}

/** The words that count in free text, longest of a shared beginning first. */
const TEXT_WORDS: readonly (readonly [word: string, code: number])[] = [
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
/** Candidates by first letter, so that most bytes cost one look-up. */
const WORDS_BY_LETTER: readonly (readonly { bytes: Uint8Array; code: number }[] | undefined)[] = byFirstLetter()

function byFirstLetter(): ({ bytes: Uint8Array; code: number }[] | undefined)[] {
  const table: ({ bytes: Uint8Array; code: number }[] | undefined)[] = new Array(256).fill(undefined)
  for (const [word, code] of TEXT_WORDS) {
    for (const letter of [word.charCodeAt(0), word.charCodeAt(0) - 0x20]) {
      table[letter] = [...(table[letter] ?? []), { bytes: new TextEncoder().encode(word), code }]
    }
  }
  return table
}

const BEFORE_WORD = boundary(' \t\n[({"\'=|')
const AFTER_WORD = boundary(' \t\n[({"\'=|])}:,!')

function boundary(chars: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const char of chars) table[char.charCodeAt(0)] = 1
  return table
}

/** The first level word that stands alone in the line. */
function levelOfWords(text: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const candidates = WORDS_BY_LETTER[text[i] as number]
    if (candidates === undefined) continue
    if (i > start && BEFORE_WORD[text[i - 1] as number] === 0) continue
    for (const { bytes, code } of candidates) {
      const after = i + bytes.length
      if (after > end) continue
      if (after < end && AFTER_WORD[text[after] as number] === 0) continue
      let k = 1
      while (k < bytes.length && lower(text[i + k] as number) === bytes[k]) k++
      if (k === bytes.length) return code
    }
  }
  return LEVEL_UNKNOWN
}
