/** Copies of an accepted batch that a tail processes later, because a batch's own memory is reused. */

import type { Batch } from '../../domain/entries/batch.ts'
import { startOf } from '../../domain/entries/block.ts'
import { makeNsColumn } from '../../domain/time.ts'

export interface PendingLines {
  readonly batch: Batch
  /** Approximate size in memory. */
  readonly bytes: number
  /** The next entry to process. */
  at: number
  /** When the batch arrived, ms since the epoch. */
  readonly arrivedMs: number
}

/** Bytes of the columns per entry. */
const COLUMN_BYTES = 25

/** Approximate size of a copy of the entries from `from` on. */
export function pendingBytes(batch: Batch, from: number): number {
  const [start, end] = textRange(batch, from)
  const metadata = (batch.metadataEnds[batch.count - 1] as number) - startOf(batch.metadataEnds, from)
  return end - start + metadata + COLUMN_BYTES * (batch.count - from)
}

/** A copy of the entries from `from` on. */
export function copyFrom(batch: Batch, from: number): Batch {
  const { count, streams, streamIndexes, timestamps, levels, metadata, metadataEnds, tenant } = batch
  const [textStart, textEnd] = textRange(batch, from)
  const metadataStart = startOf(metadataEnds, from)
  const times = makeNsColumn(count - from)
  times.values.set(timestamps.values.subarray(from, count))
  return {
    tenant,
    streams: [...streams],
    count: count - from,
    text: copyOf(batch.text, textStart, textEnd),
    streamIndexes: streamIndexes.slice(from, count),
    timestamps: times,
    starts: batch.starts.slice(from, count).map((at) => at - textStart),
    ends: batch.ends.slice(from, count).map((at) => at - textStart),
    levels: levels.slice(from, count),
    metadata: copyOf(metadata, metadataStart, metadataEnds[count - 1] as number),
    metadataEnds: metadataEnds.slice(from, count).map((at) => at - metadataStart),
    lineBytes: textEnd - textStart,
    ids: [],
  }
}

/** Not `slice`, which on a Buffer shares its memory. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end))
}

/** The lines may be in any order in the text. */
function textRange({ starts, ends, count }: Batch, from: number): [start: number, end: number] {
  let start = Number.POSITIVE_INFINITY
  let end = 0
  for (let i = from; i < count; i++) {
    start = Math.min(start, starts[i] as number)
    end = Math.max(end, ends[i] as number)
  }
  return [Math.min(start, end), end]
}
