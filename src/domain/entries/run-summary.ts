/** What is known of a stream run without its entries: its time range, and its entries and bytes by level. */

import { type Block, lowerBound, type StreamRun, startOf } from './block.ts'

/** Entries of one level. */
export interface LevelCount {
  /** The code of the level: the index in LEVELS. */
  readonly level: number
  readonly entries: number
  /** Bytes of their lines. */
  readonly bytes: number
}

/** Consecutive entries of a run, counted. */
export interface SummaryPart {
  readonly oldest: bigint
  readonly newest: bigint
  readonly entries: number
  /** Of the levels that they have, each once, by ascending code. */
  readonly counts: readonly LevelCount[]
}

/** A run, counted in parts. */
export interface SummarisedRun {
  /** All entries of the run, in order; not empty. */
  readonly parts: readonly SummaryPart[]
  /**
   * The names of its structured metadata; undefined if there are too many to list. A level with a code is counted, not
   * named here.
   */
  readonly metadataNames: readonly string[] | undefined
}

/** The exact counts of a whole run, or of a part of it. */
export interface RunSummary
  extends SummaryPart,
    Pick<StreamRun, 'key' | 'labels'>,
    Pick<SummarisedRun, 'metadataNames'> {
  readonly isWhole: boolean
}

/**
 * Parts end with a minute of UTC, as the windows (T - 1m, T] of a query by the minute do: its last instant is the full
 * minute.
 */
const MINUTE_NS = 60_000_000_000n
const HOUR_NS = 60n * MINUTE_NS
/** A part with fewer entries goes on after the minute, though not after the hour, so that rare entries have few parts. */
const PART_ENTRIES_MIN = 8
/** Maximum number of names listed for a block. */
export const SUMMARY_NAMES_MAX = 24
/** Longer names, in bytes, are not listed. */
const NAME_BYTES_MAX = 127
const LEVEL_CODES = 256

/** The summary of each run of a block, in order. */
export function summariseRuns(block: Block): SummarisedRun[] {
  const names = new BlockNames(block)
  const counter = new LevelCounter(block)
  return block.runs.map(({ start, end }) => {
    const parts: SummaryPart[] = []
    for (let from = start; from < end; ) {
      const to = partEnd(block, from, end)
      parts.push({
        oldest: block.timestamps.values[from] as bigint,
        newest: block.timestamps.values[to - 1] as bigint,
        entries: to - from,
        counts: counter.count(from, to),
      })
      from = to
    }
    return { parts, metadataNames: names.of(start, end) }
  })
}

/** All parts as one. */
export function wholeOf({ parts }: SummarisedRun): SummaryPart {
  const [first, ...others] = parts as readonly [SummaryPart, ...SummaryPart[]]
  if (others.length === 0) return first
  const counts: LevelCount[] = []
  let sum = 0
  for (const part of parts) {
    sum += part.entries
    for (const { level, entries, bytes } of part.counts) {
      const before = counts[level]
      counts[level] = { level, entries: (before?.entries ?? 0) + entries, bytes: (before?.bytes ?? 0) + bytes }
    }
  }
  const { newest } = parts.at(-1) as SummaryPart
  return { oldest: first.oldest, newest, entries: sum, counts: counts.filter((count) => count !== undefined) }
}

/** The end of the part that starts at `from`, in a run that ends at `end`. */
function partEnd({ timestamps }: Block, from: number, end: number): number {
  const first = timestamps.values[from] as bigint
  const newest = timestamps.values[end - 1] as bigint
  const hour = lastOf(first, HOUR_NS)
  const hourEnd = newest <= hour ? end : lowerBound(timestamps, from, end, hour + 1n)
  const full = from + PART_ENTRIES_MIN
  if (full >= hourEnd) return hourEnd
  const minute = lastOf(timestamps.values[full - 1] as bigint, MINUTE_NS)
  return lowerBound(timestamps, full, hourEnd, minute + 1n)
}

/** The last instant of the span of this length that has `ns`: the first multiple not before it. */
function lastOf(ns: bigint, span: bigint): bigint {
  const over = ((ns % span) + span) % span
  return over === 0n ? ns : ns - over + span
}

class LevelCounter {
  readonly #block: Block
  readonly #entries = new Uint32Array(LEVEL_CODES)
  readonly #bytes = new Float64Array(LEVEL_CODES)

  constructor(block: Block) {
    this.#block = block
  }

  count(start: number, end: number): LevelCount[] {
    const { levels, lineEnds } = this.#block
    let highest = 0
    let lineStart = startOf(lineEnds, start)
    for (let i = start; i < end; i++) {
      const level = levels[i] as number
      const lineEnd = lineEnds[i] as number
      this.#entries[level] = (this.#entries[level] as number) + 1
      this.#bytes[level] = (this.#bytes[level] as number) + lineEnd - lineStart
      lineStart = lineEnd
      if (level > highest) highest = level
    }
    const counts: LevelCount[] = []
    for (let level = 0; level <= highest; level++) {
      const entries = this.#entries[level] as number
      if (entries === 0) continue
      counts.push({ level, entries, bytes: this.#bytes[level] as number })
      this.#entries[level] = 0
      this.#bytes[level] = 0
    }
    return counts
  }
}

/** Finds the metadata names of runs; most entries of a block have the same few, so names are compared as bytes. */
class BlockNames {
  readonly #ends: Uint32Array
  readonly #bytes: Uint8Array
  readonly #known: { readonly bytes: Uint8Array; readonly text: string }[] = []
  /** Which known name the last pair at each position had: usually the next one has it too. */
  readonly #lastAt: number[] = []

  constructor({ metadata, metadataEnds }: Block) {
    // Access may decompress it.
    this.#bytes = (metadataEnds.at(-1) ?? 0) === 0 ? NO_BYTES : metadata
    this.#ends = metadataEnds
  }

  /** Undefined if entries [start, end) have a name that is not listed. See readMetadata for the byte format. */
  of(start: number, end: number): readonly string[] | undefined {
    const bytes = this.#bytes
    const last = this.#ends[end - 1] as number
    let at = startOf(this.#ends, start)
    if (at === last) return NO_NAMES
    let found = 0
    for (let entry = start; entry < end; entry++) {
      const entryEnd = this.#ends[entry] as number
      for (let position = 0; at < entryEnd; position++) {
        // A length has one byte for names that are listed: the high bit of a longer one makes it too large.
        const length = bytes[at++] as number
        if (length > NAME_BYTES_MAX) return undefined
        const name = this.#indexOf(at, length, position)
        if (name < 0) return undefined
        found |= 1 << name
        at = skipText(bytes, at + length)
      }
    }
    return this.#known.filter((_, i) => (found & (1 << i)) !== 0).map(({ text }) => text)
  }

  #indexOf(at: number, length: number, position: number): number {
    const last = this.#lastAt[position]
    if (last !== undefined && this.#isName(last, at, length)) return last
    let index = 0
    while (index < this.#known.length && !this.#isName(index, at, length)) index++
    if (index === this.#known.length) {
      if (index === SUMMARY_NAMES_MAX) return -1
      const bytes = this.#bytes.slice(at, at + length)
      this.#known.push({ bytes, text: UTF8.decode(bytes) })
    }
    this.#lastAt[position] = index
    return index
  }

  #isName(index: number, at: number, length: number): boolean {
    const name = (this.#known[index] as { bytes: Uint8Array }).bytes
    if (name.length !== length) return false
    let i = 0
    while (i < length && this.#bytes[at + i] === name[i]) i++
    return i === length
  }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })
const NO_BYTES = new Uint8Array(0)
const NO_NAMES: readonly string[] = []

/** The position after the text whose length is at `at`. */
function skipText(bytes: Uint8Array, at: number): number {
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] as number
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) return at + length
  }
}
