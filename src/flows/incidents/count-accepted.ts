/** Counts the error lines of blocks as they are committed, each exactly once even if the process is killed. */

import type { KeyedHash } from '../../domain/incidents/incident.ts'
import { CircuitBreaker } from '../../kit/circuit-breaker.ts'
import { COUNTED_BLOCKS, type CommittedBlock, type CommittedBlocks, type IncidentStore } from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'
import { type LineRules, type OpenedCounter, openCounter } from './open-counter.ts'
import type { IncidentDesk } from './raise-incidents.ts'

export interface AcceptedParts {
  readonly rules: LineRules
  readonly hash: KeyedHash
  readonly desk: Pick<IncidentDesk, 'record'>
  /** Stores the position. */
  readonly store: Pick<IncidentStore, 'readCursor'>
  readonly blocks: CommittedBlocks
  readonly clock: Clock
  /** Called when a round failed; the next one retries. Must not throw. */
  readonly onFailure: (cause: unknown) => void
}

/** Maximum size of audit rows in memory; further blocks are read back from the store. */
const ROW_BYTES_MAX = 8 * 1024 * 1024
/**
 * Lines of known kinds are written this late: in a storm, most of a round would be spent on rewriting their incidents.
 */
const KNOWN_MS = 10_000
/**
 * How often the position is written while there is nothing to count; after a crash, blocks of this time are read again.
 */
const POSITION_MS = 10_000

/**
 * Normally a block is counted when it is committed, and one transaction writes the counts with the position. After a
 * crash, and when rows do not fit into memory, blocks after the position are read from the store instead; live blocks
 * are skipped until that has caught up.
 */
export class AcceptedCounter {
  readonly #parts: AcceptedParts
  readonly #opened: OpenedCounter
  /** For the incident store: while it fails, rounds are further apart. */
  readonly #breaker: CircuitBreaker
  /** The stored text; undefined: there is none. */
  #cursor: string | undefined
  /** The position of the last block that is in the counts. */
  #counted = 0
  #isBehind = false
  #writtenMs = Number.NEGATIVE_INFINITY

  constructor(parts: AcceptedParts) {
    this.#parts = parts
    this.#breaker = new CircuitBreaker(parts.clock)
    this.#opened = openCounter(parts.rules, parts.hash, parts.clock)
  }

  /** Reads the stored position; from then on blocks are counted. Rejects with store_unavailable. */
  async begin(): Promise<void> {
    const { blocks, store } = this.#parts
    this.#cursor = await store.readCursor(COUNTED_BLOCKS)
    const last = blocks.last()
    const written = Number(this.#cursor ?? last)
    // A position after the newest block belongs to other data: a backup was restored.
    this.#counted = written > last ? last : written
    this.#isBehind = this.#counted < last
    blocks.keepAfter(this.#counted)
    blocks.listen((committed) => this.#count(committed))
    if (this.#cursor !== String(this.#counted)) await this.#write()
  }

  /** Writes the counts, or catches up. Calls must not overlap. Never rejects. */
  round(): Promise<void> {
    return this.#round(false)
  }

  /** The last round, which writes everything. Never rejects. */
  finish(): Promise<void> {
    return this.#round(true)
  }

  async #round(isLast: boolean): Promise<void> {
    const { onFailure } = this.#parts
    if (!this.#breaker.admits(0)) return
    try {
      if (this.#isBehind) await this.#catchUp()
      else if (isLast || this.#isDue()) await this.#write()
      this.#breaker.succeed()
    } catch (cause) {
      this.#breaker.fail()
      onFailure(cause)
    }
  }

  #isDue(): boolean {
    const { counter, rowBytes } = this.#opened
    if (counter.hasNew || rowBytes() > 0) return true
    const sinceMs = this.#parts.clock.monotonicMs() - this.#writtenMs
    if (!counter.isEmpty) return sinceMs >= KNOWN_MS
    return sinceMs >= POSITION_MS && this.#cursor !== String(this.#counted)
  }

  #count({ tenant, block, position }: CommittedBlock): void {
    if (this.#isBehind) return
    if (this.#opened.rowBytes() > ROW_BYTES_MAX) {
      this.#isBehind = true
      return
    }
    this.#opened.counter.countBlock(tenant, block)
    this.#counted = position
  }

  async #catchUp(): Promise<void> {
    const { blocks } = this.#parts
    const { counter, rowBytes } = this.#opened
    // First writes what is already counted, so that no block is counted both live and from the store.
    await this.#write()
    while (this.#counted < blocks.last()) {
      const last = blocks.last()
      let reached = this.#counted
      let isWhole = true
      for await (const { tenant, block, position } of blocks.since(this.#counted, (levels) => counter.wants(levels))) {
        isWhole = position === reached || rowBytes() <= ROW_BYTES_MAX
        if (!isWhole) break
        counter.countBlock(tenant, block)
        reached = position
      }
      // Unreadable blocks are skipped permanently.
      this.#counted = isWhole ? Math.max(reached, last) : reached
      await this.#write()
    }
    this.#isBehind = false
  }

  async #write(): Promise<void> {
    const { desk, clock, blocks } = this.#parts
    const counted = this.#counted
    const taken = this.#opened.counter.take(clock.monotonicMs())
    const rows = this.#opened.takeRows()
    const to = String(counted)
    try {
      const cursor = { name: COUNTED_BLOCKS, from: this.#cursor, to }
      await desk.record({ counts: taken.counts, cursor, rows })
    } catch (cause) {
      taken.putBack()
      this.#opened.putBackRows(rows)
      throw cause
    }
    this.#cursor = to
    this.#writtenMs = clock.monotonicMs()
    blocks.keepAfter(counted)
  }
}
