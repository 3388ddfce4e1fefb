/** The time range of the page: `now-1h` or an RFC 3339 time, as in the address. */

import { computed } from '@preact/signals'
import type { Range } from './api/loki.ts'
import { place } from './router.ts'
import { clockText } from './words.ts'

export const PRESETS = [
  ['now-5m', 'Last 5 minutes'],
  ['now-15m', 'Last 15 minutes'],
  ['now-1h', 'Last hour'],
  ['now-6h', 'Last 6 hours'],
  ['now-24h', 'Last day'],
  ['now-7d', 'Last 7 days'],
  ['now-30d', 'Last 30 days'],
] as const

export const DEFAULT_FROM = 'now-1h'

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export function readTime(text: string, now: number): number | undefined {
  if (text === 'now') return now
  const [, count, unit = ''] = /^now-(\d{1,9})([smhd])$/.exec(text) ?? []
  if (count !== undefined) return now - Number(count) * (UNITS[unit] ?? 0)
  const ms = new Date(text).getTime()
  return Number.isNaN(ms) ? undefined : ms
}

export const rangeNames = computed(() => {
  const { params } = place.value
  return { from: params.get('from') ?? DEFAULT_FROM, to: params.get('to') ?? 'now' }
})

/** The range as it is at this instant. */
export function rangeNow(): Range {
  const now = Date.now()
  const { from, to } = rangeNames.value
  // A second ahead: lines of this very second belong to it.
  const end = to === 'now' ? now + 1000 : (readTime(to, now) ?? now)
  const start = readTime(from, now) ?? end - 3_600_000
  return start < end ? { start, end } : { start: end - 1000, end }
}

export function rangeText(): string {
  const { from, to } = rangeNames.value
  const preset = to === 'now' ? PRESETS.find(([name]) => name === from) : undefined
  if (preset !== undefined) return preset[1]
  const { start, end } = rangeNow()
  const isLong = end - start > 86_400_000 || Date.now() - start > 86_400_000
  const hasSeconds = end - start < 300_000
  return `${clockText(start, hasSeconds, isLong)} – ${to === 'now' ? 'now' : clockText(end, hasSeconds, isLong)}`
}

export const timeParams = ({ start, end }: Range): { from: string; to: string } => ({
  from: new Date(Math.floor(start)).toISOString(),
  to: new Date(Math.ceil(end)).toISOString(),
})
