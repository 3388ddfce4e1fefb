/** Decides where each entry of a batch is written: with the fresh ones, or to an object of its own hour. */

import type { Batch } from '../../../domain/entries/batch.ts'
import { startOf } from '../../../domain/entries/block.ts'
import { type EntryOrder, orderEntries } from '../../../domain/entries/entry-order.ts'
import { GatewayError } from '../../../domain/errors.ts'
import { hourOfNs, type NameRange } from '../../../protocol/archive/archive-names.ts'

export interface AppendPlan {
  readonly batch: Batch
  /** The entries to write to the archive through Firehose or the queue, stream by stream, each by time. */
  readonly fresh: Uint32Array
  /** The same entries. */
  readonly freshOrder: EntryOrder
  /** Entries to write to the archive immediately, by the hour (since the epoch) of their times. */
  readonly direct: ReadonlyMap<number, Uint32Array>
  /** Number of entries equal to others of the batch. */
  readonly duplicates: number
}

/** Larger entries would not fit in a DynamoDB item; with the default limits no line is nearly as long. */
const ENTRY_BYTES_MAX = 300_000
/** Forty days: each of these hours costs an object and two items of the stream index, even for few entries. */
export const HOURS_MAX = 1000

/**
 * Entries outside `freshTimes`, and those larger than ENTRY_BYTES_MAX with their labels, are written directly. Of equal
 * entries the first counts. `leftOut` are not written. Throws body_too_large for direct entries of more than HOURS_MAX hours.
 */
export function planAppend(batch: Batch, leftOut: ReadonlySet<number>, freshTimes: NameRange): AppendPlan {
  const whole = planWhole(batch, leftOut)
  const { fresh: all, duplicates } = whole
  const { oldest, newest } = freshTimes
  const streamBytes = batch.streams.map(({ key }) => Buffer.byteLength(key))
  const isDirect = (entry: number): boolean => {
    const ns = batch.timestamps.values[entry] as bigint
    const bytes = entryBytes(batch, entry) + (streamBytes[batch.streamIndexes[entry] as number] as number)
    return ns < oldest || ns > newest || bytes > ENTRY_BYTES_MAX
  }
  const fresh = all.filter((entry) => !isDirect(entry))
  if (fresh.length === all.length) return whole
  const direct = byHour(batch, all.filter(isDirect))
  if (direct.size > HOURS_MAX) {
    const text = `the push has late lines of ${direct.size} different hours; the limit is ${HOURS_MAX}; send fewer hours at once`
    throw new GatewayError('body_too_large', text)
  }
  const freshOrder = orderEntries([batch], (_, entry) => leftOut.has(entry) || isDirect(entry))
  return { batch, fresh, freshOrder, direct, duplicates }
}

/** All entries are fresh, whatever their times and sizes. Of equal entries the first counts; `leftOut` are not written. */
export function planWhole(batch: Batch, leftOut: ReadonlySet<number>): AppendPlan {
  const order = orderEntries([batch], (_, entry) => leftOut.has(entry))
  return {
    batch,
    fresh: entriesOf(order),
    freshOrder: order,
    direct: new Map(),
    duplicates: order.duplicates[0] as number,
  }
}

function entriesOf({ streams, entryOf }: EntryOrder): Uint32Array {
  const entries = new Uint32Array(streams.reduce((sum, { start, end }) => sum + end - start, 0))
  let at = 0
  for (const { start, end } of streams) {
    entries.set(entryOf.subarray(start, end), at)
    at += end - start
  }
  return entries
}

function entryBytes(batch: Batch, entry: number): number {
  const metadataBytes = (batch.metadataEnds[entry] as number) - startOf(batch.metadataEnds, entry)
  return (batch.ends[entry] as number) - (batch.starts[entry] as number) + metadataBytes
}

function byHour(batch: Batch, entries: Uint32Array): Map<number, Uint32Array> {
  const hours = new Map<number, number[]>()
  for (const entry of entries) {
    const hour = hourOfNs(batch.timestamps.values[entry] as bigint)
    const found = hours.get(hour)
    if (found === undefined) hours.set(hour, [entry])
    else found.push(entry)
  }
  return new Map(Array.from(hours, ([hour, found]) => [hour, Uint32Array.from(found)]))
}
