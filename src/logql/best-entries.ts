/** Collects the entries of a result: the first `capacity` in the order of the result, without duplicates. */

import type { Metadata } from '../domain/entries/batch.ts'
import type { Labels } from '../domain/labels.ts'
import { type Slices, sortSlices } from '../kit/slices.ts'

/** Entries removed between two yields. */
const TAKEN_PER_SLICE = 500

export type Direction = 'forward' | 'backward'

/** The place of an entry in the order of all: by time, then stream, then arrival. */
export interface EntryPlace {
  readonly ns: bigint
  /** The key of the stored stream, before the query changes its labels. */
  readonly key: string
  readonly sequence: number
  readonly index: number
}

export interface FoundEntry extends EntryPlace {
  /** The stored line, to detect duplicates: the query may have changed the displayed one. */
  readonly storedLine: string
  readonly storedMetadata: Metadata
  readonly labels: Labels
  readonly line: string
  readonly metadata: Metadata
  readonly parsed: Metadata
}

/** Below zero if a comes before b in this direction; backward is the reverse of forward. */
export function comparePlaces(direction: Direction, a: EntryPlace, b: EntryPlace): number {
  const order = compareForward(a, b)
  return direction === 'forward' ? order : -order
}

function compareForward(a: EntryPlace, b: EntryPlace): number {
  if (a.ns !== b.ns) return a.ns < b.ns ? -1 : 1
  if (a.key !== b.key) return a.key < b.key ? -1 : 1
  return a.sequence === b.sequence ? a.index - b.index : a.sequence - b.sequence
}

/**
 * A heap. Its root is the last entry of the result, which is dropped first; or, for entries that are taken in order, the
 * first entry.
 */
export class BestEntries {
  readonly #direction: Direction
  readonly #capacity: number
  readonly #root: 'first' | 'last'
  readonly #heap: FoundEntry[] = []
  /** For finding duplicates: by time, then by the stored line. */
  readonly #byTime = new Map<bigint, Map<string, FoundEntry[]>>()
  /** UTF-16 units of the lines in memory. */
  #chars = 0

  constructor(direction: Direction, capacity: number, root: 'first' | 'last' = 'last') {
    this.#direction = direction
    this.#capacity = capacity
    this.#root = root
  }

  get size(): number {
    return this.#heap.length
  }

  get chars(): number {
    return this.#chars
  }

  /** The last entry of the current result, if it is full. */
  get last(): EntryPlace | undefined {
    return this.#root === 'first' || this.#heap.length < this.#capacity ? undefined : this.#heap[0]
  }

  /** Whether an entry at this place would be kept, unless it is a duplicate. */
  wants(place: EntryPlace): boolean {
    const { last } = this
    return last === undefined || comparePlaces(this.#direction, place, last) < 0
  }

  add(entry: FoundEntry): void {
    if (!this.wants(entry)) return
    const twin = this.#byTime
      .get(entry.ns)
      ?.get(entry.storedLine)
      ?.find((other) => isSame(other, entry))
    if (twin !== undefined) {
      // Of duplicates the better placed one counts, so that the order of blocks does not matter.
      if (comparePlaces(this.#direction, entry, twin) < 0) this.#replace(twin, entry)
      return
    }
    if (this.#root === 'last' && this.#heap.length >= this.#capacity) this.#dropRoot()
    this.#remember(entry)
    this.#heap.push(entry)
    this.#siftUp(this.#heap.length - 1)
  }

  /** All entries in the order of the result. */
  sorted(): Slices<FoundEntry[]> {
    return sortSlices(this.#heap, (a, b) => comparePlaces(this.#direction, a, b))
  }

  /** Removes and returns the entries before `ns`, in order; the root must be the first entry. */
  *takeBefore(ns: bigint): Slices<FoundEntry[]> {
    const taken: FoundEntry[] = []
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (taken.length % TAKEN_PER_SLICE === TAKEN_PER_SLICE - 1) yield
      if (this.#direction === 'forward' ? first.ns >= ns : first.ns <= ns) break
      taken.push(first)
      this.#dropRoot()
    }
    return taken
  }

  #replace(twin: FoundEntry, entry: FoundEntry): void {
    this.#forget(twin)
    this.#remember(entry)
    const at = this.#heap.indexOf(twin)
    this.#heap[at] = entry
    this.#siftDown(at)
    this.#siftUp(at)
  }

  #dropRoot(): void {
    this.#forget(this.#heap[0] as FoundEntry)
    const moved = this.#heap.pop() as FoundEntry
    if (this.#heap.length === 0) return
    this.#heap[0] = moved
    this.#siftDown(0)
  }

  #remember(entry: FoundEntry): void {
    this.#chars += entry.line.length
    const sameTime = this.#byTime.get(entry.ns) ?? new Map<string, FoundEntry[]>()
    this.#byTime.set(entry.ns, sameTime)
    const sameLine = sameTime.get(entry.storedLine)
    if (sameLine === undefined) sameTime.set(entry.storedLine, [entry])
    else sameLine.push(entry)
  }

  #forget(entry: FoundEntry): void {
    this.#chars -= entry.line.length
    const sameTime = this.#byTime.get(entry.ns) as Map<string, FoundEntry[]>
    const sameLine = sameTime.get(entry.storedLine) as FoundEntry[]
    sameLine.splice(sameLine.indexOf(entry), 1)
    if (sameLine.length === 0) sameTime.delete(entry.storedLine)
    if (sameTime.size === 0) this.#byTime.delete(entry.ns)
  }

  /** True if the entry at i belongs nearer to the root than the one at j. */
  #isNearer(i: number, j: number): boolean {
    const order = comparePlaces(this.#direction, this.#heap[i] as FoundEntry, this.#heap[j] as FoundEntry)
    return this.#root === 'last' ? order > 0 : order < 0
  }

  #siftUp(from: number): void {
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!this.#isNearer(i, parent)) return
      this.#swap(i, parent)
      i = parent
    }
  }

  #siftDown(from: number): void {
    const count = this.#heap.length
    for (let i = from; ; ) {
      let nearest = i
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < count && this.#isNearer(child, nearest)) nearest = child
      if (nearest === i) return
      this.#swap(i, nearest)
      i = nearest
    }
  }

  #swap(i: number, j: number): void {
    const entry = this.#heap[i] as FoundEntry
    this.#heap[i] = this.#heap[j] as FoundEntry
    this.#heap[j] = entry
  }
}

/** A key of time and line. */
function isSame(a: FoundEntry, b: FoundEntry): boolean {
  return (
    a.key === b.key &&
    a.storedMetadata.length === b.storedMetadata.length &&
    a.storedMetadata.every(([name, value], i) => {
      const other = b.storedMetadata[i]
      return other !== undefined && other[0] === name && other[1] === value
    })
  )
}
