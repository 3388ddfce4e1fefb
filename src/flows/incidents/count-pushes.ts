/**
 * Counts the error lines of pushes if another process handles incidents: a record of counts is written with each push.
 */

import type { Batch } from '../../domain/entries/batch.ts'
import type { KeyedHash } from '../../domain/incidents/incident.ts'
import type { CountRecord } from '../../ports/incidents.ts'
import type { Clock, LogStore } from '../../ports/log-store.ts'
import { type LineRules, openCounter } from './open-counter.ts'

export interface PushCounterParts {
  readonly rules: LineRules
  readonly hash: KeyedHash
  /** Writes a record once; skips it if its delivery was already recorded. Rejects if the result is unknown. */
  readonly record: (record: CountRecord) => Promise<unknown>
  readonly clock: Clock
  /**
   * Called if a record could not be written: it is retried with the next push, unless it `isDropped`. Must not throw.
   */
  readonly onFailure: (cause: unknown, isDropped: boolean) => void
}

/** Maximum number of records that wait for the next push, and of their audit rows. */
const WAITING_MAX = 100

export class PushCounter {
  readonly #parts: PushCounterParts
  readonly #opened: ReturnType<typeof openCounter>
  #waiting: CountRecord[] = []

  constructor(parts: PushCounterParts) {
    this.#parts = parts
    this.#opened = openCounter(parts.rules, parts.hash, parts.clock)
  }

  /**
   * Resolves when the counts of the batch are written, or are kept in memory because they could not be: that does not
   * fail the push. Never rejects. A retried batch is counted once, because the record's name is derived from its error
   * lines.
   */
  async count(batch: Batch): Promise<void> {
    const { counter, takeRows } = this.#opened
    counter.countBatch(batch)
    const { counts } = counter.take(this.#parts.clock.monotonicMs())
    const rows = takeRows()
    const waiting = this.#waiting
    this.#waiting = []
    if (counts.length > 0) waiting.push({ deliveryId: this.#nameOf(batch), counts, rows })
    await Promise.all(waiting.map((record) => this.#write(record)))
  }

  async #write(record: CountRecord): Promise<void> {
    try {
      await this.#parts.record(record)
    } catch (cause) {
      const isDropped = this.#waiting.length >= WAITING_MAX
      if (!isDropped) this.#waiting.push(record)
      this.#parts.onFailure(cause, isDropped)
    }
  }

  #nameOf(batch: Batch): string {
    const { levelMin } = this.#parts.rules
    const parts: (string | Uint8Array)[] = ['push', batch.tenant]
    for (let i = 0; i < batch.count; i++) {
      if ((batch.levels[i] as number) < levelMin) continue
      const { key } = batch.streams[batch.streamIndexes[i] as number] as Batch['streams'][number]
      parts.push(key, String(batch.timestamps.values[i]), batch.text.subarray(batch.starts[i], batch.ends[i]))
    }
    return this.#parts.hash(parts)
  }
}

/** The store with counting: each append is counted concurrently, and resolves when its counts are written too. */
export function countAppends(store: LogStore, counter: Pick<PushCounter, 'count'>): LogStore {
  return {
    append: async (batch, origin) => {
      const counting = counter.count(batch)
      try {
        return await store.append(batch, origin)
      } finally {
        // The batch's memory is reused after the append.
        await counting
      }
    },
    read: (request, signal) => store.read(request, signal),
    streams: (range, signal) => store.streams(range, signal),
    version: (range) => store.version(range),
    trouble: () => store.trouble(),
    figures: () => store.figures(),
    close: () => store.close(),
  }
}
