/** Entries of several batches in the order of a block: stream after stream, each by time, without duplicates. */

import type { Labels } from '../labels.ts'
import { compareNs, type NsColumn } from '../time.ts'
import type { Batch } from './batch.ts'
import { startOf } from './block.ts'

/** References [start, end) of an EntryOrder: one stream, in ascending time; equal times in order of arrival. */
export interface OrderedStream {
  readonly key: string
  readonly labels: Labels
  readonly start: number
  end: number
}

/** Reference r is entry entryOf[r] of batches[batchOf[r]]. */
export interface EntryOrder {
  readonly batches: readonly Batch[]
  readonly streams: OrderedStream[]
  readonly batchOf: Uint32Array
  readonly entryOf: Uint32Array
  /** Number of duplicates dropped from each batch. */
  readonly duplicates: Uint32Array
}

/**
 * Orders the entries and drops exact duplicates among them. Entries for which `isLeftOut` returns true are dropped
 * without being counted.
 */
export function orderEntries(
  batches: readonly Batch[],
  isLeftOut?: (batch: number, entry: number) => boolean,
): EntryOrder {
  const slotsByKey = new Map<string, number>()
  const heads: { key: string; labels: Labels; count: number }[] = []
  const slots = batches.map((batch) =>
    batch.streams.map(({ key, labels }) => {
      const slot = slotsByKey.get(key)
      if (slot !== undefined) return slot
      slotsByKey.set(key, heads.length)
      return heads.push({ key, labels, count: 0 }) - 1
    }),
  )
  let total = 0
  for (const [b, batch] of batches.entries()) {
    total += batch.count
    const own = slots[b] as number[]
    for (let i = 0; i < batch.count; i++) {
      const head = heads[own[batch.streamIndexes[i] as number] as number] as { count: number }
      head.count++
    }
  }
  const batchOf = new Uint32Array(total)
  const entryOf = new Uint32Array(total)
  const streams: OrderedStream[] = []
  let at = 0
  for (const { key, labels, count } of heads) {
    streams.push({ key, labels, start: at, end: at })
    at += count
  }
  for (const [b, batch] of batches.entries()) {
    const own = slots[b] as number[]
    for (let i = 0; i < batch.count; i++) {
      if (isLeftOut?.(b, i) === true) continue
      const stream = streams[own[batch.streamIndexes[i] as number] as number] as OrderedStream
      batchOf[stream.end] = b
      entryOf[stream.end] = i
      stream.end++
    }
  }
  const order = { batches, streams, batchOf, entryOf, duplicates: new Uint32Array(batches.length) }
  for (const stream of streams) {
    sortByTime(order, stream)
    dropRepeated(order, stream)
  }
  return order
}

/** Negative, zero or positive if reference r is before, at or after reference s in time. */
function compareReferences(order: EntryOrder, r: number, s: number): number {
  const { entryOf } = order
  return compareNs(
    batchOf(order, r).timestamps,
    entryOf[r] as number,
    batchOf(order, s).timestamps,
    entryOf[s] as number,
  )
}

/** Most streams are in time order and need one pass; the others are sorted, stable for equal times. */
function sortByTime(order: EntryOrder, { start, end }: OrderedStream): void {
  let isSorted = true
  for (let r = start + 1; r < end && isSorted; r++) isSorted = compareReferences(order, r - 1, r) <= 0
  if (isSorted) return
  const positions = Uint32Array.from({ length: end - start }, (_, k) => start + k)
  positions.sort((r, s) => compareReferences(order, r, s) || r - s)
  const batchOf = positions.map((r) => order.batchOf[r] as number)
  const entryOf = positions.map((r) => order.entryOf[r] as number)
  order.batchOf.set(batchOf, start)
  order.entryOf.set(entryOf, start)
}

/** Drops entries that equal an earlier entry of the stream. */
function dropRepeated(order: EntryOrder, stream: OrderedStream): void {
  let group: HashedEntries | undefined
  filterReferences(order, stream, (r, kept) => {
    if (kept === stream.start || compareReferences(order, kept - 1, r) !== 0) {
      group = undefined
      return true
    }
    if (group === undefined) {
      group = new HashedEntries()
      group.addIfNew(batchOf(order, kept - 1), order.entryOf[kept - 1] as number)
    }
    return group.addIfNew(batchOf(order, r), order.entryOf[r] as number)
  })
}

/**
 * Maximum number of entries with the same hash that are compared one by one. A client can send many more; those are
 * compared as strings in a set.
 */
const CHAIN_MAX = 16

/** Entries of one stream and time, for lookup by hash. */
class HashedEntries {
  readonly #byHash = new Map<number, { source: EntryBytes; entry: number }[]>()
  readonly #texts = new Set<string>()

  /** False if an equal entry is already in the set. */
  addIfNew(source: EntryBytes, entry: number): boolean {
    const hash = hashEntry(source, entry)
    const others = this.#byHash.get(hash)
    if (others === undefined) this.#byHash.set(hash, [{ source, entry }])
    else if (others.some((other) => sameEntry(other.source, other.entry, source, entry))) return false
    else if (others.length < CHAIN_MAX) others.push({ source, entry })
    else return this.#addTextIfNew(textOfEntry(source, entry))
    return true
  }

  #addTextIfNew(text: string): boolean {
    if (this.#texts.has(text)) return false
    this.#texts.add(text)
    return true
  }
}

/** An entry's bytes as a string, unique among entries of the same stream and time. */
function textOfEntry(source: EntryBytes, i: number): string {
  const lineStart = source.starts[i] as number
  const lineEnd = source.ends[i] as number
  let text = `${source.levels[i]} ${lineEnd - lineStart} `
  for (let k = lineStart; k < lineEnd; k++) text += String.fromCharCode(source.text[k] as number)
  for (let k = startOf(source.metadataEnds, i), end = source.metadataEnds[i] as number; k < end; k++) {
    text += String.fromCharCode(source.metadata[k] as number)
  }
  return text
}

/** Stored entries [start, end) of one stream in ascending time, viewed as a batch. */
export interface StoredEntries {
  readonly batch: Batch
  readonly start: number
  readonly end: number
}

/** What is compared first of stored entries [start, end): times in ascending order, and samples by sampleEntry. */
export interface StoredSamples {
  readonly timestamps: NsColumn
  readonly samples: Uint32Array
  readonly start: number
  readonly end: number
  /** The entries themselves; undefined if they can no longer be read. */
  readonly load: () => StoredEntries | undefined
}

/** Bytes at the end of a line, and of metadata, that are sampled. */
const SAMPLE_BYTES = 16

/**
 * A number that is the same for equal entries, from a few bytes of each: what else has the same stream and time, and
 * this number, is compared whole.
 */
export function sampleEntry(source: EntryBytes, i: number): number {
  const lineStart = source.starts[i] as number
  const lineEnd = source.ends[i] as number
  const metadataStart = startOf(source.metadataEnds, i)
  const metadataEnd = source.metadataEnds[i] as number
  let sample = Math.imul(lineEnd - lineStart, 0x9e3779b1) ^ Math.imul(metadataEnd - metadataStart, 0x85ebca77)
  sample ^= source.levels[i] as number
  for (let k = Math.max(lineStart, lineEnd - SAMPLE_BYTES); k < lineEnd; k++) {
    sample = Math.imul(sample ^ (source.text[k] as number), 0x01000193)
  }
  for (let k = Math.max(metadataStart, metadataEnd - SAMPLE_BYTES); k < metadataEnd; k++) {
    sample = Math.imul(sample ^ (source.metadata[k] as number), 0x01000193)
  }
  return sample >>> 0
}

/**
 * Drops entries of the stream that equal stored ones, and counts them as duplicates of their batches. Stored entries are
 * loaded only if the time and the sample of one are found.
 */
export function dropSampled(order: EntryOrder, stream: OrderedStream, samples: StoredSamples): void {
  if (!hasSample(order, stream, samples)) return
  const stored = samples.load()
  if (stored !== undefined) dropStored(order, stream, stored)
}

function hasSample(order: EntryOrder, stream: OrderedStream, stored: StoredSamples): boolean {
  const { timestamps, samples, end } = stored
  let at = stored.start
  for (let r = stream.start; r < stream.end && at < end; r++) {
    const source = batchOf(order, r)
    const entry = order.entryOf[r] as number
    while (at < end && compareNs(timestamps, at, source.timestamps, entry) < 0) at++
    if (at === end || compareNs(timestamps, at, source.timestamps, entry) !== 0) continue
    const sample = sampleEntry(source, entry)
    for (let i = at; i < end && compareNs(timestamps, i, timestamps, at) === 0; i++) {
      // A client can send any number of entries with one time; many are compared by the hash of all their bytes.
      if (samples[i] === sample || i - at === CHAIN_MAX) return true
    }
  }
  return false
}

/** Drops entries of the stream that equal stored ones, and counts them as duplicates of their batches. */
export function dropStored(order: EntryOrder, stream: OrderedStream, stored: StoredEntries): void {
  const { batch } = stored
  let at = stored.start
  // The stored entries of one time, and the index of the first of them.
  let group = new HashedEntries()
  let groupAt = -1
  filterReferences(order, stream, (r) => {
    const source = batchOf(order, r)
    const entry = order.entryOf[r] as number
    while (at < stored.end && compareNs(batch.timestamps, at, source.timestamps, entry) < 0) at++
    if (at === stored.end || compareNs(batch.timestamps, at, source.timestamps, entry) !== 0) return true
    if (groupAt !== at) {
      group = new HashedEntries()
      groupAt = at
      for (let i = at; i < stored.end && compareNs(batch.timestamps, i, batch.timestamps, at) === 0; i++) {
        group.addIfNew(batch, i)
      }
    }
    return group.addIfNew(source, entry)
  })
}

/**
 * Keeps the references that `isKept` accepts (its argument is the index of the next kept one) and counts the others.
 */
function filterReferences(
  order: EntryOrder,
  stream: OrderedStream,
  isKept: (r: number, kept: number) => boolean,
): void {
  let kept = stream.start
  for (let r = stream.start; r < stream.end; r++) {
    const batch = order.batchOf[r] as number
    if (!isKept(r, kept)) {
      order.duplicates[batch] = (order.duplicates[batch] as number) + 1
      continue
    }
    order.batchOf[kept] = batch
    order.entryOf[kept] = order.entryOf[r] as number
    kept++
  }
  stream.end = kept
}

function batchOf(order: EntryOrder, r: number): Batch {
  return order.batches[order.batchOf[r] as number] as Batch
}

/** The columns that are needed to compare lines, levels and metadata: a Batch, or a block viewed as one. */
export type EntryBytes = Pick<Batch, 'text' | 'starts' | 'ends' | 'levels' | 'metadata' | 'metadataEnds'>

/** Same line, level and metadata. The caller compares stream and time. */
export function sameEntry(a: EntryBytes, i: number, b: EntryBytes, j: number): boolean {
  const metadataA = startOf(a.metadataEnds, i)
  const metadataB = startOf(b.metadataEnds, j)
  const metadataLength = (a.metadataEnds[i] as number) - metadataA
  const lineA = a.starts[i] as number
  const lineB = b.starts[j] as number
  const lineLength = (a.ends[i] as number) - lineA
  if (
    lineLength !== (b.ends[j] as number) - lineB ||
    metadataLength !== (b.metadataEnds[j] as number) - metadataB ||
    a.levels[i] !== b.levels[j]
  ) {
    return false
  }
  for (let k = 0; k < lineLength; k++) if (a.text[lineA + k] !== b.text[lineB + k]) return false
  for (let k = 0; k < metadataLength; k++) if (a.metadata[metadataA + k] !== b.metadata[metadataB + k]) return false
  return true
}

/** A 32-bit FNV-1a hash of line and metadata; equal hashes are always confirmed by sameEntry. */
export function hashEntry(source: EntryBytes, i: number): number {
  let hash = 0x811c9dc5
  for (let k = source.starts[i] as number, end = source.ends[i] as number; k < end; k++) {
    hash = Math.imul(hash ^ (source.text[k] as number), 0x01000193)
  }
  for (let k = startOf(source.metadataEnds, i), end = source.metadataEnds[i] as number; k < end; k++) {
    hash = Math.imul(hash ^ (source.metadata[k] as number), 0x01000193)
  }
  return hash
}
