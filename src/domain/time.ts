/** Nanoseconds since the Unix epoch: bigint in code, decimal strings on the wire, 64-bit words in columns. */

export const NS_PER_MS = 1_000_000n
export const NS_PER_SECOND = 1_000_000_000n

/** The earliest and latest instants that fit a signed 64-bit nanosecond count (1677-09-21 to 2262-04-11). */
export const NS_MIN = -(2n ** 63n)
export const NS_MAX = 2n ** 63n - 1n

/** Seconds beyond which a nanosecond count may leave 64 bits; between the bounds every value fits. */
const SECONDS_MAX = 9_223_372_036
const SECONDS_MIN = -9_223_372_036

/** True if `seconds` and `nanos` (0 to 999 999 999) fit 64-bit nanoseconds. */
export function fitsNs(seconds: number, nanos: number): boolean {
  return seconds > SECONDS_MIN && seconds < SECONDS_MAX && nanos >= 0 && nanos <= 999_999_999
}

/**
 * A column of nanosecond timestamps that is written and compared without creating bigints.
 *
 * `words` views the same memory as 32-bit halves, low half first: every platform Node runs on is little-endian.
 */
export interface NsColumn {
  readonly values: BigInt64Array
  readonly words: Uint32Array
}

export function makeNsColumn(capacity: number): NsColumn {
  const values = new BigInt64Array(capacity)
  return { values, words: new Uint32Array(values.buffer) }
}

/** A column over existing timestamps. */
export function nsColumnOf(values: BigInt64Array): NsColumn {
  return { values, words: new Uint32Array(values.buffer, values.byteOffset, values.length * 2) }
}

/** Stores seconds and nanos (see fitsNs) at `index`. */
export function writeNs(column: NsColumn, index: number, seconds: number, nanos: number): void {
  if (seconds < 0) {
    column.values[index] = BigInt(seconds) * NS_PER_SECOND + BigInt(nanos)
    return
  }
  // seconds * 1e9 exceeds 2^53, so it is multiplied in two 16-bit steps whose products stay exact. The operators on bits
  // take numbers modulo 2^32, many times faster than % does.
  const high = Math.floor(seconds / 65536) * 1e9
  const low = (seconds & 0xffff) * 1e9 + nanos + (high & 0xffff) * 65536
  column.words[2 * index] = low >>> 0
  column.words[2 * index + 1] = Math.floor(high / 65536) + Math.floor(low / 4294967296)
}

/**
 * The timestamp at `index` as a double: exact to about 256 ns in this century, and never out of order:
 * a < b gives approximateNs(a) <= approximateNs(b).
 */
export function approximateNs(column: NsColumn, index: number): number {
  return ((column.words[2 * index + 1] as number) | 0) * 4294967296 + (column.words[2 * index] as number)
}

/** Compares entry i of column a with entry j of column b exactly: below zero, zero or above. */
export function compareNs(a: NsColumn, i: number, b: NsColumn, j: number): number {
  const high = ((a.words[2 * i + 1] as number) | 0) - ((b.words[2 * j + 1] as number) | 0)
  return high !== 0 ? high : (a.words[2 * i] as number) - (b.words[2 * j] as number)
}

/** Milliseconds since the epoch (a clock's reading) to nanoseconds. */
export function msToNs(ms: number): bigint {
  return BigInt(Math.floor(ms)) * NS_PER_MS
}

/** RFC 3339 in UTC with as many fraction digits as the value needs: `2026-11-21T10:00:00.000000001Z`. */
export function formatRfc3339(ns: bigint): string {
  const fraction = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND
  const whole = new Date(Number((ns - fraction) / NS_PER_MS)).toISOString().slice(0, 19)
  const digits = fraction === 0n ? '' : `.${fraction.toString().padStart(9, '0').replace(/0+$/, '')}`
  return `${whole}${digits}Z`
}

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/

/** Parses RFC 3339 with an optional fraction (truncated to nanoseconds) to nanoseconds; undefined for other text. */
export function parseRfc3339(text: string): bigint | undefined {
  const match = RFC3339.exec(text)
  if (match === null) return undefined
  const [, day, time, fraction = '', zone = 'Z'] = match
  const instant = `${day}T${time}`
  const ms = Date.parse(`${instant}${zone.toUpperCase()}`)
  // Date.parse converts 31 February to a date in March: a date is valid only if it formats to the same text.
  const written = Date.parse(`${instant}Z`)
  if (Number.isNaN(ms) || new Date(written).toISOString().slice(0, 19) !== instant) return undefined
  return BigInt(ms) * NS_PER_MS + BigInt(fraction.slice(0, 9).padEnd(9, '0'))
}
