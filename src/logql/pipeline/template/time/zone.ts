/** Offsets of time zones, from the platform's IANA database. */

const MS_PER_SECOND = 1000
/** Maximum number of cached zones; there are some 600. */
const ZONES_MAX = 700
/** The range of Date; instants outside get the offset at its limit. */
const DATE_MS_MAX = 8_640_000_000_000_000

const formats = new Map<string, Intl.DateTimeFormat | undefined>()

/** True for `UTC`, `Local` (which is UTC here) and every IANA name. */
export function isZone(name: string): boolean {
  return name === '' || name === 'UTC' || name === 'Local' || formatOf(name) !== undefined
}

/** Seconds east of UTC in a zone at an instant. Unknown zones are UTC. */
export function zoneOffset(zone: string, epochSeconds: number): number {
  const parts = partsAt(zone, epochSeconds)
  if (parts === undefined) return 0
  const number = (type: string): number => Number(parts.get(type) ?? 0)
  const year = parts.get('era') === 'BC' ? 1 - number('year') : number('year')
  const shown = new Date(0)
  shown.setUTCFullYear(year, number('month') - 1, number('day'))
  shown.setUTCHours(number('hour'), number('minute'), number('second'))
  return Math.round(shown.getTime() / MS_PER_SECOND) - epochSeconds
}

/** The zone's short name at an instant, such as `CET`; if English has none, its offset, such as `+03`. */
export function zoneName(zone: string, epochSeconds: number): string {
  const name = partsAt(zone, epochSeconds)?.get('timeZoneName')
  if (name === undefined) return 'UTC'
  if (/^[A-Z]{3,5}$/.test(name)) return name
  const minutes = Math.abs(Math.trunc(zoneOffset(zone, epochSeconds) / 60))
  const sign = zoneOffset(zone, epochSeconds) < 0 ? '-' : '+'
  const two = (value: number): string => String(value).padStart(2, '0')
  return sign + two(Math.trunc(minutes / 60)) + (minutes % 60 === 0 ? '' : two(minutes % 60))
}

function partsAt(zone: string, epochSeconds: number): ReadonlyMap<string, string> | undefined {
  if (zone === '' || zone === 'UTC' || zone === 'Local') return undefined
  const format = formatOf(zone)
  if (format === undefined) return undefined
  const ms = Math.max(-DATE_MS_MAX, Math.min(DATE_MS_MAX, epochSeconds * MS_PER_SECOND))
  return new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]))
}

function formatOf(zone: string): Intl.DateTimeFormat | undefined {
  if (formats.has(zone)) return formats.get(zone)
  // Node also accepts `+01:00`, which Go's zone files do not have.
  const format = /^[A-Za-z]/.test(zone) ? makeFormat(zone) : undefined
  if (formats.size >= ZONES_MAX) formats.clear()
  formats.set(zone, format)
  return format
}

function makeFormat(zone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat(localeOf(zone), {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      timeZoneName: 'short',
    })
  } catch {
    return undefined // an unknown zone, which is the only error of Intl here
  }
}

/** English locales have the short names of zones used in their countries: CET in Britain, EST in America. */
function localeOf(zone: string): string {
  if (zone.startsWith('Australia/')) return 'en-AU'
  if (zone.startsWith('Asia/')) return 'en-IN'
  if (zone.startsWith('Africa/')) return 'en-ZA'
  return zone.startsWith('Europe/') || zone === 'CET' ? 'en-GB' : 'en-US'
}
