/**
 * The level in a line: a JSON or logfmt field, else the format of its beginning, else its first level word. It reads
 * bytes without creating strings, because it runs over every pushed line.
 *
 * Loki's rules (pkg/distributor/field_detection.go of grafana/loki), extended for loggers that they misread:
 * docs/levels.md lists the differences.
 */

import { LEVEL_NONE, LEVEL_UNKNOWN } from './level.ts'
import { isSpace, levelOfJson, levelOfLogfmt } from './level-fields.ts'
import { levelOfFirstLetter } from './level-letters.ts'
import { levelOfText } from './level-text.ts'
import { SYSLOG_LEVELS } from './level-values.ts'
import { isDigit } from './level-words.ts'

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const LESS = 0x3c
const GREATER = 0x3e
/** Facility times eight plus severity; 191 is the maximum. */
const PRIORITY_MAX = 191
/** `notice` and `info` are defaults of senders, so words of the line may be more specific. */
const SYSLOG_NOTICE = 5

/** Marks an entry of LevelColumns whose level is still to be found. */
export const LEVEL_PENDING = 255

/** Lines text[starts[i], ends[i]) and their levels. */
export interface LevelColumns {
  readonly text: Uint8Array
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  readonly levels: Uint8Array
  readonly count: number
}

/** Replaces each LEVEL_PENDING by the level of its line. */
export function findLevels({ text, starts, ends, levels, count }: LevelColumns): void {
  for (let i = 0; i < count; i++) {
    if (levels[i] === LEVEL_PENDING) levels[i] = levelOfLine(text, starts[i] as number, ends[i] as number)
  }
}

/** The level of the line `text[start, end)`, as a code of LEVELS; LEVEL_UNKNOWN if there is none. */
export function levelOfLine(text: Uint8Array, start: number, end: number): number {
  let first = start
  let last = end - 1
  while (first <= last && isSpace(text[first] as number)) first++
  while (last > first && isSpace(text[last] as number)) last--
  if (first > last) return LEVEL_UNKNOWN
  const isJson = text[first] === OPEN_BRACE && text[last] === CLOSE_BRACE
  const field = isJson ? levelOfJson(text, first, last + 1) : levelOfLogfmt(text, first, last + 1)
  if (field !== LEVEL_NONE) return field
  const letter = levelOfFirstLetter(text, first, last + 1)
  if (letter !== LEVEL_NONE) return letter
  const severity = text[first] === LESS ? syslogSeverity(text, first, last + 1) : undefined
  if (severity !== undefined && severity < SYSLOG_NOTICE) return SYSLOG_LEVELS[severity] as number
  const word = levelOfText(text, first, last + 1)
  if (severity === undefined || word !== LEVEL_UNKNOWN) return word
  return SYSLOG_LEVELS[severity] as number
}

/** The severity of a line that starts with syslog's priority, `<131>`; undefined for other lines. */
function syslogSeverity(text: Uint8Array, first: number, end: number): number | undefined {
  let priority = 0
  let at = first + 1
  while (at < end && at <= first + 3 && isDigit(text[at] as number)) {
    priority = priority * 10 + (text[at++] as number) - 0x30
  }
  if (at === first + 1 || at >= end || text[at] !== GREATER || priority > PRIORITY_MAX) return undefined
  return priority & 7
}
