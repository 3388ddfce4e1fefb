/** Lists the archive objects in the order of a read, only as far as needed. */

import type { Batch } from '../../../domain/entries/batch.ts'
import { NS_MAX, NS_MIN, NS_PER_MS } from '../../../domain/time.ts'
import {
  AHEAD_MS_MAX,
  type FirehoseTiming,
  hourFolder,
  hourOfNs,
  type NameRange,
  rangeOfName,
  SKEW_MS,
} from '../../../protocol/archive/archive-names.ts'
import type { ArchiveBucket, StoredObject } from '../archive-bucket.ts'
import type { Damage } from './object-loader.ts'

/** An object that may have entries of the range, between `oldest` and `newest`. */
export interface ArchiveSource extends StoredObject, NameRange {
  /** Loads the entries; without it the object is gzip of archive lines. */
  readonly load?: LoadEntries
  /** Sorts by arrival; without it the oldest entry does, before all that have one. */
  readonly arrival?: string
  /** Its bytes are in memory already. */
  readonly isHeld?: boolean
}

/**
 * Passes batches to `append`, which may use each until it resolves, and resolves with the damage of the source, if any. Rejects with
 * store_unavailable, overloaded, or the signal's reason.
 */
export type LoadEntries = (append: (batch: Batch) => Promise<void>, signal: AbortSignal) => Promise<Damage | undefined>

/** The part of the archive that a read needs. */
export interface SourceRange {
  /** Times of entries, inclusive. */
  readonly oldest: bigint
  readonly newest: bigint
  readonly direction: 'forward' | 'backward'
}

/** The result of a listing step, and a bound on the remaining steps. */
export interface ListedHour {
  readonly sources: readonly ArchiveSource[]
  /**
   * Forward: entries of sources not listed yet have this time or later; backward: this time or earlier. Undefined after
   * the last step.
   */
  readonly bound: bigint | undefined
}

const HOUR_MS = 3600_000
const HOUR_NS = BigInt(HOUR_MS) * NS_PER_MS
/** Ranges up to this many hours are listed hour by hour; in longer ones, missing folders are skipped. */
const HOURS_LISTED_BLINDLY = 48
/** Maximum number of concurrent listings: a listing made ahead may be wasted. */
const AHEAD_HOURS_MAX = 8

export class ArchiveSources {
  readonly #bucket: Pick<ArchiveBucket, 'list'>
  readonly #prefix: string
  readonly #timing: FirehoseTiming
  /** How far before and after an entry's time its Firehose buffer may have started. */
  readonly #before: bigint
  readonly #after: bigint

  constructor(bucket: Pick<ArchiveBucket, 'list'>, prefix: string, timing: FirehoseTiming) {
    this.#bucket = bucket
    this.#prefix = prefix
    this.#timing = timing
    const buffer = BigInt(timing.bufferMsMax) * NS_PER_MS
    // Folder and name come from two readings of Firehose's clock, so the buffer length counts twice.
    this.#before = BigInt(AHEAD_MS_MAX + SKEW_MS) * NS_PER_MS + 2n * buffer
    this.#after = BigInt(timing.lateAfterMs + SKEW_MS) * NS_PER_MS + buffer
  }

  /**
   * The sources of the range, one hour's folder at a time, ascending for `forward` and descending for `backward`. Lists
   * only as far as it is iterated, and a few hours ahead. Rejects like the bucket.
   */
  async *list(range: SourceRange, signal?: AbortSignal): AsyncGenerator<ListedHour, void, undefined> {
    const hours = this.#hours(range, signal)
    for await (const { hour, objects } of this.#listAhead(hours, signal)) {
      const sources: ArchiveSource[] = []
      for (const object of objects) {
        const times = rangeOfName(object.key, this.#timing)
        if (times === undefined || times.newest < range.oldest || times.oldest > range.newest) continue
        sources.push({ ...object, ...times })
      }
      yield { sources, bound: this.#boundBehind(hour, range.direction) }
    }
    yield { sources: [], bound: undefined }
  }

  /** Bound on the entries in the folders after `hour`: those of their own hours, or those that Firehose received then. */
  #boundBehind(hour: number, direction: SourceRange['direction']): bigint {
    return direction === 'forward'
      ? BigInt(hour + 1) * HOUR_NS - this.#after
      : BigInt(hour) * HOUR_NS - 1n + this.#before
  }

  /** The hours whose folders may contain entries of the range; in a long range only existing ones. */
  async *#hours(range: SourceRange, signal: AbortSignal | undefined): AsyncGenerator<number, void, undefined> {
    const first = Math.max(hourOfNs(range.oldest - this.#before), hourOfNs(NS_MIN))
    const last = Math.min(hourOfNs(range.newest + this.#after), hourOfNs(NS_MAX))
    if (last - first < HOURS_LISTED_BLINDLY) {
      for (let i = 0; i <= last - first; i++) yield range.direction === 'forward' ? first + i : last - i
      return
    }
    yield* this.#existingHours({ folder: '', depth: 0, bounds: { first, last }, direction: range.direction }, signal)
  }

  /** Descends through years, months, days and hours, listing each on demand. */
  async *#existingHours(walk: Walk, signal: AbortSignal | undefined): AsyncGenerator<number, void, undefined> {
    const { folder, depth, bounds, direction } = walk
    const names = await this.#folderNames(folder, depth, signal)
    if (direction === 'backward') names.reverse()
    for (const name of names) {
      const path = `${folder}${name}/`
      const [first, last] = [bounds.first, bounds.last].map((hour) => folderOfHour(hour).slice(0, path.length))
      if (path < (first as string) || path > (last as string)) continue
      if (depth < FOLDER_NAMES.length - 1)
        yield* this.#existingHours({ ...walk, folder: path, depth: depth + 1 }, signal)
      else {
        const hour = hourOfFolder(path)
        if (hour !== undefined) yield hour
      }
    }
  }

  async #folderNames(folder: string, depth: number, signal: AbortSignal | undefined): Promise<string[]> {
    const prefix = `${this.#prefix}${folder}`
    const names: string[] = []
    for await (const { folders } of this.#bucket.list({ prefix, delimiter: '/' }, signal)) {
      for (const path of folders) names.push(path.slice(prefix.length, -1))
    }
    return names.filter((name) => FOLDER_NAMES[depth]?.test(name))
  }

  /** Listings in the order of the hours, some of them concurrent. */
  async *#listAhead(
    hours: AsyncGenerator<number, void, undefined>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<HourObjects, void, undefined> {
    const listings: Promise<HourObjects>[] = []
    // An entry may be in any of about three hours; a read of many hours increases this as it continues.
    let ahead = 3
    for (let isDone = false; ; ) {
      while (!isDone && listings.length < ahead) {
        const { value: hour, done } = await hours.next()
        isDone = done === true
        if (hour === undefined) continue
        const listing = this.#listHour(hour, signal)
        // Awaited later, in order; avoids an unhandled rejection.
        listing.catch(() => undefined)
        listings.push(listing)
      }
      const next = listings.shift()
      if (next === undefined) return
      yield await next
      ahead = Math.min(ahead * 2, AHEAD_HOURS_MAX)
    }
  }

  async #listHour(hour: number, signal: AbortSignal | undefined): Promise<HourObjects> {
    const objects: StoredObject[] = []
    const prefix = `${this.#prefix}${folderOfHour(hour)}`
    for await (const page of this.#bucket.list({ prefix }, signal)) objects.push(...page.objects)
    return { hour, objects }
  }
}

interface HourObjects {
  readonly hour: number
  readonly objects: readonly StoredObject[]
}

interface Walk {
  /** The folder to list, such as `2026/11/`. */
  readonly folder: string
  /** 0 for the folder of years. */
  readonly depth: number
  /** Hours since the epoch, inclusive. */
  readonly bounds: { readonly first: number; readonly last: number }
  readonly direction: SourceRange['direction']
}

/** Years, months, days and hours. */
const FOLDER_NAMES = [/^\d{4}$/, /^\d\d$/, /^\d\d$/, /^\d\d$/]

function folderOfHour(hour: number): string {
  return hourFolder(hour * HOUR_MS)
}

/** Undefined for a folder that is not a valid time, such as the 31st of February. */
function hourOfFolder(path: string): number | undefined {
  const [year, month, day, hour] = path.split('/')
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`)
  return Number.isNaN(ms) || hourFolder(ms) !== path ? undefined : ms / HOUR_MS
}
