/** Variable parts of a line that have a format: times, UUIDs, addresses. */

import { CLASS, DIGIT, endOf, HEX, isOf, LETTER, SPACE, WORD } from './byte-classes.ts'

const DASH = 0x2d
const DOT = 0x2e
const SLASH = 0x2f
const COLON = 0x3a
const COMMA = 0x2c
const PLUS = 0x2b

const MONTHS: ReadonlySet<number> = new Set(
  'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'
    .split(' ')
    .map((name) => (name.charCodeAt(0) << 16) | (name.charCodeAt(1) << 8) | name.charCodeAt(2)),
)

/**
 * Each function returns the end of the part that starts at `at`, or `at` if there is none; `end` is the end of the
 * text.
 */
type Matcher = (text: Uint8Array, at: number, end: number) => number

/**
 * 2026-11-21T10:00:00.123Z, 2026/11/21 10:00:00,123 +0000, 21/Nov/2026:10:00:00 +0000, 10:00:00; starts with a digit.
 */
export const endOfTime: Matcher = (text, at, end) => {
  const first = endOf(text, at, Math.min(end, at + 5), DIGIT) - at
  if (first === 4) return endOfDate(text, at, end)
  if (first !== 2) return at
  if (text[at + 2] === SLASH) return endOfAccessTime(text, at, end)
  return endOfClock(text, at, end, true)
}

/** Nov 21 10:00:00, as in syslog; starts with the month. */
export const endOfSyslogTime: Matcher = (text, at, end) => {
  if (!isMonth(text, at)) return at
  const day = endOf(text, at + 3, Math.min(end, at + 5), SPACE)
  const afterDay = endOf(text, day, Math.min(end, day + 2), DIGIT)
  if (day === at + 3 || afterDay === day || !isOf(text, afterDay, SPACE)) return at
  const clock = endOfClock(text, afterDay + 1, end, true)
  return clock === afterDay + 1 ? at : clock
}

/** 8f6d1a2e-1b2c-4d3e-8f6d-1a2e1b2c4d3e. */
export const endOfUuid: Matcher = (text, at, end) => {
  let i = at
  for (const length of [8, 4, 4, 4, 12]) {
    if (i > at && text[i++] !== DASH) return at
    if (endOf(text, i, Math.min(end, i + length), HEX) !== i + length) return at
    i += length
  }
  return isOf(text, i, WORD) && i < end ? at : i
}

/** 10.0.0.1 and 10.0.0.1:5432. */
export const endOfAddress4: Matcher = (text, at, end) => {
  let i = at
  for (let group = 0; group < 4; group++) {
    if (group > 0 && text[i++] !== DOT) return at
    const groupEnd = endOf(text, i, Math.min(end, i + 4), DIGIT)
    if (groupEnd === i || groupEnd > i + 3) return at
    i = groupEnd
  }
  const portEnd = text[i] === COLON ? endOf(text, i + 1, Math.min(end, i + 6), DIGIT) : i
  if (portEnd > i + 1) i = portEnd
  return i < end && isOf(text, i, WORD) ? at : i
}

/** IPv6 with at least four groups, or with a gap. */
export const endOfAddress6: Matcher = (text, at, end) => {
  let i = at
  let groups = 0
  let hasGap = false
  for (;;) {
    const groupEnd = endOf(text, i, Math.min(end, i + 5), HEX)
    if (groupEnd > i + 4) return at
    if (groupEnd > i) groups++
    i = groupEnd
    if (i >= end || text[i] !== COLON) break
    i++
    if (text[i] === COLON) {
      if (hasGap) return at
      hasGap = true
      i++
    } else if (i >= end || !isOf(text, i, HEX)) break
  }
  if (i < end && (isOf(text, i, WORD) || text[i] === COLON)) return at
  return groups <= 8 && groups > 0 && (hasGap || groups >= 4) ? i : at
}

/** The rest of a number after its first digits: `.5`, `,000`, `e-7`, `%`. */
export const endOfNumber: Matcher = (text, at, end) => {
  let i = at
  while (i + 1 < end && (text[i] === DOT || text[i] === COMMA) && isOf(text, i + 1, DIGIT))
    i = endOf(text, i + 1, end, DIGIT)
  if (i < end && ((text[i] as number) | 0x20) === 0x65) {
    const signed = text[i + 1] === DASH || text[i + 1] === PLUS ? i + 2 : i + 1
    const exponentEnd = endOf(text, signed, end, DIGIT)
    if (exponentEnd > signed) i = exponentEnd
  }
  return i < end && text[i] === 0x25 ? i + 1 : i
}

/** example.com, after the @ of an address. */
export const endOfDomain: Matcher = (text, at, end) => {
  let i = at
  let labels = 0
  let last = at
  while (i < end && labels < 9) {
    const labelEnd = endOfName(text, i, Math.min(end, i + 63))
    if (labelEnd === i) break
    labels++
    last = labelEnd
    if (text[labelEnd] !== DOT) break
    i = labelEnd + 1
  }
  return labels >= 2 ? last : at
}

/** ?page=2&size=9, the query of a path. */
export const endOfQuery: Matcher = (text, at, end) => {
  let i = at + 1
  const nameEnd = Math.min(end, at + 65)
  while (i < nameEnd && isQueryName(text[i] as number)) i++
  if (i === at + 1 || i >= end || text[i] !== 0x3d) return at
  while (i < end && !isOf(text, i, SPACE) && text[i] !== 0x22 && text[i] !== 0x27 && text[i] !== 0x5c) i++
  return i
}

/** ESC [ 31 m, a terminal colour. */
export const endOfColour: Matcher = (text, at, end) => {
  if (text[at] !== 0x5b) return at
  let i = at + 1
  const codesEnd = Math.min(end, i + 20)
  while (i < codesEnd && (isOf(text, i, DIGIT) || text[i] === 0x3b)) i++
  return i < end && isOf(text, i, LETTER) ? i + 1 : at
}

function endOfDate(text: Uint8Array, at: number, end: number): number {
  const separator = text[at + 4]
  if (separator !== DASH && separator !== SLASH) return at
  if (!areDigits(text, at + 5, 2, end) || text[at + 7] !== separator || !areDigits(text, at + 8, 2, end)) return at
  const dateEnd = at + 10
  if (text[dateEnd] !== 0x54 && text[dateEnd] !== 0x20) return dateEnd
  const clockEnd = endOfClock(text, dateEnd + 1, end, false)
  return clockEnd === dateEnd + 1 ? dateEnd : endOfZone(text, clockEnd, end)
}

function endOfAccessTime(text: Uint8Array, at: number, end: number): number {
  if (!isMonth(text, at + 3) || text[at + 6] !== SLASH || !areDigits(text, at + 7, 4, end)) return at
  if (text[at + 11] !== COLON) return at
  const clockEnd = endOfClock(text, at + 12, end, true)
  return clockEnd === at + 12 ? at : endOfZone(text, clockEnd, end)
}

/** 10:00, 10:00:00, 10:00:00.123; the seconds may be required. */
function endOfClock(text: Uint8Array, at: number, end: number, needsSeconds: boolean): number {
  if (!areDigits(text, at, 2, end) || text[at + 2] !== COLON || !areDigits(text, at + 3, 2, end)) return at
  const hasSeconds = text[at + 5] === COLON && areDigits(text, at + 6, 2, end)
  if (!hasSeconds) return needsSeconds || isOf(text, at + 5, DIGIT) ? at : at + 5
  let i = at + 8
  if ((text[i] === DOT || text[i] === COMMA) && isOf(text, i + 1, DIGIT))
    i = endOf(text, i + 1, Math.min(end, i + 10), DIGIT)
  if (i >= end || !isOf(text, i, WORD)) return i
  return text[i] === 0x5a ? i + 1 : isOf(text, i, DIGIT) ? at : i
}

/** Z was read with the clock; UTC, +0000 and +00:00 may follow after a space. */
function endOfZone(text: Uint8Array, at: number, end: number): number {
  const i = text[at] === 0x20 ? at + 1 : at
  if (text[i] === 0x55 && text[i + 1] === 0x54 && text[i + 2] === 0x43 && i + 3 <= end) return i + 3
  if (text[i] !== PLUS && text[i] !== DASH) return at
  if (!areDigits(text, i + 1, 2, end)) return at
  const minutes = text[i + 3] === COLON ? i + 4 : i + 3
  return areDigits(text, minutes, 2, end) ? minutes + 2 : at
}

function areDigits(text: Uint8Array, at: number, count: number, end: number): boolean {
  return at + count <= end && endOf(text, at, at + count, DIGIT) === at + count
}

function isMonth(text: Uint8Array, at: number): boolean {
  return MONTHS.has(((text[at] as number) << 16) | ((text[at + 1] as number) << 8) | (text[at + 2] as number))
}

function endOfName(text: Uint8Array, at: number, end: number): number {
  let i = at
  while (i < end && (((CLASS[text[i] as number] as number) & WORD) !== 0 || text[i] === DASH)) i++
  return i
}

function isQueryName(byte: number): boolean {
  return ((CLASS[byte] as number) & WORD) !== 0 || byte === DASH || byte === DOT || byte === 0x25 || byte === 0x7e
}
