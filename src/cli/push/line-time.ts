/** Finds the timestamp in a log line, in the formats of common loggers. */

import { msToNs, NS_PER_MS, parseRfc3339 } from '../../domain/time.ts'

/** `2026-11-21T10:00:00.123Z`, `2026-11-21 10:00:00,123`, with or without a zone, near the start of the line. */
const DATE_TIME =
  /(?<![\d.])(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d|UTC|GMT)(?![\w]))?/
/** `[21/Nov/2026:10:00:00 +0100]`: the access logs of Apache and nginx. */
const ACCESS_LOG = /\[(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\]/
/** `"time":1700000000123` or `ts=1700000000.123`: JSON and logfmt with a number. */
const EPOCH =
  /(?:"(?:time|ts|timestamp|@timestamp|t)" ?: ?"?|(?:^| )(?:time|ts|timestamp|t)="?)(\d{10,19})(?:\.(\d{1,9}))?(?![\d\w])/
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** A later date is part of the message. JSON fields can be in any order. */
const PLAIN_CHARS_MAX = 80
const TEXT_CHARS_MAX = 2_000
/** Numbers up to this many digits have this unit, for the years 2001 to 2286. */
const UNITS: readonly (readonly [digitsMax: number, nsPerUnit: bigint])[] = [
  [11, 1_000_000_000n],
  [14, NS_PER_MS],
  [17, 1_000n],
  [19, 1n],
]

/** In ns since the epoch; undefined if the line has none. A time without a zone is local time. */
export function lineTime(line: Uint8Array): bigint | undefined {
  // Times are ASCII; decoding each byte as a character preserves positions.
  const text = Buffer.from(line.buffer, line.byteOffset, Math.min(line.length, TEXT_CHARS_MAX)).toString('latin1')
  const head = text.startsWith('{') ? text : text.slice(0, PLAIN_CHARS_MAX)
  return dateTime(head) ?? accessLogTime(text) ?? epochTime(head)
}

function dateTime(head: string): bigint | undefined {
  const match = DATE_TIME.exec(head)
  if (match === null) return undefined
  const [, year, month, day, time, fraction = '', zone] = match
  const instant = `${year}-${month}-${day}T${time}`
  const digits = fraction === '' ? '' : `.${fraction}`
  if (zone !== undefined) return parseRfc3339(`${instant}${digits}${zoneOffset(zone)}`)
  const ms = Date.parse(instant)
  // Parsing it as UTC shows whether the date exists.
  if (Number.isNaN(ms) || parseRfc3339(`${instant}Z`) === undefined) return undefined
  return msToNs(ms) + BigInt(fraction.padEnd(9, '0'))
}

function zoneOffset(zone: string): string {
  if (!/^[+-]/.test(zone)) return 'Z'
  return zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`
}

function accessLogTime(text: string): bigint | undefined {
  const match = ACCESS_LOG.exec(text)
  if (match === null) return undefined
  const [, day, monthName = '', year, time, hours, minutes] = match
  const month = MONTHS.indexOf(monthName) + 1
  return parseRfc3339(`${year}-${String(month).padStart(2, '0')}-${day}T${time}${hours}:${minutes}`)
}

function epochTime(head: string): bigint | undefined {
  const match = EPOCH.exec(head)
  if (match === null) return undefined
  const [, whole = '', fraction = ''] = match
  const [, nsPerUnit = 1n] = UNITS.find(([digitsMax]) => whole.length <= digitsMax) ?? []
  const part = (BigInt(fraction.padEnd(9, '0')) * nsPerUnit) / 1_000_000_000n
  return BigInt(whole) * nsPerUnit + part
}
