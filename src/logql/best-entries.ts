/** The entries of an answer while it is being found: the first `capacity` in the answer's order, none twice. */

import type { Metadata } from '../domain/entries/batch.ts'
import type { Labels } from '../domain/labels.ts'
import { type Slices, sortSlices } from '../kit/slices.ts'

/** Entries that are taken out between two yields. */
const TAKEN_PER_SLICE = 500

export type Direction = 'forward' | 'backward'

/** Where an entry stands among all: by time, then stream, then arrival. */
export interface EntryPlace {
  readonly ns: bigint
  /** The stream's own key, whatever a query made of its labels. */
  readonly key: string
  readonly sequence: number
  readonly index: number
}

export interface FoundEntry extends EntryPlace {
  /** As stored, to tell duplicates: the query may have changed what it shows. */
  readonly storedLine: string
  readonly storedMetadata: Metadata
  readonly labels: Labels
  readonly line: string
  readonly metadata: Metadata
  readonly parsed: Metadata
}

/** Below zero when a comes before b in an answer of this direction; backward is forward reversed. */
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
 * A heap. Its root is the answer's last entry, which is given up first when there are too many; or, for entries that
 * wait to be taken in their order, the answer's first.
 */
export class BestEntries {
  readonly #direction: Direction
  readonly #capacity: number
  readonly #root: 'first' | 'last'
  readonly #heap: FoundEntry[] = []
  /** To find twins: by time, then by the stored line. */
  readonly #byTime = new Map<bigint, Map<string, FoundEntry[]>>()
  /** UTF-16 units of the lines held. */
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

  /** The last entry of the answer as it is now, once it is full. */
  get last(): EntryPlace | undefined {
    return this.#root === 'first' || this.#heap.length < this.#capacity ? undefined : this.#heap[0]
  }

  /** Whether an entry at this place would be kept, if it is not there already. */
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
      // Of twins the better placed one counts, so that the order in which blocks come does not matter.
      if (comparePlaces(this.#direction, entry, twin) < 0) this.#replace(twin, entry)
      return
    }
    if (this.#root === 'last' && this.#heap.length >= this.#capacity) this.#dropRoot()
    this.#remember(entry)
    this.#heap.push(entry)
    this.#siftUp(this.#heap.length - 1)
  }

  /** All entries in the answer's order. */
  sorted(): Slices<FoundEntry[]> {
    return sortSlices(this.#heap, (a, b) => comparePlaces(this.#direction, a, b))
  }

  /** Takes out the entries that stand before `ns`, in the answer's order; the root must be the first. */
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

  /** True when the entry at i belongs nearer to the root than the one at j. */
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

/** For entries of one time and line. */
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
