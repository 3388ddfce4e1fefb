/** What a tail has shown: where it resumes after a broken connection, and what it must not show again. */

import type { ShownEntry } from '../client-answer.ts'
import { keyOf } from './query-pages.ts'

export interface TailMemoryParts {
  /** Start of the time range. */
  readonly startNs: bigint
  /** Number of initial lines; lines older than these never count as missed. */
  readonly limit: number
  readonly nowNs: () => bigint
  readonly show: (entry: ShownEntry) => void
}

/** Lines may arrive late: this much time before the newest line is fetched again. */
const OVERLAP_NS = 30_000_000_000n
/** Remembered lines. If more arrive within the overlap, some may be shown twice after a broken connection. */
const SEEN_MAX = 50_000

export class TailMemory {
  readonly #parts: TailMemoryParts
  /** In order of arrival. */
  readonly #seen = new Set<string>()
  #count = 0
  #oldestNs: bigint | undefined
  #newestNs: bigint | undefined
  #floorNs: bigint

  constructor(parts: TailMemoryParts) {
    this.#parts = parts
    this.#floorNs = parts.startNs
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Lines from here on may have been missed. */
  get resumeNs(): bigint {
    const again = this.#newestNs === undefined ? this.#floorNs : this.#newestNs - OVERLAP_NS
    return again > this.#floorNs ? again : this.#floorNs
  }

  /** Shows the entries that were not shown yet, in order. */
  take(entries: readonly ShownEntry[]): void {
    for (const entry of entries) {
      const key = `${entry.ns} ${keyOf(entry)}`
      if (entry.ns < this.#floorNs || this.#seen.has(key)) continue
      this.#remember(key, entry.ns)
      this.#parts.show(entry)
    }
  }

  #remember(key: string, ns: bigint): void {
    this.#seen.add(key)
    if (this.#seen.size > SEEN_MAX) {
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest)
        break
      }
    }
    if (this.#oldestNs === undefined || ns < this.#oldestNs) this.#oldestNs = ns
    if (++this.#count === this.#parts.limit) this.#floorNs = this.#oldestNs
    // A line from the future must not move the resume point past lines that are still to come.
    const nowNs = this.#parts.nowNs()
    const reached = ns < nowNs ? ns : nowNs
    if (this.#newestNs === undefined || reached > this.#newestNs) this.#newestNs = reached
  }
}
