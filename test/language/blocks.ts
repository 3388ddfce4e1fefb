/** Blocks from plain entries, for tests of queries. */

import { type Metadata, writeVarint } from '../../src/domain/entries/batch.ts'
import { type Block, lowerBound, type StreamRun } from '../../src/domain/entries/block.ts'
import { compareText, parseLabels } from '../../src/domain/labels.ts'
import { DETECTED_LEVEL, LEVELS } from '../../src/domain/levels/level.ts'
import { makeNsColumn } from '../../src/domain/time.ts'

export interface TestEntry {
  /** Label text in the format of formatLabels: the stream's key. */
  readonly stream: string
  readonly ns: bigint
  readonly line: string
  /** Sorted by name. */
  readonly metadata?: Metadata
}

const UTF8 = new TextEncoder()

/** A block like those of a store: streams by their text, each by time, equal times in the order of `entries`. */
export function makeBlock(entries: readonly TestEntry[]): Block {
  const sorted = entries
    .map((entry, i) => ({ ...entry, i }))
    .sort((a, b) => compareText(a.stream, b.stream) || (a.ns === b.ns ? a.i - b.i : a.ns < b.ns ? -1 : 1))
  const runs: StreamRun[] = []
  const timestamps = makeNsColumn(sorted.length)
  const levels = new Uint8Array(sorted.length)
  const lineEnds = new Uint32Array(sorted.length)
  const metadataEnds = new Uint32Array(sorted.length)
  const text: number[] = []
  const metadata: number[] = []
  for (const [i, entry] of sorted.entries()) {
    const last = runs.at(-1)
    if (last?.key === entry.stream) runs[runs.length - 1] = { ...last, end: i + 1 }
    else runs.push({ key: entry.stream, labels: parseLabels(entry.stream), start: i, end: i + 1 })
    timestamps.values[i] = entry.ns
    text.push(...UTF8.encode(entry.line))
    lineEnds[i] = text.length
    for (const [name, value] of entry.metadata ?? []) {
      const code = name === DETECTED_LEVEL ? (LEVELS as readonly string[]).indexOf(value) : -1
      if (code > 0) levels[i] = code
      else metadata.push(...sized(name), ...sized(value))
    }
    metadataEnds[i] = metadata.length
  }
  return {
    runs,
    count: sorted.length,
    timestamps,
    levels,
    lineEnds,
    text: Uint8Array.from(text),
    metadataEnds,
    metadata: Uint8Array.from(metadata),
  }
}

/** The runs of the selected streams, narrowed to [start, end). */
export function selectRuns(
  { runs, timestamps }: Block,
  isWanted: (run: StreamRun) => boolean,
  start: bigint,
  end: bigint,
): StreamRun[] {
  return runs.filter(isWanted).flatMap((run) => {
    const from = lowerBound(timestamps, run.start, run.end, start)
    const to = lowerBound(timestamps, run.start, run.end, end)
    return from < to ? [{ ...run, start: from, end: to }] : []
  })
}

function sized(text: string): number[] {
  const bytes = UTF8.encode(text)
  const length = new Uint8Array(5)
  return [...length.subarray(0, writeVarint(length, 0, bytes.length)), ...bytes]
}
