/**
 * The WebAssembly module, in AssemblyScript. Positions are addresses in its memory, and the caller keeps 16 readable and
 * writable bytes before and behind everything that it passes. Each function gives what its TypeScript equal gives.
 */

import { byteAt, isDigit, isSpace } from './bytes'
import { fillHexCodes } from './grams'
import { levelOfJson, levelOfLogfmt } from './level-fields'
import { fillRoles, levelOfText } from './level-text'
import { codeOfSyslog, levelOfFirstLetter } from './level-values'
import { fillWordTables } from './level-words'
import { NONE, UNKNOWN } from './levels'

export { gramsOfLines, gramsOfPairs, setProbes } from './grams'
export { decodeElements } from './snappy'

const PRIORITY_MAX = 191
const SYSLOG_NOTICE = 5
/** Marks an entry whose level is still to be found. */
const PENDING = 255

fillWordTables()
fillRoles()
fillHexCodes()

/** The first address that is free for the caller. */
export function heapBase(): usize {
  return __heap_base
}

/**
 * Finds the levels of the entries whose level is PENDING: lines [starts[i], ends[i]) (u32) of the text, of which position
 * 0 is at `text`.
 */
export function findLevels(text: usize, starts: usize, ends: usize, levels: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    if (byteAt(levels + i) != PENDING) continue
    store<u8>(levels + i, <u8>levelOfLine(text + load<u32>(starts + (i << 2)), text + load<u32>(ends + (i << 2))))
  }
}

/** src/domain/levels/line-level.ts. */
function levelOfLine(start: usize, end: usize): i32 {
  let first = start
  while (first < end && isSpace(byteAt(first))) first++
  if (first == end) return UNKNOWN
  let last = end - 1
  while (last > first && isSpace(byteAt(last))) last--
  end = last + 1
  const isJson = byteAt(first) == 0x7b && byteAt(last) == 0x7d
  const field = isJson ? levelOfJson(first, end) : levelOfLogfmt(first, end)
  if (field != NONE) return field
  const letter = levelOfFirstLetter(first, end)
  if (letter != NONE) return letter
  const severity = byteAt(first) == 0x3c ? syslogSeverity(first, end) : -1
  if (severity >= 0 && severity < SYSLOG_NOTICE) return codeOfSyslog(severity)
  const word = levelOfText(first, end)
  if (severity < 0 || word != UNKNOWN) return word
  return codeOfSyslog(severity)
}

/** The severity of a syslog priority, `<131>`; -1 for other lines. */
function syslogSeverity(first: usize, end: usize): i32 {
  let priority = 0
  let at = first + 1
  while (at < end && at <= first + 3 && isDigit(byteAt(at))) priority = priority * 10 + byteAt(at++) - 0x30
  if (at == first + 1 || at >= end || byteAt(at) != 0x3e || priority > PRIORITY_MAX) return -1
  return priority & 7
}
