/** Names of archive objects: their hour, and the time range of their entries. */

import { hash } from 'node:crypto'
import { msToNs, NS_PER_MS } from '../../domain/time.ts'

/** Times of entries, inclusive. */
export interface NameRange {
  readonly oldest: bigint
  readonly newest: bigint
}

/** `late`: entries with times far from their arrival, written by the gateway; `queue`: written by the queue worker. */
export type ObjectKind = 'late' | 'queue'

/** Settings of Firehose's delivery, which determine the times of its objects. */
export interface FirehoseTiming {
  /** Entries older than this on arrival are never sent to Firehose. */
  readonly lateAfterMs: number
  /** Firehose's maximum buffer interval. See BufferingHints in its API reference. */
  readonly bufferMsMax: number
}

/**
 * Entries further in the future than this are never sent to Firehose, whatever the limits of their tenant: with a limit of
 * a year every read would have to check the objects of a year.
 */
export const AHEAD_MS_MAX = 600_000
/**
 * Maximum difference between readings of the clocks of two machines: clock skew, and retries between the two readings.
 */
export const SKEW_MS = 120_000
const HOUR_MS = 3600_000

/** The times of entries that are archived by arrival; others are written under their own hour immediately. */
export function freshRange(arrivedMs: number, lateAfterMs: number): NameRange {
  return { oldest: msToNs(arrivedMs - lateAfterMs), newest: msToNs(arrivedMs + AHEAD_MS_MAX) }
}

/** The folder of an hour, `2026/11/21/10/`, in UTC: of arrival for Firehose's objects, of the entries for ours. */
export function hourFolder(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 13).replace(/[-T]/g, '/')}/`
}

/** The hour of a time, in hours since the epoch. */
export function hourOfNs(ns: bigint): number {
  // A bigint division rounds towards zero; times before 1970 need the hour below.
  return Math.floor(Number(ns / NS_PER_MS - (ns < 0n && ns % NS_PER_MS !== 0n ? 1n : 0n)) / HOUR_MS)
}

/** The content hash in names of objects and messages: 32 hexadecimal digits. */
export function contentHash(content: Uint8Array): string {
  return hash('sha256', content, 'hex').slice(0, 32)
}

/**
 * The key of an object whose entries are all in one hour: `<prefix>2026/11/21/10/late_<oldest>_<newest>_<hash>.gz`, with
 * times as signed decimal nanoseconds. The same content has the same key, so that writing it again changes nothing.
 */
export function objectKey(prefix: string, kind: ObjectKind, range: NameRange, content: string): string {
  const folder = hourFolder(hourOfNs(range.oldest) * HOUR_MS)
  return `${prefix}${folder}${kind}_${range.oldest}_${range.newest}_${content}.gz`
}

const OWN_NAME = /(?:^|\/)(?:late|queue)_(-?\d{1,19})_(-?\d{1,19})_[0-9a-f]{32}\.gz$/
/** `<stream>-<version>-YYYY-MM-DD-HH-MM-SS-<uuid>`, with the suffix of its compression, if any. */
const FIREHOSE_NAME = /-(\d{4})-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[^/]*$/

/**
 * The times that entries of the object may have: exact for our own objects; for Firehose's objects, whose name has the start
 * of the buffer, the times that could have arrived while the buffer was open. Undefined for any other name.
 *
 * See "Amazon S3 object name format" in the Firehose developer guide.
 */
export function rangeOfName(key: string, timing: FirehoseTiming): NameRange | undefined {
  const own = OWN_NAME.exec(key)
  if (own !== null) {
    const [oldest, newest] = [BigInt(own[1] as string), BigInt(own[2] as string)]
    return oldest <= newest ? { oldest, newest } : undefined
  }
  const match = FIREHOSE_NAME.exec(key)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match
  const beginMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(beginMs)) return undefined
  return {
    oldest: msToNs(beginMs - timing.lateAfterMs - SKEW_MS),
    newest: msToNs(beginMs + timing.bufferMsMax + AHEAD_MS_MAX + SKEW_MS),
  }
}
