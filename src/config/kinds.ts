/** Kinds of settings: how each is read from text and written back. */

import { formatDuration, parseDuration } from '../domain/duration.ts'
import type { Rate } from '../domain/limits.ts'
import { NS_PER_MS, parseRfc3339 } from '../domain/time.ts'

/** A value, or what would have been right (never what came: it may be a secret). */
export type Parsed<T> = { readonly value: T } | { readonly fault: string }

export interface Kind<T> {
  /** What is right, to follow the word "wanted". */
  readonly wanted: string
  parse(text: string): Parsed<T>
  /** The text that parses to `value`; the empty text where leaving the variable out is the only way to say it. */
  format(value: T): string
  /** Its text must not be shown. */
  readonly isSecret?: boolean
  /** The empty text means something; otherwise it counts as not given, as compose files and .env files want it. */
  readonly takesEmpty?: boolean
}

interface Range {
  readonly min?: number
  readonly max?: number
}

/** The same kind, or `off` (also `0`), which is undefined. */
export function orOff<T>(kind: Kind<T>): Kind<T | undefined> {
  const wanted = `${kind.wanted}, or off`
  return {
    wanted,
    parse: (given) => {
      if (given === 'off' || given === '0') return { value: undefined }
      const parsed = kind.parse(given)
      return 'value' in parsed ? parsed : { fault: wanted }
    },
    format: (value) => (value === undefined ? 'off' : kind.format(value)),
  }
}

/** The same kind, or left out, which is undefined. */
export function optional<T>(kind: Kind<T>): Kind<T | undefined> {
  return { ...kind, format: (value) => (value === undefined ? '' : kind.format(value)) }
}

export function text(wanted: string, isRight: (text: string) => boolean = () => true): Kind<string> {
  return makeKind(wanted, (given) => (isRight(given) ? given : undefined), String)
}

/** Text for which the empty text stands for undefined. */
export function textOrEmpty(wanted: string, isRight: (text: string) => boolean): Kind<string | undefined> {
  return {
    wanted,
    parse: (given) => {
      if (given === '') return { value: undefined }
      return isRight(given) ? { value: given } : { fault: wanted }
    },
    format: (value) => value ?? '',
    takesEmpty: true,
  }
}

export function choice<const V extends string>(values: readonly V[]): Kind<V> {
  return makeKind(
    oneOf(values),
    (given) => values.find((value) => value === given),
    (value) => value,
  )
}

export function boolean(): Kind<boolean> {
  return makeKind(
    'true or false',
    (given) => {
      const word = given.toLowerCase()
      if (['true', 'yes', 'on', '1'].includes(word)) return true
      return ['false', 'no', 'off', '0'].includes(word) ? false : undefined
    },
    String,
  )
}

export function integer({ min = 0, max = Number.MAX_SAFE_INTEGER }: Range = {}): Kind<number> {
  const bounds = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`
  return makeKind(
    `a whole number ${bounds}`,
    (given) => {
      const value = /^[+-]?\d+$/.test(given) ? Number(given) : Number.NaN
      return value >= min && value <= max ? value : undefined
    },
    String,
  )
}

const BYTE_UNITS = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
])

/** Bytes: KiB is 1024 of them and KB 1000, as in LogQL. */
export function bytes({ min = 1, max = Number.MAX_SAFE_INTEGER }: Range = {}): Kind<number> {
  const bounds =
    max === Number.MAX_SAFE_INTEGER ? `from ${formatBytes(min)} on` : `from ${formatBytes(min)} to ${formatBytes(max)}`
  return makeKind(
    `bytes like 262144, 64KB or 1MiB, ${bounds}`,
    (given) => {
      const value = parseBytes(given)
      return value !== undefined && value >= min && value <= max ? value : undefined
    },
    formatBytes,
  )
}

function parseBytes(given: string): number | undefined {
  const match = /^(\d{1,20}(?:\.\d{1,20})?) ?([a-zA-Z]*)$/.exec(given)
  const unit = BYTE_UNITS.get(match?.[2]?.toLowerCase() ?? '')
  if (match === null || unit === undefined) return undefined
  const value = Number(match[1]) * unit
  return Number.isSafeInteger(value) ? value : undefined
}

function formatBytes(value: number): string {
  const unit = (['TiB', 'GiB', 'MiB', 'KiB'] as const).find(
    (name) => value > 0 && value % (BYTE_UNITS.get(name.toLowerCase()) as number) === 0,
  )
  return unit === undefined ? String(value) : `${value / (BYTE_UNITS.get(unit.toLowerCase()) as number)}${unit}`
}

/** A hundred years: more is a slip, and nanoseconds end soon after. */
const DURATION_MS_MAX = 36_500 * 86_400_000

/** A duration, in milliseconds: parts of falling units, `1h30m`. */
export function duration({ min = 1, max = DURATION_MS_MAX }: Range = {}): Kind<number> {
  const bounds =
    max === DURATION_MS_MAX ? `from ${formatDuration(min)} on` : `from ${formatDuration(min)} to ${formatDuration(max)}`
  return makeKind(
    `a duration like 7d, 1h30m or 500ms, ${bounds}`,
    (given) => {
      const value = parseDuration(given)
      return value !== undefined && value >= min && value <= max ? value : undefined
    },
    formatDuration,
  )
}

/** Bytes a second, with the bytes taken at once after a colon. */
export function rate(): Kind<Rate> {
  return makeKind(
    'bytes a second like 4MiB, or with the bytes at once behind them, 4MiB:6MiB',
    (given) => {
      const [first = '', second, ...rest] = given.split(':')
      const bytesPerSecond = parseBytes(first)
      const burstBytes = second === undefined ? bytesPerSecond : parseBytes(second)
      if (!bytesPerSecond || !burstBytes || rest.length > 0) return undefined
      return { bytesPerSecond, burstBytes }
    },
    (value) => `${formatBytes(value.bytesPerSecond)}:${formatBytes(value.burstBytes)}`,
  )
}

/** RFC 3339, in milliseconds since the epoch. */
export function instant(): Kind<number> {
  return makeKind(
    'a date and time like 2026-11-21T10:00:00Z',
    (given) => {
      const ns = parseRfc3339(given)
      return ns === undefined ? undefined : Number(ns / NS_PER_MS)
    },
    (value) => new Date(value).toISOString(),
  )
}

/** Words between commas or new lines. */
export function list(wanted: string, isRight: (item: string) => boolean = () => true): Kind<readonly string[]> {
  return makeKind(
    wanted,
    (given) => {
      const items = splitList(given)
      return items.every(isRight) ? items : undefined
    },
    (value) => value.join(','),
  )
}

/** Some of `values`, at least one, between commas. */
export function choices<const V extends string>(values: readonly V[]): Kind<readonly V[]> {
  return makeKind(
    `some of ${values.join(', ')}, between commas`,
    (given) => {
      const items = splitList(given)
      const known = values.filter((value) => items.includes(value))
      return known.length > 0 && items.every((item) => values.some((value) => value === item)) ? known : undefined
    },
    (value) => value.join(','),
  )
}

/** Items between commas or new lines, without the space around them; empty ones are left out. */
export function splitList(given: string): string[] {
  return given
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** LogQL selectors between semicolons or new lines; a semicolon inside quotes belongs to its selector. */
export function selectors(): Kind<readonly string[]> {
  return makeKind(
    'LogQL selectors like {app="noisy"}, between semicolons or new lines',
    (given) => {
      const items = (given.match(/(?:"(?:\\.|[^"\\])*"|`[^`]*`|[^;\n])+/g) ?? [])
        .map((item) => item.trim())
        .filter((item) => item !== '')
      return items.every((item) => item.startsWith('{') && item.endsWith('}')) ? items : undefined
    },
    (value) => value.join('; '),
  )
}

export function makeKind<T>(
  wanted: string,
  parse: (text: string) => T | undefined,
  format: (value: T) => string,
): Kind<T> {
  return {
    wanted,
    parse: (given) => {
      const value = parse(given)
      return value === undefined ? { fault: wanted } : { value }
    },
    format,
  }
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? String(values[0]) : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
}
