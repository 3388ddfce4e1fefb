/** Formats instants by Go's layouts. */

import type { GoTime } from '../value.ts'
import { type LayoutElement, type LayoutPart, MONTHS, parseLayout, WEEKDAYS } from './time-layout.ts'
import { zoneName, zoneOffset } from './zone.ts'

const NS_PER_SECOND = 1_000_000_000n
const DAY_MS = 86_400_000
/** The layout of Go's Time.String. */
const STRING_LAYOUT = parseLayout('2006-01-02 15:04:05.999999999 -0700 MST')

/** A time in its zone, as shown by calendar and clock. */
export interface Civil {
  readonly date: Date
  readonly nanos: number
  /** Seconds east of UTC. */
  readonly offset: number
  readonly zone: string
}

export function formatTime(time: GoTime, layout: string): string {
  return formatParts(time, parseLayout(layout))
}

export function formatTimeString(time: GoTime): string {
  return formatParts(time, STRING_LAYOUT)
}

/** Whole seconds since the epoch, rounded down. */
export function epochSeconds(time: GoTime): bigint {
  const rest = ((time.ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND
  return (time.ns - rest) / NS_PER_SECOND
}

/** `date` has the zone's local calendar and clock in its UTC fields. */
export function civilOf(time: GoTime): Civil {
  const seconds = Number(epochSeconds(time))
  const isFixed = typeof time.zone === 'number'
  const offset = typeof time.zone === 'number' ? time.zone : zoneOffset(time.zone, seconds)
  const zone = isFixed
    ? formatOffset(offset, offset % 3600 === 0 ? '-07' : '-0700')
    : zoneName(time.zone as string, seconds)
  const nanos = Number(time.ns - epochSeconds(time) * NS_PER_SECOND)
  return { date: new Date((seconds + offset) * 1000), nanos, offset, zone }
}

/** Day of the year, from 1. */
export function dayOfYear(date: Date): number {
  const first = new Date(date)
  first.setUTCMonth(0, 1)
  return Math.round((date.getTime() - first.getTime()) / DAY_MS) + 1
}

function formatParts(time: GoTime, parts: readonly LayoutPart[]): string {
  const civil = civilOf(time)
  let text = ''
  for (const part of parts) {
    if (part.kind === 'literal') text += part.text
    else if (part.kind === 'element') text += formatElement(part.name, civil)
    else text += formatFraction(part, civil.nanos)
  }
  return text
}

function formatFraction(part: Extract<LayoutPart, { kind: 'fraction' }>, nanos: number): string {
  const digits = String(nanos).padStart(9, '0').slice(0, part.digits)
  if (!part.isTrimmed) return part.mark + digits.padEnd(Math.min(part.digits, 64), '0')
  const trimmed = digits.replace(/0+$/, '')
  return trimmed === '' ? '' : part.mark + trimmed
}

function formatElement(name: LayoutElement, { date, offset, zone }: Civil): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const hour12 = date.getUTCHours() % 12 === 0 ? 12 : date.getUTCHours() % 12
  switch (name) {
    case '2006':
      return formatYear(date.getUTCFullYear())
    case '06':
      return two(((date.getUTCFullYear() % 100) + 100) % 100)
    case 'January':
      return MONTHS[date.getUTCMonth()] as string
    case 'Jan':
      return (MONTHS[date.getUTCMonth()] as string).slice(0, 3)
    case '01':
      return two(date.getUTCMonth() + 1)
    case '1':
      return String(date.getUTCMonth() + 1)
    case 'Monday':
      return WEEKDAYS[date.getUTCDay()] as string
    case 'Mon':
      return (WEEKDAYS[date.getUTCDay()] as string).slice(0, 3)
    case '02':
      return two(date.getUTCDate())
    case '_2':
      return String(date.getUTCDate()).padStart(2, ' ')
    case '2':
      return String(date.getUTCDate())
    case '002':
      return String(dayOfYear(date)).padStart(3, '0')
    case '__2':
      return String(dayOfYear(date)).padStart(3, ' ')
    case '15':
      return two(date.getUTCHours())
    case '03':
      return two(hour12)
    case '3':
      return String(hour12)
    case '04':
      return two(date.getUTCMinutes())
    case '4':
      return String(date.getUTCMinutes())
    case '05':
      return two(date.getUTCSeconds())
    case '5':
      return String(date.getUTCSeconds())
    case 'PM':
      return date.getUTCHours() >= 12 ? 'PM' : 'AM'
    case 'pm':
      return date.getUTCHours() >= 12 ? 'pm' : 'am'
    case 'MST':
      return zone
    default:
      return formatOffset(offset, name)
  }
}

function formatYear(year: number): string {
  return year < 0 ? `-${String(-year).padStart(4, '0')}` : String(year).padStart(4, '0')
}

/** `layout` is one of the -07 and Z07 elements. */
function formatOffset(offset: number, layout: string): string {
  if (layout.startsWith('Z') && offset === 0) return 'Z'
  const size = Math.abs(offset)
  const fields = [Math.trunc(size / 3600), Math.trunc(size / 60) % 60, size % 60]
  const count = Math.trunc((layout.replaceAll(':', '').length - 1) / 2)
  const shown = fields.slice(0, count).map((field) => String(field).padStart(2, '0'))
  return (offset < 0 ? '-' : '+') + shown.join(layout.includes(':') ? ':' : '')
}
