/** The first level word of a line: src/domain/levels/level-text.ts. */

import { byteAt, isDigit, isText, isTextOfAnyCase } from './bytes'
import { afterColour } from './level-values'
import { codeOfWordIndex, firstWordOf, needsCapitals, secondLetters, wordAt } from './level-words'
import { NONE, UNKNOWN } from './levels'

const ESCAPE = 0x1b
const BACKSLASH = 0x5c
const BRACKET = 0x5b
const BRACKET_END = 0x5d
const COLON = 0x3a
const QUOTE = 0x22
const EQUALS = 0x3d
const DASH = 0x2d
const SPACE = 0x20

/** What a byte may be, as bits. */
const LETTER = 1
const BOUNDARY = 2
const BEFORE = 4
const BEFORE_CAPITALS = 8
const AFTER = 16
const AFTER_CAPITALS = 32
const ROLES = memory.data(256)

export function fillRoles(): void {
  mark(' \t\n[({"\'|.:<>*!]),;}#@~`=-m', BOUNDARY)
  mark(' \t\n[({"\'=|', BEFORE)
  mark(' \t\n[({"\'|.:<>*!]),;}#@~`', BEFORE_CAPITALS)
  mark(' \t\n[({"\'=|])}:,!', AFTER)
  mark(' \t\n[({"\'=|])}:,!>*.;/#@~`?<', AFTER_CAPITALS)
  for (let byte = 0; byte < 256; byte++) {
    if (secondLetters(byte) != 0) store<u8>(ROLES + byte, load<u8>(ROLES + byte) | LETTER)
  }
}

function mark(chars: string, role: i32): void {
  for (let i = 0; i < chars.length; i++) {
    const at = ROLES + chars.charCodeAt(i)
    store<u8>(at, <u8>(load<u8>(at) | role))
  }
}

// @ts-ignore: decorator
@inline
function is(byte: i32, role: i32): bool {
  return (load<u8>(ROLES + byte) & role) != 0
}

/** First letters of words among 0x60 to 0x6f (a c d e f i n) and 0x70 to 0x7f (p s t v w), by the low half of the byte. */
const LETTERS_6: v128 = i8x16(0, -1, 0, -1, -1, -1, -1, 0, 0, -1, 0, 0, 0, 0, -1, 0)
const LETTERS_7: v128 = i8x16(-1, 0, 0, -1, -1, 0, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0)

export function levelOfText(start: usize, end: usize): i32 {
  for (let i = start; i < end; i += 16) {
    let found = firstLetters(v128.load(i)) & maybeBoundaries(v128.load(i - 1))
    // The line's first letter has its beginning as boundary.
    if (i == start) found |= is(byteAt(start), LETTER) ? 1 : 0
    for (; found != 0; found &= found - 1) {
      const at = i + ctz(found)
      if (at >= end) return UNKNOWN
      if (at > start && !is(byteAt(at - 1), BOUNDARY)) continue
      const code = levelOfWordAt(start, at, end)
      if (code != NONE) return code
    }
  }
  return UNKNOWN
}

/** A bit for each byte that is the first letter of a word, in either case. */
// @ts-ignore: decorator
@inline
function firstLetters(bytes: v128): i32 {
  const lower = v128.or(bytes, i8x16.splat(0x20))
  const low = v128.and(bytes, i8x16.splat(0x0f))
  const high = v128.and(lower, i8x16.splat(<i8>0xf0))
  const letters6 = v128.and(i8x16.eq(high, i8x16.splat(0x60)), i8x16.swizzle(LETTERS_6, low))
  const letters7 = v128.and(i8x16.eq(high, i8x16.splat(0x70)), i8x16.swizzle(LETTERS_7, low))
  return i8x16.bitmask(v128.or(letters6, letters7))
}

/** A bit for each byte that is neither letter nor digit, or an m: all boundaries are among them. */
// @ts-ignore: decorator
@inline
function maybeBoundaries(bytes: v128): i32 {
  const lower = v128.or(bytes, i8x16.splat(0x20))
  const isLetter = i8x16.lt_u(i8x16.sub(lower, i8x16.splat(0x61)), i8x16.splat(26))
  const isDigit = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(10))
  const isM = i8x16.eq(bytes, i8x16.splat(0x6d))
  return i8x16.bitmask(v128.or(v128.not(v128.or(isLetter, isDigit)), isM))
}

function levelOfWordAt(start: usize, at: usize, end: usize): i32 {
  const first = byteAt(at)
  if (((secondLetters(first) >>> (byteAt(at + 1) & 31)) & 1) == 0) return NONE
  if (at > start && !is(byteAt(at - 1), BEFORE_CAPITALS) && !isJoined(start, at)) return NONE
  for (let index = firstWordOf(first), word = wordAt(index); word.length > 0; word = wordAt(++index)) {
    const after = at + word.length
    if (after > end || !isTextOfAnyCase(at, word)) continue
    const isCapitals = isUpper(at, after)
    const stands = isCapitals
      ? standsInCapitals(start, at, after, end, needsCapitals(index))
      : standsInProse(start, at, after, end, needsCapitals(index))
    if (stands && !isDenied(start, at, after, end, isCapitals)) return codeOfWordIndex(index)
  }
  return NONE
}

function isJoined(start: usize, at: usize): bool {
  const before = byteAt(at - 1)
  return before == EQUALS || isColourEnd(start, at) || (before == DASH && at - 1 == start)
}

function standsInCapitals(start: usize, at: usize, after: usize, end: usize, isShort: bool): bool {
  if (isShort && at > start && byteAt(at - 1) == EQUALS) return false
  if (after == end || is(byteAt(after), AFTER_CAPITALS)) return true
  if (byteAt(after) == DASH) return after + 1 < end && isDigit(byteAt(after + 1))
  return afterColour(after, end) > after
}

function standsInProse(start: usize, at: usize, after: usize, end: usize, isShort: bool): bool {
  const isClosed = after == end || is(byteAt(after), AFTER) || afterColour(after, end) > after
  if (!isClosed) return false
  const before = at == start ? SPACE : byteAt(at - 1)
  if (before == COLON) return isLevelKey(start, at - 1) || (after < end && byteAt(after) == BRACKET_END)
  if (isShort) return isFramed(start, at, after, end)
  return at == start || is(before, BEFORE) || isColourEnd(start, at)
}

function isFramed(start: usize, at: usize, after: usize, end: usize): bool {
  if (after >= end) return false
  if (at > start && byteAt(at - 1) == BRACKET) return byteAt(after) == BRACKET_END || byteAt(after) == SPACE
  const isBegin = at == start || isColourEnd(start, at)
  const next = afterColour(after, end)
  return isBegin && next < end && byteAt(next) == COLON
}

function isLevelKey(start: usize, at: usize): bool {
  const room = at - start
  return (
    (room >= 5 && isTextOfAnyCase(at - 5, 'level')) ||
    (room >= 3 && isTextOfAnyCase(at - 3, 'lvl')) ||
    (room >= 8 && isTextOfAnyCase(at - 8, 'severity'))
  )
}

function isUpper(start: usize, end: usize): bool {
  for (let i = start; i < end; i++) if (byteAt(i) > 0x5a) return false
  return true
}

function isColourEnd(start: usize, at: usize): bool {
  if (byteAt(at - 1) != 0x6d) return false
  let i = at - 2
  while (i > start && (isDigit(byteAt(i)) || byteAt(i) == 0x3b)) i--
  if (i <= start || byteAt(i) != BRACKET) return false
  const before = byteAt(i - 1)
  return before == ESCAPE || (before == 0x62 && (byteAt(i - 4) == BACKSLASH || byteAt(i - 6) == BACKSLASH))
}

function isDenied(start: usize, at: usize, after: usize, end: usize, isCapitals: bool): bool {
  if (at > start + 1 && byteAt(at - 1) == SPACE) {
    const wordEnd = at - 1
    let wordStart = wordEnd
    while (wordStart > start && byteAt(wordStart - 1) > SPACE && wordEnd - wordStart < 9) wordStart--
    if (isNegation(wordStart, <i32>(wordEnd - wordStart))) return true
    if (!isCapitals && wordEnd - wordStart == 1 && byteAt(wordStart) == 0x30) return true
  }
  return !isCapitals && (isPlural(after, end) || isNothing(after, end))
}

function isNegation(at: usize, length: i32): bool {
  switch (length) {
    case 2:
      return isTextOfAnyCase(at, 'no')
    case 3:
      return isTextOfAnyCase(at, 'any') || isTextOfAnyCase(at, 'non')
    case 4:
      return isTextOfAnyCase(at, 'zero')
    case 7:
      return isTextOfAnyCase(at, 'without')
    default:
      return false
  }
}

function isPlural(after: usize, end: usize): bool {
  return after + 3 <= end && isText(after, '(s)')
}

const NOTHINGS: StaticArray<string> = [
  'null', 'nil', 'none', 'false', '0', '""', "''", '<nil>', 'undefined', '[]', '{}', '[ ]', '{ }',
]

function isNothing(after: usize, end: usize): bool {
  const isQuoted = after < end && byteAt(after) == QUOTE
  let i = isQuoted ? afterSpace(after + 1, end) : after
  if (i >= end) return false
  if (byteAt(i) != EQUALS && byteAt(i) != COLON) return false
  const isField = isQuoted || byteAt(i) == EQUALS
  i = afterSpace(i + 1, end)
  if (i >= end) return isField
  for (let n = 0; n < NOTHINGS.length; n++) {
    const word = unchecked(NOTHINGS[n])
    const stop = i + word.length
    if (stop > end || !isTextOfAnyCase(i, word)) continue
    if (stop == end) return true
    const next = byteAt(stop)
    if (next == 0x2c || next == 0x7d || next == 0x3b || next == 0x29 || next == BRACKET_END) return true
    if (isField && next <= SPACE) return true
  }
  return false
}

function afterSpace(start: usize, end: usize): usize {
  let i = start
  while (i < end && byteAt(i) == SPACE) i++
  return i
}
