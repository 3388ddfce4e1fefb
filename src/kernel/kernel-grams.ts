/** Finds the grams of block filters in WebAssembly. */

import { startOf } from '../domain/entries/block.ts'
import { type Kernel, kernel } from './kernel.ts'

/** Below this size copying in and out costs more than it gains. */
const BYTES_MIN = 4096
const KEYS_MIN = 32
/** Bytes that are copied in at once, where one entry does not have more. */
const WINDOW_BYTES = 256 * 1024

/** Texts next to each other: lines, or the metadata of entries, whose values count. */
export interface GramTexts {
  readonly bytes: Uint8Array
  readonly ends: Uint32Array
  readonly arePairs: boolean
}

/** Where the grams go: a byte for each trigram's bit, and the keys of hexadecimal runs, some more than once. */
export interface GramSink {
  readonly seen: Uint8Array
  addKeys(keys: Uint32Array): void
}

/**
 * Finds the grams of texts [0, n), as many as WebAssembly can, and returns n: none where it is missing or the texts are
 * few, and none from a text that is too large for its memory.
 */
export function findGramsByKernel(texts: GramTexts, sink: GramSink): number {
  const { bytes, ends } = texts
  const loaded = bytes.length < BYTES_MIN ? undefined : kernel()
  if (loaded === undefined) return 0
  for (let first = 0; first < ends.length; ) {
    const from = startOf(ends, first)
    let end = first + 1
    while (end < ends.length && (ends[end] as number) - from <= WINDOW_BYTES) end++
    if (!findInWindow(loaded, texts, sink, first, end)) return first
    first = end
  }
  return ends.length
}

/** Sets the bits of the keys in a Bloom filter; false if WebAssembly cannot, or there are too few. */
export function setProbesByKernel(keys: Uint32Array, filter: Uint8Array): boolean {
  const loaded = keys.length < KEYS_MIN ? undefined : kernel()
  const addresses = loaded?.reserve(keys.length * 4, filter.length)
  if (loaded === undefined || addresses === undefined) return false
  const [keysAt, filterAt] = addresses as [number, number]
  const memory = loaded.bytes
  new Uint32Array(memory.buffer, keysAt, keys.length).set(keys)
  memory.set(filter, filterAt)
  loaded.exports.setProbes(keysAt, keys.length, filterAt, filter.length * 8)
  filter.set(memory.subarray(filterAt, filterAt + filter.length))
  return true
}

function findInWindow(loaded: Kernel, texts: GramTexts, sink: GramSink, first: number, end: number): boolean {
  const { bytes, ends, arePairs } = texts
  const { seen } = sink
  const from = startOf(ends, first)
  const size = (ends[end - 1] as number) - from
  const count = end - first
  const addresses = loaded.reserve(size, arePairs ? 0 : count * 4, seen.length, size * 4)
  if (addresses === undefined) return false
  const [bytesAt, endsAt, seenAt, keysAt] = addresses as [number, number, number, number]
  const memory = loaded.bytes
  memory.set(bytes.subarray(from, from + size), bytesAt)
  memory.set(seen, seenAt)
  if (!arePairs) new Uint32Array(memory.buffer, endsAt, count).set(ends.subarray(first, end))
  const keys = arePairs
    ? loaded.exports.gramsOfPairs(bytesAt, bytesAt + size, seenAt, keysAt)
    : loaded.exports.gramsOfLines(bytesAt - from, from, endsAt, count, seenAt, keysAt)
  seen.set(memory.subarray(seenAt, seenAt + seen.length))
  sink.addKeys(new Uint32Array(memory.buffer, keysAt, keys))
  return true
}
