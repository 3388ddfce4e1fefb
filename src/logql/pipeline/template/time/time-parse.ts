/** Parses times by Go's layouts, like time.ParseInLocation. */

import { GoTime } from '../value.ts'
import { type LayoutElement, type LayoutPart, MONTHS, parseLayout, WEEKDAYS } from './time-layout.ts'
import { isZone, zoneOffset } from './zone.ts'

/** The parsed fields; those that are not in the layout keep Go's defaults. */
interface Fields {
  year: number
  month: number
  day: number
  yearDay: number | undefined
  hour: number
  minute: number
  second: number
  nanos: number
  isAfternoon: boolean | undefined
  /** Seconds east, if the text has an offset. */
  offset: number | undefined
}

/** Undefined if the text does not match the layout. A text without an offset is in `zone`; unknown zones are UTC. */
export function parseTime(layout: string, text: string, zone: string): GoTime | undefined {
  const fields: Fields = {
    year: 0,
    month: 1,
    day: 1,
    yearDay: undefined,
    hour: 0,
    minute: 0,
    second: 0,
    nanos: 0,
    isAfternoon: undefined,
    offset: undefined,
  }
  const parts = parseLayout(layout)
  let rest: string | undefined = text
  for (const [index, part] of parts.entries()) {
    if (rest === undefined) return undefined
    rest = readPart(part, rest, fields)
    // A fraction is accepted after the seconds even if the layout has none.
    const isSecond = part.kind === 'element' && (part.name === '05' || part.name === '5')
    if (isSecond && parts[index + 1]?.kind !== 'fraction' && rest !== undefined)
      rest = readFraction(rest, fields) ?? rest
  }
  return rest === '' ? instantOf(fields, isZone(zone) ? zone : 'UTC') : undefined
}

/** The rest of the text after the part; undefined if it does not match. */
function readPart(part: LayoutPart, text: string, fields: Fields): string | undefined {
  if (part.kind === 'literal') return skipLiteral(part.text, text)
  if (part.kind === 'element') return readElement(part.name, text, fields)
  const rest = readFraction(text, fields)
  if (part.isTrimmed) return rest ?? text
  return rest !== undefined && text.length - rest.length === part.digits + 1 ? rest : undefined
}

/** Any number of spaces matches any number of spaces. */
function skipLiteral(literal: string, text: string): string | undefined {
  let rest = text
  for (const piece of literal.match(/ +|[^ ]+/g) ?? []) {
    if (piece.startsWith(' ')) {
      if (rest !== '' && !rest.startsWith(' ')) return undefined
      rest = rest.replace(/^ +/, '')
    } else if (rest.startsWith(piece)) rest = rest.slice(piece.length)
    else return undefined
  }
  return rest
}

function readFraction(text: string, fields: Fields): string | undefined {
  const match = /^[.,](\d{1,18})(?!\d)/.exec(text)
  if (match === null) return undefined
  fields.nanos = Number((match[1] as string).slice(0, 9).padEnd(9, '0'))
  return text.slice(match[0].length)
}

function readElement(name: LayoutElement, text: string, fields: Fields): string | undefined {
  switch (name) {
    case '2006':
      return readNumber(/^\d{4}/, text, (value) => (fields.year = value))
    case '06':
      return readNumber(/^\d\d/, text, (value) => (fields.year = value >= 69 ? 1900 + value : 2000 + value))
    case 'January':
    case 'Jan':
      return readName(name, MONTHS, text, (index) => (fields.month = index + 1))
    case '01':
      return readNumber(/^\d\d/, text, (value) => (fields.month = value))
    case '1':
      return readNumber(/^\d\d?/, text, (value) => (fields.month = value))
    case 'Monday':
    case 'Mon':
      return readName(name, WEEKDAYS, text, () => undefined)
    case '02':
      return readNumber(/^\d\d/, text, (value) => (fields.day = value))
    case '2':
      return readNumber(/^\d\d?/, text, (value) => (fields.day = value))
    case '_2':
      return readNumber(/^ ?\d\d?/, text, (value) => (fields.day = value))
    case '002':
      return readNumber(/^\d{3}/, text, (value) => (fields.yearDay = value))
    case '__2':
      return readNumber(/^ {0,2}\d{1,3}/, text, (value) => (fields.yearDay = value))
    case '15':
      return readNumber(/^\d\d?/, text, (value) => (fields.hour = value))
    case '03':
      return readHour12(/^\d\d/, text, fields)
    case '3':
      return readHour12(/^\d\d?/, text, fields)
    case '04':
      return readNumber(/^\d\d/, text, (value) => (fields.minute = value))
    case '4':
      return readNumber(/^\d\d?/, text, (value) => (fields.minute = value))
    case '05':
      return readNumber(/^\d\d/, text, (value) => (fields.second = value))
    case '5':
      return readNumber(/^\d\d?/, text, (value) => (fields.second = value))
    case 'PM':
    case 'pm':
      return readHalf(name, text, fields)
    case 'MST':
      return readZone(text, fields)
    default:
      return readOffset(name, text, fields)
  }
}

function readNumber(pattern: RegExp, text: string, set: (value: number) => void): string | undefined {
  const digits = pattern.exec(text)?.[0]
  if (digits === undefined) return undefined
  set(Number(digits))
  return text.slice(digits.length)
}

function readHour12(pattern: RegExp, text: string, fields: Fields): string | undefined {
  const rest = readNumber(pattern, text, (value) => (fields.hour = value))
  return fields.hour <= 12 ? rest : undefined
}

function readName(
  layout: string,
  names: readonly string[],
  text: string,
  set: (index: number) => void,
): string | undefined {
  for (const [index, full] of names.entries()) {
    const name = layout.length > 3 ? full : full.slice(0, 3)
    if (text.slice(0, name.length).toLowerCase() !== name.toLowerCase()) continue
    set(index)
    return text.slice(name.length)
  }
  return undefined
}

function readHalf(name: 'PM' | 'pm', text: string, fields: Fields): string | undefined {
  const half = text.slice(0, 2)
  if (half !== name && half !== (name === 'PM' ? 'AM' : 'am')) return undefined
  fields.isAfternoon = half === name
  return text.slice(2)
}

/** The short name of a zone does not determine its offset, except for UTC. */
function readZone(text: string, fields: Fields): string | undefined {
  const name = /^(?:[A-Z]{3,5}|[-+]\d\d(?:\d\d)?)/.exec(text)?.[0]
  if (name === undefined) return undefined
  if (name === 'UTC' || name === 'GMT') fields.offset ??= 0
  return text.slice(name.length)
}

function readOffset(layout: string, text: string, fields: Fields): string | undefined {
  if (layout.startsWith('Z') && text.startsWith('Z')) {
    fields.offset = 0
    return text.slice(1)
  }
  const separator = layout.includes(':') ? ':' : ''
  const count = Math.trunc((layout.replaceAll(':', '').length - 1) / 2)
  const pattern = new RegExp(`^([-+])${Array.from({ length: count }, () => '(\\d\\d)').join(separator)}`)
  const match = pattern.exec(text)
  if (match === null) return undefined
  const [all, sign, hours, minutes = '0', seconds = '0'] = match
  if (Number(hours) > 24 || Number(minutes) >= 60 || Number(seconds) >= 60) return undefined
  const offset = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  fields.offset = sign === '-' ? -offset : offset
  return text.slice(all.length)
}

/** Undefined for a day or time that does not exist. */
function instantOf(fields: Fields, zone: string): GoTime | undefined {
  const { year, minute, second, nanos, isAfternoon } = fields
  let { hour } = fields
  if (isAfternoon === true && hour < 12) hour += 12
  else if (isAfternoon === false && hour === 12) hour = 0
  const date = new Date(0)
  if (fields.yearDay === undefined) date.setUTCFullYear(year, fields.month - 1, fields.day)
  else date.setUTCFullYear(year, 0, fields.yearDay)
  const isDay =
    fields.yearDay === undefined
      ? date.getUTCMonth() === fields.month - 1 && date.getUTCDate() === fields.day
      : date.getUTCFullYear() === year
  if (!isDay || fields.month > 12 || hour > 23 || minute > 59 || second > 59) return undefined
  date.setUTCHours(hour, minute, second)
  const local = date.getTime() / 1000
  const seconds = local - (fields.offset ?? localOffset(zone, local))
  const shown = fields.offset === undefined || zoneOffset(zone, seconds) === fields.offset ? zone : fields.offset
  return new GoTime(BigInt(seconds) * 1_000_000_000n + BigInt(nanos), shown)
}

/** The offset in effect at a local time, found from the offset of the same number of seconds in UTC. */
function localOffset(zone: string, local: number): number {
  return zoneOffset(zone, local - zoneOffset(zone, local))
}
