/** Counts the error lines of pushes where incidents are kept elsewhere: a record of counts is written beside the push. */

import type { Batch } from '../../domain/entries/batch.ts'
import type { KeyedHash } from '../../domain/incidents/incident.ts'
import type { CountRecord } from '../../ports/incidents.ts'
import type { Clock, LogStore } from '../../ports/log-store.ts'
import { type LineRules, openCounter } from './open-counter.ts'

export interface PushCounterParts {
  readonly rules: LineRules
  readonly hash: KeyedHash
  /** Writes a record once; one whose delivery was recorded before is left out. Rejects when it is not sure. */
  readonly record: (record: CountRecord) => Promise<unknown>
  readonly clock: Clock
  /** Called when a record could not be written: it waits for the next push, unless it `isDropped`. Must not throw. */
  readonly onFailure: (cause: unknown, isDropped: boolean) => void
}

/** Records that wait for the next push, and lines of rows in them. */
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
   * Resolves when the counts of the batch are written, or wait in memory as they could not be: a push is not refused for
   * that. Never rejects. A batch that is sent again counts once, as its error lines name the record.
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

/** The store, whose appends are counted at the same time; an append resolves when its counts are written as well. */
export function countAppends(store: LogStore, counter: Pick<PushCounter, 'count'>): LogStore {
  return {
    append: async (batch, origin) => {
      const counting = counter.count(batch)
      try {
        return await store.append(batch, origin)
      } finally {
        // The batch's memory is used again once the append is over.
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
