/** Parses times on the command line. */

import { parseDuration } from '../../domain/duration.ts'
import { GatewayError } from '../../domain/errors.ts'
import { msToNs } from '../../domain/time.ts'
import { parseTime } from '../../protocol/loki/loki-params.ts'

export const SINCE_DEFAULT = '1h'

export const TIME_USAGE = `  --since TIME        how far back, like 15m or 7d; default ${SINCE_DEFAULT}
  --from TIME         start of the time range (inclusive), and
  --to TIME           its end (exclusive): 2026-11-21T10:00:00Z, "2026-11-21 10:00" in local time, seconds
                      or nanoseconds since 1970, or 15m for 15 minutes ago`

export const TIME_OPTIONS = {
  since: { type: 'string', default: SINCE_DEFAULT },
  from: { type: 'string' },
  to: { type: 'string' },
} as const

export interface TimeValues {
  readonly since: string
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** In ns, with an exclusive end. Without --to the range ends after now, as clocks differ. Throws parameter_invalid. */
export function readTimes({ since, from, to }: TimeValues, nowMs: number): { start: bigint; end: bigint } {
  const end = to === undefined ? msToNs(nowMs + AHEAD_MS) : readTime('--to', to, nowMs)
  const before = to === undefined ? msToNs(nowMs) : end
  const start = from === undefined ? before - msToNs(readSince(since)) : readTime('--from', from, nowMs)
  if (start < end) return { start, end }
  throw new GatewayError('parameter_invalid', '--from must be before --to; swap them')
}

/** In ms. Throws parameter_invalid. */
export function readSince(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms <= 0) {
    throw new GatewayError('parameter_invalid', '--since must be a duration like 15m, 1h30m or 7d')
  }
  return ms
}

/** Also finds lines whose clock is ahead of ours. */
const AHEAD_MS = 60_000
const LOCAL = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)?$/

/** In ns. Throws parameter_invalid. */
export function readTime(name: string, text: string, nowMs: number): bigint {
  if (text === 'now') return msToNs(nowMs)
  const agoMs = text === '0' ? undefined : parseDuration(text)
  if (agoMs !== undefined) return msToNs(nowMs - agoMs)
  if (!LOCAL.test(text)) return parseTime(name, text)
  // Date.parse reads a date without a time as UTC.
  const ms = Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'))
  if (!Number.isNaN(ms)) return msToNs(ms)
  throw new GatewayError('parameter_invalid', `${name} is not a valid date or time; correct it`)
}
