/** What a tail has shown: where it goes on after a break, and what it must not show again. */

import type { ShownEntry } from '../client-answer.ts'
import { keyOf } from './query-pages.ts'

export interface TailMemoryParts {
  /** Where the past begins. */
  readonly startNs: bigint
  /** Lines of the past; older ones than these never count as missed. */
  readonly limit: number
  readonly nowNs: () => bigint
  readonly show: (entry: ShownEntry) => void
}

/** Lines come late: those of so long before the newest are asked for again. */
const OVERLAP_NS = 30_000_000_000n
/** Lines that are remembered. Where more come in the time of the overlap, a break may show some of them twice. */
const SEEN_MAX = 50_000

export class TailMemory {
  readonly #parts: TailMemoryParts
  /** In the order they came. */
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

  /** From where on lines may have been missed. */
  get resumeNs(): bigint {
    const again = this.#newestNs === undefined ? this.#floorNs : this.#newestNs - OVERLAP_NS
    return again > this.#floorNs ? again : this.#floorNs
  }

  /** Shows those that were not shown yet, in their order. */
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
    // A line from the future would hide what comes until then.
    const nowNs = this.#parts.nowNs()
    const reached = ns < nowNs ? ns : nowNs
    if (this.#newestNs === undefined || reached > this.#newestNs) this.#newestNs = reached
  }
}
