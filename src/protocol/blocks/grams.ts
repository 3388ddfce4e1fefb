/**
 * The grams of texts, of which block filters are made. wasm/grams.ts is the equal of this file.
 *
 * Trigrams: hashes of three bytes in a row, letters A to Z as a to z.
 * Keys: of each run of at least 16 bytes of [0-9a-fA-F-], the grams of 8 bytes with the smallest hash among 9 in a row
 * (minimizers). Any 16 bytes of such a run determine one, so that an identifier of 16 digits is found wherever it starts.
 */

import { startOf } from '../../domain/entries/block.ts'
import { findGramsByKernel, type GramTexts } from '../../kernel/kernel-grams.ts'

export const TRIGRAM = 3
export const TRIGRAM_BITS = 65_536
/** Of a multiplicative hash: 2^32 divided by the golden ratio. */
export const GRAM_FACTOR = 0x9e3779b1
const GRAM = 8
/** Grams of which the smallest is kept. */
const WINDOW = 9
const HEX_RUN_MIN = GRAM + WINDOW - 1

/** The grams of many texts. */
export class Grams {
  /** 1 at each trigram's bit. */
  readonly seen = new Uint8Array(TRIGRAM_BITS)
  readonly keys = new KeySet()

  clear(): void {
    this.seen.fill(0)
    this.keys.clear()
  }

  add(texts: GramTexts): void {
    this.addFrom(findGramsByKernel(texts, this), texts)
  }

  /** In TypeScript, from text `first` on. */
  addFrom(first: number, { bytes, ends, arePairs }: GramTexts): void {
    if (arePairs) this.#addValues(bytes, startOf(ends, first), ends.at(-1) ?? 0)
    else for (let i = first; i < ends.length; i++) this.#addText(bytes, startOf(ends, i), ends[i] as number)
  }

  addKeys(keys: Uint32Array): void {
    for (let i = 0; i < keys.length; i++) this.keys.add(keys[i] as number)
  }

  /** Pairs follow each other without a border between entries; see readMetadata. Names are even texts, values odd ones. */
  #addValues(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start, n = 0; at < end; n++) {
      let length = 0
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++] as number
        length |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      if (n % 2 === 1) this.#addText(bytes, at, at + length)
      at += length
    }
  }

  #addText(bytes: Uint8Array, start: number, end: number): void {
    const { seen } = this
    let gram = 0
    for (let at = start; at < end; at++) {
      gram = (gram << 8) | (FOLDED[bytes[at] as number] as number)
      if (at - start >= TRIGRAM - 1) seen[bitOf(gram)] = 1
    }
    addRuns(bytes, start, end, this.keys)
  }
}

/** The bit of the trigram that starts at `at`. */
export function trigramBit(bytes: Uint8Array, at: number): number {
  return bitOf(bytes.subarray(at, at + TRIGRAM).reduce((gram, byte) => (gram << 8) | (FOLDED[byte] as number), 0))
}

/** Only the last three bytes of `gram` count. */
function bitOf(gram: number): number {
  return Math.imul(gram << 8, GRAM_FACTOR) >>> 16
}

/** Adds the keys of the hexadecimal runs of [start, end). */
export function addRuns(bytes: Uint8Array, start: number, end: number, keys: KeySet): void {
  let from = start
  // A run has at least one of any positions that are as far apart as it is long.
  for (let probe = from + HEX_RUN_MIN - 1; probe < end; probe += HEX_RUN_MIN) {
    if (HEX_CODES[bytes[probe] as number] === 0) continue
    let first = probe
    while (first > from && HEX_CODES[bytes[first - 1] as number] !== 0) first--
    let stop = probe + 1
    while (stop < end && HEX_CODES[bytes[stop] as number] !== 0) stop++
    if (stop - first >= HEX_RUN_MIN) addMinimizers(bytes, first, stop, keys)
    // What is before the next probe begins after this run.
    from = stop
    probe = stop
  }
}

const BASE = 0x2c1b3c6d
/** BASE to the power of GRAM, in 32 bits. */
const BASE_GRAM = Array.from({ length: GRAM }).reduce<number>((power) => Math.imul(power, BASE), 1)
const WINDOW_HASHES = new Uint32Array(WINDOW)

/** The minimizers of a run of hexadecimal digits and hyphens, at least HEX_RUN_MIN long. */
function addMinimizers(bytes: Uint8Array, start: number, end: number, keys: KeySet): void {
  const hashes = WINDOW_HASHES
  let rolling = 0
  let least = 0
  let leastSlot = -1
  let slot = 0
  for (let at = start; at < end; at++) {
    rolling = (Math.imul(rolling, BASE) + (HEX_CODES[bytes[at] as number] as number)) | 0
    const gram = at - start - GRAM + 1
    if (gram < 0) continue
    if (gram > 0) rolling = (rolling - Math.imul(HEX_CODES[bytes[at - GRAM] as number] as number, BASE_GRAM)) | 0
    const hash = keyOf(rolling)
    hashes[slot] = hash
    if (slot === leastSlot || leastSlot < 0) {
      // The smallest has left the window.
      const filled = Math.min(gram + 1, WINDOW)
      leastSlot = 0
      for (let i = 1; i < filled; i++) if ((hashes[i] as number) < (hashes[leastSlot] as number)) leastSlot = i
      least = hashes[leastSlot] as number
      if (gram >= WINDOW - 1) keys.add(least)
    } else if (hash < least) {
      least = hash
      leastSlot = slot
      if (gram >= WINDOW - 1) keys.add(least)
    } else if (gram === WINDOW - 1) keys.add(least)
    slot = slot === WINDOW - 1 ? 0 : slot + 1
  }
}

/** Never 0. */
function keyOf(gram: number): number {
  let key = Math.imul(gram ^ (gram >>> 15), 0x85ebca6b)
  key = Math.imul(key ^ (key >>> 13), 0xc2b2ae35)
  return (key ^ (key >>> 16)) >>> 0 || 1
}

/** A set of numbers from 1 to 2^32 - 1. */
export class KeySet {
  /** 0: free. */
  #slots = new Uint32Array(1 << 10)
  /** In the order in which they were added; at most half as many as slots. */
  #list = new Uint32Array(1 << 9)
  #size = 0

  get size(): number {
    return this.#size
  }

  get values(): Uint32Array {
    return this.#list.subarray(0, this.#size)
  }

  clear(): void {
    if (this.#size > 0) this.#slots.fill(0)
    this.#size = 0
  }

  add(key: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = key & mask
    for (let known = slots[slot]; known !== 0; known = slots[slot]) {
      if (known === key) return
      slot = (slot + 1) & mask
    }
    slots[slot] = key
    this.#list[this.#size++] = key
    if (this.#size === this.#list.length) this.#grow()
  }

  #grow(): void {
    const before = this.values
    this.#slots = new Uint32Array(this.#slots.length * 4)
    this.#list = new Uint32Array(this.#slots.length / 2)
    this.#size = 0
    for (const key of before) this.add(key)
  }
}

export const FOLDED = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte))

/** 1 to 17 for digits, letters and the hyphen; 0 for all other bytes. */
const HEX_CODES = Uint8Array.from({ length: 256 }, (_, byte) => {
  return '0123456789abcdef-'.indexOf(String.fromCharCode(FOLDED[byte] as number)) + 1
})
