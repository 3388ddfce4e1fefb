/** The first level word of a line that stands for the level, and not for what the line is about. */

import { LEVEL_NONE, LEVEL_UNKNOWN } from './level.ts'
import { afterColour } from './level-values.ts'
import { beginsWith, isDigit, type LevelWord, SECOND_LETTERS, WORDS_BY_LETTER } from './level-words.ts'

const UTF8 = new TextEncoder()
const LINE_BEGIN = 0x20
const ESCAPE = 0x1b
const BACKSLASH = 0x5c
const BRACKET = 0x5b
const BRACKET_END = 0x5d
const COLON = 0x3a
const QUOTE = 0x22
const EQUALS = 0x3d
const DASH = 0x2d
const SPACE = 0x20

/** Loki's boundaries of a word, and those that a word in capitals may have besides: `<ERROR>`, `production.ERROR:`. */
const BEFORE = boundary(' \t\n[({"\'=|')
const BEFORE_CAPITALS = boundary(' \t\n[({"\'|.:<>*!]),;}#@~`')
/** What a byte may be: the first letter of a word, what may stand before one. Most bytes end at this one look-up. */
const LETTER = 1
const BOUNDARY = 2
const ROLES = rolesOfBytes()

function rolesOfBytes(): Uint8Array {
  const before = boundary(' \t\n[({"\'|.:<>*!]),;}#@~`=-m')
  return before.map((isBefore, byte) => (isBefore === 1 ? BOUNDARY : 0) | (SECOND_LETTERS[byte] === 0 ? 0 : LETTER))
}

const AFTER = boundary(' \t\n[({"\'=|])}:,!')
const AFTER_CAPITALS = boundary(' \t\n[({"\'=|])}:,!>*.;/#@~`?<')

function boundary(chars: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const char of chars) table[char.charCodeAt(0)] = 1
  return table
}

/** LEVEL_UNKNOWN where there is none. */
export function levelOfText(text: Uint8Array, start: number, end: number): number {
  let before = BOUNDARY
  for (let i = start; i < end; i++) {
    const byte = text[i] as number
    const role = ROLES[byte] as number
    if ((role & LETTER) !== 0 && (before & BOUNDARY) !== 0) {
      const code = levelOfWordAt(text, start, i, end)
      if (code !== LEVEL_NONE) return code
    }
    before = role
  }
  return LEVEL_UNKNOWN
}

function levelOfWordAt(text: Uint8Array, start: number, at: number, end: number): number {
  const first = text[at] as number
  if ((((SECOND_LETTERS[first] as number) >>> ((text[at + 1] as number) & 31)) & 1) === 0) return LEVEL_NONE
  if (at > start && BEFORE_CAPITALS[text[at - 1] as number] === 0 && !isJoined(text, start, at)) return LEVEL_NONE
  return codeAt(text, start, at, end, WORDS_BY_LETTER[first] as readonly LevelWord[])
}

/** What may stand before a word besides a boundary: `=` of Loki's, a colour, or a dash at the beginning (`-ERR`). */
function isJoined(text: Uint8Array, start: number, at: number): boolean {
  const before = text[at - 1] as number
  return before === EQUALS || isColourEnd(text, start, at) || (before === DASH && at - 1 === start)
}

function codeAt(text: Uint8Array, start: number, at: number, end: number, candidates: readonly LevelWord[]): number {
  for (const { bytes, code, needsCapitals } of candidates) {
    const after = at + bytes.length
    if (after > end || !beginsWith(text, at, bytes)) continue
    const isCapitals = isUpper(text, at, after)
    const stands = isCapitals
      ? standsInCapitals(text, start, at, after, end, needsCapitals)
      : standsInProse(text, start, at, after, end, needsCapitals)
    if (stands && !isDenied(text, start, at, after, end, isCapitals)) return code
  }
  return LEVEL_NONE
}

function standsInCapitals(
  text: Uint8Array,
  start: number,
  at: number,
  after: number,
  end: number,
  isShort: boolean,
): boolean {
  // `x=INF` is a number, and no level.
  if (isShort && at > start && text[at - 1] === EQUALS) return false
  if (after === end || AFTER_CAPITALS[text[after] as number] === 1) return true
  if (text[after] === DASH) return after + 1 < end && isDigit(text[after + 1] as number)
  return afterColour(text, after, end) > after
}

function standsInProse(
  text: Uint8Array,
  start: number,
  at: number,
  after: number,
  end: number,
  needsCapitals: boolean,
): boolean {
  const isClosed = after === end || AFTER[text[after] as number] === 1 || afterColour(text, after, end) > after
  if (!isClosed) return false
  const before = at === start ? LINE_BEGIN : (text[at - 1] as number)
  if (before === COLON) return isLevelKey(text, start, at - 1) || (text[after] === BRACKET_END && after < end)
  // `[crit]` of nginx, `fail:` of .NET: the other words need a frame in lower case.
  if (needsCapitals) return isFramed(text, start, at, after, end)
  return at === start || BEFORE[before] === 1 || isColourEnd(text, start, at)
}

function isFramed(text: Uint8Array, start: number, at: number, after: number, end: number): boolean {
  if (after >= end) return false
  if (at > start && text[at - 1] === BRACKET) return text[after] === BRACKET_END || text[after] === SPACE
  const isBegin = at === start || isColourEnd(text, start, at)
  const next = afterColour(text, after, end)
  return isBegin && next < end && text[next] === COLON
}

const LEVEL_KEYS = ['level', 'lvl', 'severity'].map((key) => UTF8.encode(key))

/** `level:error`, where the colon is at `at`. */
function isLevelKey(text: Uint8Array, start: number, at: number): boolean {
  return LEVEL_KEYS.some((key) => at - key.length >= start && beginsWith(text, at - key.length, key))
}

function isUpper(text: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((text[i] as number) > 0x5a) return false
  return true
}

/** Whether a colour code ends just before `at`. */
function isColourEnd(text: Uint8Array, start: number, at: number): boolean {
  if (text[at - 1] !== 0x6d) return false
  let i = at - 2
  while (i > start && (isDigit(text[i] as number) || text[i] === 0x3b)) i--
  if (i <= start || text[i] !== BRACKET) return false
  const before = text[i - 1] as number
  // ESC itself, or the b of \u001b and \x1b.
  return before === ESCAPE || (before === 0x62 && (text[i - 4] === BACKSLASH || text[i - 6] === BACKSLASH))
}

const NEGATIONS = ['no', 'without', 'zero', 'any', 'non'].map((word) => UTF8.encode(word))
const NOTHINGS = ['null', 'nil', 'none', 'false', '0', '""', "''", '<nil>', 'undefined', '[]', '{}', '[ ]', '{ }'].map(
  (word) => UTF8.encode(word),
)

/** `no error so far`, `0 error(s)`, `error=null`, `"error":false`: the line says that there is none. */
function isDenied(
  text: Uint8Array,
  start: number,
  at: number,
  after: number,
  end: number,
  isCapitals: boolean,
): boolean {
  if (at - 1 > start && text[at - 1] === SPACE) {
    const wordEnd = at - 1
    let wordStart = wordEnd
    while (wordStart > start && (text[wordStart - 1] as number) > SPACE && wordEnd - wordStart < 9) wordStart--
    const length = wordEnd - wordStart
    if (NEGATIONS.some((word) => word.length === length && beginsWith(text, wordStart, word))) return true
    if (!isCapitals && length === 1 && text[wordStart] === 0x30) return true
  }
  return !isCapitals && (isPlural(text, after, end) || isNothing(text, after, end))
}

/** `3 warning(s)` counts them. */
function isPlural(text: Uint8Array, after: number, end: number): boolean {
  return after + 3 <= end && text[after] === 0x28 && text[after + 1] === 0x73 && text[after + 2] === 0x29
}

/** Whether an empty value follows: behind `=` or `:`, up to the end of a field. */
function isNothing(text: Uint8Array, after: number, end: number): boolean {
  const isQuoted = after < end && text[after] === QUOTE
  let i = isQuoted ? afterSpace(text, after + 1, end) : after
  if (i >= end) return false
  if (text[i] !== EQUALS && text[i] !== COLON) return false
  const isField = isQuoted || text[i] === EQUALS
  i = afterSpace(text, i + 1, end)
  if (i >= end) return isField
  for (const word of NOTHINGS) {
    const stop = i + word.length
    if (stop > end || !beginsWith(text, i, word)) continue
    if (stop === end) return true
    const next = text[stop] as number
    if (next === 0x2c || next === 0x7d || next === 0x3b || next === 0x29 || next === BRACKET_END) return true
    if (isField && next <= SPACE) return true
  }
  return false
}

function afterSpace(text: Uint8Array, start: number, end: number): number {
  let i = start
  while (i < end && text[i] === SPACE) i++
  return i
}
