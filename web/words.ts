/** Numbers, sizes and times in words. */

import { isUtc } from './settings.ts'

const whole = new Intl.NumberFormat('en')

export const countText = (count: number): string => whole.format(count)

/** `3,604`, `41.2 k`, `1.31 M` */
export function shortText(count: number): string {
  if (count < 10_000) return countText(Math.round(count * 100) / 100)
  if (count < 1e6) return `${(count / 1e3).toFixed(count < 1e5 ? 1 : 0)} k`
  if (count < 1e9) return `${(count / 1e6).toFixed(2)} M`
  return `${(count / 1e9).toFixed(2)} G`
}

export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let at = 0
  let size = bytes
  for (; size >= 1000 && at < units.length - 1; at++) size /= 1000
  return `${size >= 100 || at === 0 ? Math.round(size) : size.toFixed(1)} ${units[at]}`
}

export const plural = (count: number, word: string): string => `${countText(count)} ${word}${count === 1 ? '' : 's'}`

/** `12 s`, `3 h 10 min`, `2 d` */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d`
}

export function agoText(ms: number, now: number): string {
  return now - ms < 5000 ? 'now' : `${spanText(now - ms)} ago`
}

const two = (value: number): string => String(value).padStart(2, '0')

/** The parts of a time in the zone that is shown. */
function partsOf(ms: number): { day: string; time: string; millis: string } {
  const date = new Date(isUtc.value ? ms : ms - new Date(ms).getTimezoneOffset() * 60_000)
  if (Number.isNaN(date.getTime())) return { day: '?', time: '?', millis: '000' }
  const text = date.toISOString()
  const at = text.indexOf('T')
  return { day: text.slice(0, at), time: text.slice(at + 1, at + 9), millis: text.slice(-4, -1) }
}

/** `13:46:02.871`; with its day where that is not today. */
export function timeText(ms: number, now = Date.now()): string {
  const { day, time, millis } = partsOf(ms)
  return `${day === partsOf(now).day ? '' : `${day.slice(5)} `}${time}.${millis}`
}

/** `13:46`, or `13:46:02` where seconds matter; with the day where the range has several. */
export function clockText(ms: number, hasSeconds = false, hasDay = false): string {
  const { day, time } = partsOf(ms)
  return `${hasDay ? `${day.slice(5)} ` : ''}${hasSeconds ? time : time.slice(0, 5)}`
}

/** `2026-11-29 13:46:02.871512003 UTC` */
export function fullTime(ns: string): string {
  const { day, time } = partsOf(Number(ns.slice(0, -6)))
  return `${day} ${time}.${ns.slice(-9).padStart(9, '0')} ${zoneText()}`
}

export function zoneText(): string {
  if (isUtc.value) return 'UTC'
  const minutes = -new Date().getTimezoneOffset()
  if (minutes === 0) return 'UTC+0'
  const rest = Math.abs(minutes) % 60
  return `UTC${minutes < 0 ? '−' : '+'}${Math.floor(Math.abs(minutes) / 60)}${rest === 0 ? '' : `:${two(rest)}`}`
}

/** For an input of type datetime-local, in the zone that is shown. */
export function inputText(ms: number): string {
  const { day, time } = partsOf(ms)
  return `${day}T${time}`
}

/** Of such an input; NaN where it holds no time. */
export function readInput(text: string): number {
  return new Date(isUtc.value ? `${text}Z` : text).getTime()
}
