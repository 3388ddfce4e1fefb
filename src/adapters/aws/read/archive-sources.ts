/** The archive's objects in the order that a read wants them, listed no further than it goes. */

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

/** An object that may have entries of the range, between `oldest` and `newest`. */
export interface ArchiveSource extends StoredObject, NameRange {}

/** The part of the archive that a read may need. */
export interface SourceRange {
  /** Times of entries, both included. */
  readonly oldest: bigint
  readonly newest: bigint
  readonly direction: 'forward' | 'backward'
}

/** What a step of the listing brought, and what the steps to come cannot bring any more. */
export interface ListedHour {
  readonly sources: readonly ArchiveSource[]
  /**
   * Forward: entries of sources not listed yet are at this time or later; backward: at this time or earlier. Undefined
   * after the last step.
   */
  readonly bound: bigint | undefined
}

const HOUR_MS = 3600_000
const HOUR_NS = BigInt(HOUR_MS) * NS_PER_MS
/** Ranges of as many hours are listed hour by hour; in longer ones, folders that do not exist are passed over. */
const HOURS_LISTED_BLINDLY = 48
/** Hours whose listings are under way at once, at most: one that is asked for early may be asked for in vain. */
const AHEAD_HOURS_MAX = 8

export class ArchiveSources {
  readonly #bucket: Pick<ArchiveBucket, 'list'>
  readonly #prefix: string
  readonly #timing: FirehoseTiming
  /** How far before and after an entry's own time the buffer that it is in may have begun. */
  readonly #before: bigint
  readonly #after: bigint

  constructor(bucket: Pick<ArchiveBucket, 'list'>, prefix: string, timing: FirehoseTiming) {
    this.#bucket = bucket
    this.#prefix = prefix
    this.#timing = timing
    const buffer = BigInt(timing.bufferMsMax) * NS_PER_MS
    // Folder and name are made from two readings of Firehose's clock, so a buffer's length is allowed for once more.
    this.#before = BigInt(AHEAD_MS_MAX + SKEW_MS) * NS_PER_MS + 2n * buffer
    this.#after = BigInt(timing.lateAfterMs + SKEW_MS) * NS_PER_MS + buffer
  }

  /**
   * The sources of the range, an hour's folder at a time, by rising hours for `forward`, by falling ones for
   * `backward`. Lists only as far as it is asked to, and a few hours ahead. Rejects as the bucket does.
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

  /** What the folders behind `hour` can hold: entries of their own hours, or what Firehose was given in them. */
  #boundBehind(hour: number, direction: SourceRange['direction']): bigint {
    return direction === 'forward'
      ? BigInt(hour + 1) * HOUR_NS - this.#after
      : BigInt(hour) * HOUR_NS - 1n + this.#before
  }

  /** Hours whose folders may hold entries of the range and, where the range is long, exist. */
  async *#hours(range: SourceRange, signal: AbortSignal | undefined): AsyncGenerator<number, void, undefined> {
    const first = Math.max(hourOfNs(range.oldest - this.#before), hourOfNs(NS_MIN))
    const last = Math.min(hourOfNs(range.newest + this.#after), hourOfNs(NS_MAX))
    if (last - first < HOURS_LISTED_BLINDLY) {
      for (let i = 0; i <= last - first; i++) yield range.direction === 'forward' ? first + i : last - i
      return
    }
    yield* this.#existingHours({ folder: '', depth: 0, bounds: { first, last }, direction: range.direction }, signal)
  }

  /** Goes down through years, months, days and hours, each listed when the one before it was used up. */
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

  /** Listings in the order of the hours, some side by side. */
  async *#listAhead(
    hours: AsyncGenerator<number, void, undefined>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<HourObjects, void, undefined> {
    const listings: Promise<HourObjects>[] = []
    // An entry may lie under any of about three hours; who wants many hours finds out by going on.
    let ahead = 3
    for (let isDone = false; ; ) {
      while (!isDone && listings.length < ahead) {
        const { value: hour, done } = await hours.next()
        isDone = done === true
        if (hour === undefined) continue
        const listing = this.#listHour(hour, signal)
        // It is looked at when its turn comes; until then its failure is nobody's.
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
  /** The folder that is looked into, such as `2026/11/`. */
  readonly folder: string
  /** 0 for the folder of years. */
  readonly depth: number
  /** Hours since the epoch, both included. */
  readonly bounds: { readonly first: number; readonly last: number }
  readonly direction: SourceRange['direction']
}

/** Years, months, days and hours. */
const FOLDER_NAMES = [/^\d{4}$/, /^\d\d$/, /^\d\d$/, /^\d\d$/]

function folderOfHour(hour: number): string {
  return hourFolder(hour * HOUR_MS)
}

/** Undefined for a folder that is no time, such as the 31st of February. */
function hourOfFolder(path: string): number | undefined {
  const [year, month, day, hour] = path.split('/')
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`)
  return Number.isNaN(ms) || hourFolder(ms) !== path ? undefined : ms / HOUR_MS
}
