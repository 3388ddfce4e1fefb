/**
 * A filter of a block: which texts its lines and metadata values cannot contain. It may answer "possibly" for a text that
 * is not there, never "no" for one that is.
 *
 * `trigrams`: a bit for each hash of three bytes in a row, letters A to Z as a to z. They rule out words that nobody logs,
 * but not identifiers, since a block of many identifiers has most trigrams of hexadecimal digits.
 * `hex`: of each run of at least 16 bytes of [0-9a-fA-F-], the grams of 8 bytes with the smallest hash among 9 in a row
 * (minimizers), in a Bloom filter. Any 16 bytes of such a run determine one, so that an identifier of 16 digits is found
 * wherever it starts.
 *
 * Both sections are: CRC-32 (u32 LE) of the rest, seeded with the block's id; the version (u8); the bits.
 */

import { crc32 } from 'node:zlib'
import { type Block, startOf } from '../../domain/entries/block.ts'
import type { Needle } from '../../domain/entries/text-need.ts'
import { GatewayError } from '../../domain/errors.ts'

const VERSION = 1
const HEADER_BYTES = 5

const TRIGRAM = 3
const TRIGRAM_BITS = 65_536
/** Of a multiplicative hash: 2^32 divided by the golden ratio. */
const GRAM_FACTOR = 0x9e3779b1
const GRAM = 8
/** Grams of which the smallest is kept. */
const WINDOW = 9
const HEX_RUN_MIN = GRAM + WINDOW - 1
/** Bits for each key, and those that are set for it: one absent key in 70 is taken for present. */
const BITS_PER_KEY = 9
const PROBES = 6
/** Maximum part of the block's bytes: one of nothing but digits has fewer bits a key, and rules out less. */
const HEX_PART_MAX = 1 / 16

/** The sections of a filter as they are stored. */
export interface EncodedFilter {
  readonly trigrams: Uint8Array
  readonly hex: Uint8Array
}

/** Builds filters; keeps its memory between blocks. */
export class FilterBuilder {
  readonly #seen = new Uint8Array(TRIGRAM_BITS)
  readonly #keys = new KeySet()

  /** `id` is the block's, see openSection. */
  build({ text, lineEnds, metadata, metadataEnds, count }: Block, id: number): EncodedFilter {
    this.#seen.fill(0)
    this.#keys.clear()
    for (let i = 0; i < count; i++) this.#add(text, startOf(lineEnds, i), lineEnds[i] as number)
    const end = metadataEnds[count - 1] as number
    // Pairs follow each other without a border between entries; see readMetadata. Names are even texts, values odd ones.
    for (let at = 0, n = 0; at < end; n++) {
      let length = 0
      for (let shift = 0; ; shift += 7) {
        const byte = metadata[at++] as number
        length |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      if (n % 2 === 1) this.#add(metadata, at, at + length)
      at += length
    }
    return { trigrams: this.#trigramSection(id), hex: this.#hexSection(id, (text.length + end) * HEX_PART_MAX) }
  }

  /** Without branches that depend on the bytes, except at long runs: this passes over every line. */
  #add(bytes: Uint8Array, start: number, end: number): void {
    const seen = this.#seen
    let gram = 0
    let run = 0
    for (let at = start; at < end; at++) {
      const entry = BYTES[bytes[at] as number] as number
      gram = (gram << 8) | (entry & 0xff)
      // The first two mark grams with zeros before them.
      seen[Math.imul(gram << 8, GRAM_FACTOR) >>> 16] = 1
      run = (run + 1) & -(entry >>> 8)
      if (run === HEX_RUN_MIN) addMinimizers(bytes, at - HEX_RUN_MIN + 1, endOfHex(bytes, at, end), this.#keys)
    }
  }

  #trigramSection(id: number): Uint8Array {
    const seen = this.#seen
    const section = new Uint8Array(HEADER_BYTES + TRIGRAM_BITS / 8)
    for (let bit = 0, at = HEADER_BYTES; bit < TRIGRAM_BITS; at++) {
      let byte = 0
      for (let mask = 1; mask < 256; mask <<= 1) if (seen[bit++] === 1) byte |= mask
      section[at] = byte
    }
    return sealed(section, id)
  }

  #hexSection(id: number, bytesMax: number): Uint8Array {
    const bytes = Math.ceil(Math.min(bytesMax, (this.#keys.size * BITS_PER_KEY) / 8))
    const section = new Uint8Array(HEADER_BYTES + bytes)
    const { slots } = this.#keys
    for (let i = 0; i < slots.length; i++) {
      const key = slots[i] as number
      if (key === 0) continue
      for (let probe = 0; probe < PROBES; probe++) {
        const bit = probeBit(key, probe, bytes * 8)
        const at = HEADER_BYTES + (bit >>> 3)
        section[at] = (section[at] as number) | (1 << (bit & 7))
      }
    }
    return sealed(section, id)
  }
}

/** The grams that every text with a needle has; empty if the needle is too short or too free to have any. */
export interface NeedleGrams {
  readonly trigrams: Uint16Array
  /** More selective. */
  readonly hex: Uint32Array
}

export function gramsOf({ bytes, ignoresCase }: Pick<Needle, 'bytes' | 'ignoresCase'>): NeedleGrams {
  const trigrams = new Set<number>()
  const keys = new KeySet()
  const isFree = (byte: number): boolean => ignoresCase && FREE[byte] === 1
  for (let at = 0; at + TRIGRAM <= bytes.length; at++) {
    const gram = bytes.subarray(at, at + TRIGRAM)
    if (!gram.some(isFree))
      trigrams.add(trigramBit(gram.reduce((all, byte) => (all << 8) | (FOLDED[byte] as number), 0)))
  }
  for (let at = 0; at < bytes.length; at++) {
    const start = at
    at = endOfHex(bytes, at, bytes.length)
    if (at - start >= HEX_RUN_MIN) addMinimizers(bytes, start, at, keys)
  }
  return { trigrams: Uint16Array.from(trigrams), hex: keys.slots.filter((key) => key !== 0) }
}

/** The bits of a stored section. Throws store_damaged for other bytes than those of this block. */
export function openSection(section: Uint8Array, id: number): Uint8Array {
  const isOurs =
    section.length >= HEADER_BYTES &&
    new DataView(section.buffer, section.byteOffset).getUint32(0, true) === checksum(section, id)
  if (!isOurs || section[HEADER_BYTES - 1] !== VERSION) {
    const text = 'the filter of a stored block is not what it was written with; the block is read without it'
    throw new GatewayError('store_damaged', text)
  }
  return section.subarray(HEADER_BYTES)
}

/** False if an opened `trigrams` section rules the needle out. */
export function mayHaveTrigrams(bits: Uint8Array, { trigrams }: NeedleGrams): boolean {
  return trigrams.every((bit) => isSet(bits, bit))
}

/** False if an opened `hex` section rules the needle out. */
export function mayHaveHex(bits: Uint8Array, { hex }: NeedleGrams): boolean {
  for (const key of hex) {
    for (let probe = 0; probe < PROBES; probe++) {
      // No bits: no keys.
      if (bits.length === 0 || !isSet(bits, probeBit(key, probe, bits.length * 8))) return false
    }
  }
  return true
}

function isSet(bits: Uint8Array, bit: number): boolean {
  return ((bits[bit >>> 3] as number) & (1 << (bit & 7))) !== 0
}

function endOfHex(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end && HEX_CODES[bytes[at] as number] !== 0) at++
  return at
}

/** Only the last three bytes of `gram` count. */
function trigramBit(gram: number): number {
  return Math.imul(gram << 8, GRAM_FACTOR) >>> 16
}

function probeBit(key: number, probe: number, bits: number): number {
  const step = Math.imul(key, GRAM_FACTOR) | 1
  const hash = (key + Math.imul(probe, step)) >>> 0
  return Math.floor((hash / 2 ** 32) * bits)
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
class KeySet {
  /** 0: free. */
  slots = new Uint32Array(1 << 10)
  size = 0

  clear(): void {
    if (this.size > 0) this.slots.fill(0)
    this.size = 0
  }

  add(key: number): void {
    const mask = this.slots.length - 1
    let slot = key & mask
    for (let known = this.slots[slot]; known !== 0; known = this.slots[slot]) {
      if (known === key) return
      slot = (slot + 1) & mask
    }
    this.slots[slot] = key
    this.size++
    if (this.size * 2 > this.slots.length) this.#grow()
  }

  #grow(): void {
    const before = this.slots
    this.slots = new Uint32Array(before.length * 4)
    this.size = 0
    for (const key of before) if (key !== 0) this.add(key)
  }
}

function sealed(section: Uint8Array, id: number): Uint8Array {
  section[HEADER_BYTES - 1] = VERSION
  new DataView(section.buffer).setUint32(0, checksum(section, id), true)
  return section
}

function checksum(section: Uint8Array, id: number): number {
  return crc32(section.subarray(4), id >>> 0)
}

const FOLDED = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte))

/** 1 to 17 for digits, letters and the hyphen; 0 for all other bytes. */
const HEX_CODES = Uint8Array.from({ length: 256 }, (_, byte) => {
  return '0123456789abcdef-'.indexOf(String.fromCharCode(FOLDED[byte] as number)) + 1
})

/** The folded byte, and 256 for those of hexadecimal runs. */
const BYTES = Uint16Array.from(FOLDED, (folded, byte) => folded | (HEX_CODES[byte] === 0 ? 0 : 256))

/**
 * Bytes that RE2's flag i may take for other bytes than the letter's other case: those of characters beyond ASCII, and k and
 * s, which are also the Kelvin sign and the long s.
 */
const FREE = Uint8Array.from({ length: 256 }, (_, byte) => {
  return byte >= 0x80 || 'ks'.includes(String.fromCharCode(FOLDED[byte] as number)) ? 1 : 0
})
