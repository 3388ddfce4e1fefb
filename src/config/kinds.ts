/** Kinds of settings: how each is parsed from text and formatted. */

import { formatDuration, parseDuration } from '../domain/duration.ts'
import type { Rate } from '../domain/limits.ts'
import { NS_PER_MS, parseRfc3339 } from '../domain/time.ts'

/** A value, or a description of valid values (never the invalid value, which may be a secret). */
export type Parsed<T> = { readonly value: T } | { readonly fault: string }

export interface Kind<T> {
  /** A description of valid values, to follow the word "expected". */
  readonly expected: string
  parse(text: string): Parsed<T>
  /** The text that parses to `value`; empty if only an unset variable has this value. */
  format(value: T): string
  /** The value must not be shown in errors. */
  readonly isSecret?: boolean
  /** An empty text is a value. Otherwise it counts as unset, as is usual in compose and .env files. */
  readonly takesEmpty?: boolean
}

interface Range {
  readonly min?: number
  readonly max?: number
}

/** The same kind, or `off` (or `0`), which gives undefined. */
export function orOff<T>(kind: Kind<T>): Kind<T | undefined> {
  const expected = `${kind.expected}, or off`
  return {
    expected,
    parse: (text) => {
      if (text === 'off' || text === '0') return { value: undefined }
      const parsed = kind.parse(text)
      return 'value' in parsed ? parsed : { fault: expected }
    },
    format: (value) => (value === undefined ? 'off' : kind.format(value)),
  }
}

/** The same kind, with undefined as its default. */
export function optional<T>(kind: Kind<T>): Kind<T | undefined> {
  return { ...kind, format: (value) => (value === undefined ? '' : kind.format(value)) }
}

export function text(expected: string, isRight: (text: string) => boolean = () => true): Kind<string> {
  return makeKind(expected, (text) => (isRight(text) ? text : undefined), String)
}

/** Text; an empty text gives undefined. */
export function textOrEmpty(expected: string, isRight: (text: string) => boolean): Kind<string | undefined> {
  return {
    expected,
    parse: (text) => {
      if (text === '') return { value: undefined }
      return isRight(text) ? { value: text } : { fault: expected }
    },
    format: (value) => value ?? '',
    takesEmpty: true,
  }
}

export function choice<const V extends string>(values: readonly V[]): Kind<V> {
  return makeKind(
    oneOf(values),
    (text) => values.find((value) => value === text),
    (value) => value,
  )
}

export function boolean(): Kind<boolean> {
  return makeKind(
    'true or false',
    (text) => {
      const word = text.toLowerCase()
      if (['true', 'yes', 'on', '1'].includes(word)) return true
      return ['false', 'no', 'off', '0'].includes(word) ? false : undefined
    },
    String,
  )
}

export function integer({ min = 0, max = Number.MAX_SAFE_INTEGER }: Range = {}): Kind<number> {
  const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  return makeKind(
    `a whole number ${bounds}`,
    (text) => {
      const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN
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
    max === Number.MAX_SAFE_INTEGER ? `at least ${formatBytes(min)}` : `from ${formatBytes(min)} to ${formatBytes(max)}`
  return makeKind(
    `bytes like 262144, 64KB or 1MiB, ${bounds}`,
    (text) => {
      const value = parseBytes(text)
      return value !== undefined && value >= min && value <= max ? value : undefined
    },
    formatBytes,
  )
}

function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,20}(?:\.\d{1,20})?) ?([a-zA-Z]*)$/.exec(text)
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

/** A hundred years. More is a typing mistake, and int64 nanoseconds overflow soon after. */
const DURATION_MS_MAX = 36_500 * 86_400_000

/** A duration in milliseconds, written with the largest unit first: `1h30m`. */
export function duration({ min = 1, max = DURATION_MS_MAX }: Range = {}): Kind<number> {
  const bounds =
    max === DURATION_MS_MAX
      ? `at least ${formatDuration(min)}`
      : `from ${formatDuration(min)} to ${formatDuration(max)}`
  return makeKind(
    `a duration like 7d, 1h30m or 500ms, ${bounds}`,
    (text) => {
      const value = parseDuration(text)
      return value !== undefined && value >= min && value <= max ? value : undefined
    },
    formatDuration,
  )
}

/** Bytes per second; after a colon, the burst size. */
export function rate(): Kind<Rate> {
  return makeKind(
    'bytes per second like 4MiB, or with a burst size like 4MiB:6MiB',
    (text) => {
      const [first = '', second, ...rest] = text.split(':')
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
    (text) => {
      const ns = parseRfc3339(text)
      return ns === undefined ? undefined : Number(ns / NS_PER_MS)
    },
    (value) => new Date(value).toISOString(),
  )
}

/** Words separated by commas or newlines. */
export function list(expected: string, isRight: (item: string) => boolean = () => true): Kind<readonly string[]> {
  return makeKind(
    expected,
    (text) => {
      const items = splitList(text)
      return items.every(isRight) ? items : undefined
    },
    (value) => value.join(','),
  )
}

/** One or more of `values`, separated by commas. */
export function choices<const V extends string>(values: readonly V[]): Kind<readonly V[]> {
  return makeKind(
    `one or more of ${values.join(', ')}, separated by commas`,
    (text) => {
      const items = splitList(text)
      const chosen = values.filter((value) => items.includes(value))
      return chosen.length > 0 && items.every((item) => values.some((value) => value === item)) ? chosen : undefined
    },
    (value) => value.join(','),
  )
}

/** Items separated by commas or newlines, trimmed; empty items are skipped. */
export function splitList(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** LogQL selectors separated by semicolons or newlines; a semicolon inside quotes does not separate. */
export function selectors(): Kind<readonly string[]> {
  return makeKind(
    'LogQL selectors like {app="noisy"}, separated by semicolons or newlines',
    (text) => {
      const items = (text.match(/(?:"(?:\\.|[^"\\])*"|`[^`]*`|[^;\n])+/g) ?? [])
        .map((item) => item.trim())
        .filter((item) => item !== '')
      return items.every((item) => item.startsWith('{') && item.endsWith('}')) ? items : undefined
    },
    (value) => value.join('; '),
  )
}

export function makeKind<T>(
  expected: string,
  parse: (text: string) => T | undefined,
  format: (value: T) => string,
): Kind<T> {
  return {
    expected,
    parse: (text) => {
      const value = parse(text)
      return value === undefined ? { fault: expected } : { value }
    },
    format,
  }
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? String(values[0]) : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
}
