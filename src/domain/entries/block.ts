/** The storage unit: entries of one tenant as columns, stream after stream, each stream in time order. */

import type { Labels } from '../labels.ts'
import { compareNs, type NsColumn } from '../time.ts'

/** Entries [start, end) of a block: one stream, in ascending time; equal times in order of arrival. */
export interface StreamRun {
  /** formatLabels(labels), the stream's identity. */
  readonly key: string
  readonly labels: Labels
  readonly start: number
  readonly end: number
}

/**
 * A decoded block. Line i is text[lineEnds[i - 1], lineEnds[i]) (0 before the first), its metadata bytes likewise, in
 * the format of readMetadata; its level is LEVELS[levels[i]].
 */
export interface Block {
  readonly runs: readonly StreamRun[]
  readonly count: number
  readonly timestamps: NsColumn
  readonly levels: Uint8Array
  readonly lineEnds: Uint32Array
  readonly text: Uint8Array
  readonly metadataEnds: Uint32Array
  readonly metadata: Uint8Array
}

/** The start of the line or metadata of entry `index`, given the column of ends. */
export function startOf(ends: Uint32Array, index: number): number {
  return index === 0 ? 0 : (ends[index - 1] as number)
}

/** The first entry of [start, end) that is not before `ns`; `end` if all are before it. */
export function lowerBound(timestamps: NsColumn, start: number, end: number, ns: bigint): number {
  let low = start
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((timestamps.values[middle] as bigint) < ns) low = middle + 1
    else high = middle
  }
  return low
}

/** The earliest and the latest time in a non-empty block. */
export function timeRange(block: Pick<Block, 'runs' | 'timestamps'>): { oldest: bigint; newest: bigint } {
  const { runs, timestamps } = block
  const first = runs[0] as StreamRun
  let oldest = first.start
  let newest = first.end - 1
  for (const run of runs) {
    if (compareNs(timestamps, run.start, timestamps, oldest) < 0) oldest = run.start
    if (compareNs(timestamps, run.end - 1, timestamps, newest) > 0) newest = run.end - 1
  }
  return { oldest: timestamps.values[oldest] as bigint, newest: timestamps.values[newest] as bigint }
}
