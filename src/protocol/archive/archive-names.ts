/** Names of the archive's objects: the hour they lie under, and which times a name promises. */

import { hash } from 'node:crypto'
import { msToNs, NS_PER_MS } from '../../domain/time.ts'

/** Times of entries, both ends included. */
export interface NameRange {
  readonly oldest: bigint
  readonly newest: bigint
}

/** `late`: entries that do not suit the time of their arrival, written by the gateway; `queue`: written by the queue's worker. */
export type ObjectKind = 'late' | 'queue'

/** What is known of how Firehose delivers, to tell the times of its objects. */
export interface FirehoseTiming {
  /** Entries older than this at their arrival never go to Firehose. */
  readonly lateAfterMs: number
  /** The longest that Firehose may hold a buffer. See BufferingHints in its API reference. */
  readonly bufferMsMax: number
}

/**
 * Entries further ahead of the clock than this never go to Firehose, whatever the limits of their tenant: a limit of a
 * year would have every read look into the objects of a year.
 */
export const AHEAD_MS_MAX = 600_000
/**
 * How much two machines' looks at their clocks may differ: by the clocks themselves, and by what was tried again between
 * the one look and the other.
 */
export const SKEW_MS = 120_000
const HOUR_MS = 3600_000

/** The times of entries that are kept by the time they arrive; all others lie under their own hour at once. */
export function freshRange(arrivedMs: number, lateAfterMs: number): NameRange {
  return { oldest: msToNs(arrivedMs - lateAfterMs), newest: msToNs(arrivedMs + AHEAD_MS_MAX) }
}

/** The folder of an hour, `2026/11/21/10/`, in UTC: of arrival for Firehose's objects, of the entries for ours. */
export function hourFolder(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 13).replace(/[-T]/g, '/')}/`
}

/** The hour, in hours since the epoch, that a time lies in. */
export function hourOfNs(ns: bigint): number {
  // A bigint division rounds towards zero; times before 1970 belong to the hour below.
  return Math.floor(Number(ns / NS_PER_MS - (ns < 0n && ns % NS_PER_MS !== 0n ? 1n : 0n)) / HOUR_MS)
}

/** What makes an object's or a message's name follow from its content: 32 hexadecimal digits. */
export function contentHash(content: Uint8Array): string {
  return hash('sha256', content, 'hex').slice(0, 32)
}

/**
 * The key of an object whose entries all lie in one hour:
 * `<prefix>2026/11/21/10/late_<oldest>_<newest>_<hash>.gz`, times as signed decimal nanoseconds. The same content has
 * the same key, so that writing it again changes nothing.
 */
export function objectKey(prefix: string, kind: ObjectKind, range: NameRange, content: string): string {
  const folder = hourFolder(hourOfNs(range.oldest) * HOUR_MS)
  return `${prefix}${folder}${kind}_${range.oldest}_${range.newest}_${content}.gz`
}

const OWN_NAME = /(?:^|\/)(?:late|queue)_(-?\d{1,19})_(-?\d{1,19})_[0-9a-f]{32}\.gz$/
/** `<stream>-<version>-YYYY-MM-DD-HH-MM-SS-<uuid>`, with the ending that its compression brings, if any. */
const FIREHOSE_NAME = /-(\d{4})-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[^/]*$/

/**
 * The times that entries of the object may have: exact for our own objects; for Firehose's, whose name tells when its
 * buffer began, what could have arrived from then until the buffer was full. Undefined for any other name.
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
