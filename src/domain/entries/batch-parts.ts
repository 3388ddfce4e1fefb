/** Splits a large batch, so that each part can be stored without keeping the thread for long. */

import { nsColumnOf } from '../time.ts'
import type { Batch } from './batch.ts'
import { startOf } from './block.ts'

/** What an entry costs beside its bytes, as bytes: its columns, and its place in the order. */
const ENTRY_BYTES = 100

/** The batch itself, or its entries in order, as batches of about `bytesMax` bytes each; they share its memory. */
export function splitBatch(batch: Batch, bytesMax: number): Batch[] {
  const parts: Batch[] = []
  let start = 0
  let bytes = 0
  for (let i = 0; i < batch.count; i++) {
    const metadataBytes = (batch.metadataEnds[i] as number) - startOf(batch.metadataEnds, i)
    bytes += (batch.ends[i] as number) - (batch.starts[i] as number) + metadataBytes + ENTRY_BYTES
    if (bytes < bytesMax || i + 1 === batch.count) continue
    parts.push(partOf(batch, start, i + 1))
    start = i + 1
    bytes = 0
  }
  return start === 0 ? [batch] : [...parts, partOf(batch, start, batch.count)]
}

function partOf(batch: Batch, start: number, end: number): Batch {
  const metadataStart = startOf(batch.metadataEnds, start)
  const starts = batch.starts.subarray(start, end)
  const ends = batch.ends.subarray(start, end)
  return {
    tenant: batch.tenant,
    ...usedStreams(batch, start, end),
    count: end - start,
    text: batch.text,
    timestamps: nsColumnOf(batch.timestamps.values.subarray(start, end)),
    starts,
    ends,
    levels: batch.levels.subarray(start, end),
    metadata: batch.metadata.subarray(metadataStart, batch.metadataEnds[end - 1]),
    metadataEnds: batch.metadataEnds.slice(start, end).map((at) => at - metadataStart),
    lineBytes: ends.reduce((sum, at, i) => sum + at - (starts[i] as number), 0),
    ids: batch.ids
      .filter(({ entry }) => entry >= start && entry < end)
      .map(({ entry, id }) => ({ entry: entry - start, id })),
  }
}

/** The streams of the part's entries, in the order in which they occur. */
function usedStreams(
  { streams, streamIndexes }: Batch,
  start: number,
  end: number,
): Pick<Batch, 'streams' | 'streamIndexes'> {
  const indexes = new Map<number, number>()
  const used = streamIndexes.slice(start, end).map((index) => {
    const known = indexes.get(index)
    if (known !== undefined) return known
    indexes.set(index, indexes.size)
    return indexes.size - 1
  })
  return {
    streams: Array.from(indexes.keys(), (index) => streams[index] as Batch['streams'][number]),
    streamIndexes: used,
  }
}
