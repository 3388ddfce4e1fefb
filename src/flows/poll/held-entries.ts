/** Entries of a run that are read but not stored yet. */

import type { SourceCursor } from '../../domain/sources/source-cursor.ts'
import type { SourceEntry } from '../../domain/sources/source-entry.ts'
import type { SourcePage } from '../../ports/sources.ts'

/** Entries stored together: CloudWatch's limit per call. */
export const CHUNK_ENTRIES_MAX = 10_000
/** The same limit in UTF-16 units of their JSON. */
const CHUNK_UNITS_MAX = 4 * 1024 * 1024
/** A backward walk collects more before storing, because its entries must be put in order first. */
const BACKWARD_UNITS_MAX = 32 * 1024 * 1024

export class HeldEntries {
  #entries: SourceEntry[] = []
  readonly #ids = new Set<string>()
  #units = 0

  /** Adds the new entries of a page, without those known to the cursor or before its range. */
  add({ entries }: SourcePage, { ids, sweptMs }: SourceCursor): void {
    for (const entry of entries) {
      if (entry.timestampMs < sweptMs || ids.has(entry.id) || this.#ids.has(entry.id)) continue
      this.#ids.add(entry.id)
      this.#entries.push(entry)
      this.#units += entry.json.length
    }
  }

  /** Whether the entries should be stored now. */
  isFull(direction: SourcePage['direction']): boolean {
    if (direction === 'backward') return this.#units >= BACKWARD_UNITS_MAX
    return this.#entries.length >= CHUNK_ENTRIES_MAX || this.#units >= CHUNK_UNITS_MAX
  }

  /** Removes and returns the entries, oldest first. */
  take(): readonly SourceEntry[] {
    const entries = this.#entries.sort((a, b) => a.timestampMs - b.timestampMs)
    this.#entries = []
    this.#ids.clear()
    this.#units = 0
    return entries
  }
}
