/** Random streams to push to two peers: every kind of line that agents send, and lines that only look like one. */

import type { Random } from '../support/random.ts'
import { makeLine } from './lines.ts'
import { LABEL_VALUES, METADATA_NAMES, STREAM_NAMES } from './vocabulary.ts'

export interface DataEntry {
  readonly ns: bigint
  readonly line: string
  readonly metadata: Readonly<Record<string, string>>
}

export interface DataStream {
  readonly labels: Readonly<Record<string, string>>
  readonly entries: readonly DataEntry[]
}

export interface DataSet {
  readonly streams: readonly DataStream[]
  /** The first nanosecond in which an entry may lie: a whole hour. */
  readonly start: bigint
  /** The nanosecond behind the last. */
  readonly end: bigint
}

/** All entries of a set lie in as many seconds. */
export const SPAN_SECONDS = 600

/**
 * A set of up to eight streams and a dozen entries each. No two streams have the same labels, and no two entries the
 * same nanosecond: peers may each choose the order of those.
 */
export function makeDataSet(random: Random, start: bigint): DataSet {
  const streams = new Map<string, DataStream>()
  const taken = new Set<bigint>()
  for (let i = 1 + random.integer(8); i > 0; i--) {
    const labels = makeLabels(random)
    const kinds = random.chance(0.5) ? 1 : 3
    const entries = Array.from({ length: 1 + random.integer(12) }, () => makeEntry(random, start, kinds))
    const fresh = entries.filter(({ ns }) => !taken.has(ns) && taken.add(ns))
    streams.set(JSON.stringify(Object.entries(labels).sort()), { labels, entries: fresh.sort(byTime) })
  }
  const filled = [...streams.values()].filter(({ entries }) => entries.length > 0)
  return { streams: filled, start, end: start + BigInt(SPAN_SECONDS) * 1_000_000_000n }
}

function byTime(a: DataEntry, b: DataEntry): number {
  return a.ns < b.ns ? -1 : 1
}

/** Always with `app`, so that one selector finds everything. */
function makeLabels(random: Random): Record<string, string> {
  const labels: Record<string, string> = { app: random.pick(['a', 'b', 'c', 'a-1']) }
  for (let i = random.integer(4); i > 0; i--) labels[random.pick(STREAM_NAMES)] = random.pick(LABEL_VALUES)
  return labels
}

function makeEntry(random: Random, start: bigint, kinds: number): DataEntry {
  const metadata: Record<string, string> = {}
  if (random.chance(0.3)) {
    for (let i = random.integer(4); i > 0; i--) metadata[random.pick(METADATA_NAMES)] = random.pick(LABEL_VALUES)
  }
  return { ns: start + makeOffset(random), line: makeLine(random, kinds), metadata }
}

/** Whole seconds often, as borders of windows lie there. */
function makeOffset(random: Random): bigint {
  const seconds = BigInt(random.integer(SPAN_SECONDS)) * 1_000_000_000n
  if (random.chance(0.3)) return seconds
  if (random.chance(0.5)) return seconds + BigInt(random.integer(1000)) * 1_000_000n
  return seconds + BigInt(random.integer(1_000_000_000))
}
