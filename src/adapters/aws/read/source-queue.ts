/** Plans the steps of a read: list, load some sources, or return a slice of time that is complete. */

import { GatewayError } from '../../../domain/errors.ts'
import type { ReadRequest } from '../../../ports/log-store.ts'
import type { NameRange } from '../../../protocol/archive/archive-names.ts'
import type { ArchiveSource, ListedHour, SourceRange } from './archive-sources.ts'

/** Load the sources in this order, then the recent items; or return the entries in [start, end) from the scratch store. */
export type ReadStep =
  | { readonly kind: 'load'; readonly sources: readonly ArchiveSource[]; readonly recent: boolean }
  | { readonly kind: 'slice'; readonly start: bigint; readonly end: bigint }

/** Lists sources in the order of a read. */
export interface SourceList {
  list(range: SourceRange, signal?: AbortSignal): AsyncGenerator<ListedHour, void, undefined>
}

export interface QueueSettings {
  /** True for sources that need not be loaded again. */
  readonly isLoaded: (source: ArchiveSource) => boolean
  /** The times that entries of recent items may have; undefined if they are not read. */
  readonly recent: NameRange | undefined
  /** Maximum compressed bytes to load. */
  readonly bytesMax: number
  readonly signal: AbortSignal | undefined
}

/** Sources loaded together: the bound on concurrent requests, and on small objects in memory. */
const GROUP_SOURCES_MAX = 16
const GROUP_BYTES_MAX = 32 * 1024 * 1024

/** Minimum size that an object counts for: requesting it takes as long as reading this much, and costs more. */
const OBJECT_BYTES_MIN = 8 * 1024

/** Lower than any place. */
const NOTHING_LISTED = -(2n ** 80n)

/** A source with its times as places: a lower place is needed earlier by the read. */
interface Placed {
  /** Undefined for the recent items, which are one source; they arrived after all entries that are only in the archive. */
  readonly source: ArchiveSource | undefined
  readonly first: bigint
}

export class SourceQueue {
  readonly #request: ReadRequest
  readonly #settings: QueueSettings
  readonly #isBackward: boolean
  readonly #listing: AsyncIterator<ListedHour, void>
  /** Listed sources that are not loaded, by place. */
  #pending: Placed[] = []
  /** Sources that are not listed yet start at this place or later; undefined if all are listed. */
  #bound: bigint | undefined = NOTHING_LISTED
  #loaded = { bytes: 0, objects: 0 }

  constructor(sources: SourceList, request: ReadRequest, settings: QueueSettings) {
    const { start, end, direction } = request
    this.#request = request
    this.#settings = settings
    this.#isBackward = direction === 'backward'
    this.#listing = sources.list({ oldest: start, newest: end - 1n, direction }, settings.signal)
    if (settings.recent !== undefined && this.#isNeeded(settings.recent)) {
      this.#pending.push({ source: undefined, first: this.#firstOf(settings.recent) })
    }
  }

  /**
   * For a read of the complete range: lists all of it, and rejects with query_refused before loading anything if it is too
   * much. A read that may end early is rejected only when it reaches the limit.
   */
  async checkWhole(): Promise<void> {
    if (this.#request.wants !== undefined && this.#request.readsAll !== true) return
    while (this.#bound !== undefined) {
      const sources = await this.#listMore()
      this.#count(sources.filter((source) => !this.#settings.isLoaded(source) && this.#isNeeded(source)))
    }
    // Nothing is loaded yet.
    this.#loaded = { bytes: 0, objects: 0 }
  }

  /** The steps until the range is done or the request needs nothing more. Rejects with query_refused. */
  async *steps(): AsyncGenerator<ReadStep, void, undefined> {
    const { start, end, wants } = this.#request
    let at = this.#placeOf(this.#isBackward ? end - 1n : start)
    const last = this.#placeOf(this.#isBackward ? start : end - 1n)
    while (at <= last) {
      this.#settings.signal?.throwIfAborted()
      const frontier = this.#frontier()
      if (frontier === undefined || frontier > at) {
        const to = frontier === undefined || frontier > last ? last : frontier - 1n
        yield { kind: 'slice', ...this.#rangeOf(at, to) }
        at = to + 1n
      } else if (wants !== undefined && !this.#isWanted(this.#rangeOf(at, last))) return
      else if (this.#isLoadNext()) {
        const group = this.#takeGroup()
        if (group.sources.length > 0 || group.recent) yield { kind: 'load', ...group }
      } else await this.#listMore()
    }
  }

  /** Everything before this place is complete. */
  #frontier(): bigint | undefined {
    const first = this.#pending[0]?.first
    if (first === undefined || this.#bound === undefined) return first ?? this.#bound
    return first < this.#bound ? first : this.#bound
  }

  #isLoadNext(): boolean {
    const first = this.#pending[0]?.first
    return first !== undefined && (this.#bound === undefined || first < this.#bound)
  }

  /** The next sources in the order of arrival, without loaded and unneeded ones. */
  #takeGroup(): { sources: ArchiveSource[]; recent: boolean } {
    const group: ArchiveSource[] = []
    let recent = false
    let bytes = 0
    let taken = 0
    for (const { source, first } of this.#pending) {
      if (this.#bound !== undefined && first >= this.#bound) break
      if (source === undefined) recent = this.#settings.recent !== undefined && this.#isNeeded(this.#settings.recent)
      else if (!this.#settings.isLoaded(source) && this.#isNeeded(source)) {
        const isFull = group.length >= GROUP_SOURCES_MAX || bytes + source.bytes > GROUP_BYTES_MAX
        if (isFull && group.length > 0) break
        group.push(source)
        bytes += source.bytes
      }
      taken++
    }
    this.#count(group)
    this.#pending = this.#pending.slice(taken)
    return { sources: group.sort(byArrival), recent }
  }

  /** Whether the request needs anything in these times. */
  #isNeeded({ oldest, newest }: NameRange): boolean {
    const { start, end } = this.#request
    const range = { start: oldest > start ? oldest : start, end: newest < end ? newest + 1n : end }
    return range.start < range.end && this.#isWanted(range)
  }

  #isWanted({ start, end }: { start: bigint; end: bigint }): boolean {
    return this.#request.wants?.(start, end - 1n) !== false
  }

  /** Lists the sources of one more hour and adds them to the pending ones. */
  async #listMore(): Promise<readonly ArchiveSource[]> {
    const { value: step } = await this.#listing.next()
    if (!step || step.bound === undefined) {
      this.#bound = undefined
      return []
    }
    this.#bound = this.#placeOf(step.bound)
    this.#addPending(step.sources.map((source) => ({ source, first: this.#firstOf(source) })))
    return step.sources
  }

  /** Hours arrive roughly in the order of places, so only the end of the pending list is sorted again. */
  #addPending(placed: Placed[]): void {
    if (placed.length === 0) return
    const least = placed.reduce((a, b) => (b.first < a.first ? b : a)).first
    let behind = this.#pending.length
    while (behind > 0 && (this.#pending[behind - 1] as Placed).first > least) behind--
    const end = [...this.#pending.splice(behind), ...placed].sort(byPlace)
    for (const each of end) this.#pending.push(each)
  }

  /** Counts the sources as loaded. Throws query_refused above the limit. */
  #count(sources: readonly ArchiveSource[]): void {
    for (const { bytes, isHeld } of sources) {
      this.#loaded.bytes += isHeld === true ? bytes : Math.max(bytes, OBJECT_BYTES_MIN)
      this.#loaded.objects++
    }
    const { bytesMax } = this.#settings
    const { bytes, objects } = this.#loaded
    if (bytes <= bytesMax) return
    const text = `the query would load at least ${bytes} bytes in ${objects} archive objects; the limit is ${bytesMax}`
    const advice = 'narrow its time range, raise MILLRACE_ARCHIVE_QUERY_BYTES_MAX, or use Athena'
    throw new GatewayError('query_refused', `${text}; ${advice}`)
  }

  #firstOf({ oldest, newest }: NameRange): bigint {
    return this.#placeOf(this.#isBackward ? newest : oldest)
  }

  #placeOf(ns: bigint): bigint {
    return this.#isBackward ? -ns : ns
  }

  /** Converts places, inclusive, to times [start, end). */
  #rangeOf(from: bigint, to: bigint): { start: bigint; end: bigint } {
    return this.#isBackward ? { start: -to, end: -from + 1n } : { start: from, end: to + 1n }
  }
}

function byPlace(a: Placed, b: Placed): number {
  return a.first < b.first ? -1 : a.first > b.first ? 1 : 0
}

/**
 * Orders by arrival, as far as it is known: for Firehose's objects by the start of the buffer, for late ones by the oldest entry; within a
 * second by name.
 */
function byArrival(a: ArchiveSource, b: ArchiveSource): number {
  const [first = '', second = ''] = [a.arrival, b.arrival]
  if (first !== second) return first < second ? -1 : 1
  return a.oldest < b.oldest ? -1 : a.oldest > b.oldest ? 1 : a.key < b.key ? -1 : 1
}
