/** Detects times that were sent in another unit than nanoseconds: queries would never find such lines. */

/**
 * 2000-01-01 in seconds since the epoch: milliseconds or microseconds of this century, read as nanoseconds, are before
 * it.
 */
const YEAR_2000_SECONDS = 946_684_800
/** Maximum distance from now at which a time in another unit is recognised. */
const NEAR_NOW_MS = 366 * 86_400_000

const UNITS = [
  { name: 'seconds', ms: 1000 },
  { name: 'milliseconds', ms: 1 },
  { name: 'microseconds', ms: 1e-3 },
  { name: 'nanoseconds', ms: 1e-6 },
] as const

export type TimeUnit = (typeof UNITS)[number]['name']

/**
 * The unit in which a time before 2000 is within a year of `nowMs`; undefined if there is none. `seconds` and `nanos`
 * since the epoch, as read from nanoseconds.
 */
export function unitOfEarlyTime(seconds: number, nanos: number, nowMs: number): TimeUnit | undefined {
  if (seconds >= YEAR_2000_SECONDS || seconds < 0) return undefined
  return unitNearNow(seconds * 1e9 + nanos, nowMs)
}

/** The same for seconds beyond any calendar: milliseconds, microseconds or nanoseconds in the field for seconds. */
export function unitOfHugeSeconds(seconds: number, nowMs: number): TimeUnit | undefined {
  return unitNearNow(seconds, nowMs)
}

function unitNearNow(count: number, nowMs: number): TimeUnit | undefined {
  return UNITS.find(({ ms }) => Math.abs(count * ms - nowMs) <= NEAR_NOW_MS)?.name
}

/** What is wrong with a time that fitsNs rejects, after "a timestamp". */
export function faultOfTime(seconds: number, nanos: number, nowMs: number): string {
  if (!(nanos >= 0 && nanos <= 999_999_999)) return `with ${nanos} nanoseconds in its second; send 0 to 999999999`
  const unit = unitOfHugeSeconds(seconds, nowMs)
  return unit === undefined ? 'outside the years 1677 to 2262' : `that looks like ${unit}; send seconds`
}
