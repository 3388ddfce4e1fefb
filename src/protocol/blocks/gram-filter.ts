/**
 * A filter of a block: which texts its lines and metadata values cannot contain. It may answer "possibly" for a text that
 * is not there, never "no" for one that is.
 *
 * `trigrams`: a bit for each trigram. They rule out words that nobody logs, but not identifiers, since a block of many
 * identifiers has most trigrams of hexadecimal digits.
 * `hex`: the keys of hexadecimal runs, in a Bloom filter. See grams.ts for both.
 *
 * Both sections are: CRC-32 (u32 LE) of the rest, seeded with the block's id; the version (u8); the bits.
 */

import { crc32 } from 'node:zlib'
import type { Block } from '../../domain/entries/block.ts'
import type { Needle } from '../../domain/entries/text-need.ts'
import { GatewayError } from '../../domain/errors.ts'
import { setProbesByKernel } from '../../kernel/kernel-grams.ts'
import { addRuns, FOLDED, GRAM_FACTOR, Grams, KeySet, TRIGRAM, TRIGRAM_BITS, trigramBit } from './grams.ts'

const VERSION = 1
const HEADER_BYTES = 5

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
  readonly #grams = new Grams()

  /** `id` is the block's, see openSection. */
  build({ text, lineEnds, metadata, metadataEnds }: Block, id: number): EncodedFilter {
    this.#grams.clear()
    this.#grams.add({ bytes: text, ends: lineEnds, arePairs: false })
    this.#grams.add({ bytes: metadata, ends: metadataEnds, arePairs: true })
    const hexBytesMax = (text.length + metadata.length) * HEX_PART_MAX
    return { trigrams: this.#trigramSection(id), hex: this.#hexSection(id, hexBytesMax) }
  }

  #trigramSection(id: number): Uint8Array {
    const section = new Uint8Array(HEADER_BYTES + TRIGRAM_BITS / 8)
    const words = new Uint32Array(this.#grams.seen.buffer)
    for (let word = 0, at = HEADER_BYTES; word < words.length; word += 2, at++) {
      section[at] = bitsOf(words[word] as number) | (bitsOf(words[word + 1] as number) << 4)
    }
    return sealed(section, id)
  }

  #hexSection(id: number, bytesMax: number): Uint8Array {
    const bytes = Math.ceil(Math.min(bytesMax, (this.#grams.keys.size * BITS_PER_KEY) / 8))
    const section = new Uint8Array(HEADER_BYTES + bytes)
    addKeys(this.#grams.keys.values, section.subarray(HEADER_BYTES))
    return sealed(section, id)
  }
}

function addKeys(keys: Uint32Array, filter: Uint8Array): void {
  if (!setProbesByKernel(keys, filter)) setProbes(keys, filter)
}

/** Sets the bits of the keys in a Bloom filter; the equal of setProbesByKernel. */
export function setProbes(keys: Uint32Array, filter: Uint8Array): void {
  for (const key of keys) {
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = probeBit(key, probe, filter.length * 8)
      filter[bit >>> 3] = (filter[bit >>> 3] as number) | (1 << (bit & 7))
    }
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
    if (!bytes.subarray(at, at + TRIGRAM).some(isFree)) trigrams.add(trigramBit(bytes, at))
  }
  addRuns(bytes, 0, bytes.length, keys)
  return { trigrams: Uint16Array.from(trigrams), hex: keys.values }
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

/** The four bytes of a word, each 0 or 1, as bits, the lowest first. */
function bitsOf(word: number): number {
  return Math.imul(word, (1 << 24) | (1 << 17) | (1 << 10) | (1 << 3)) >>> 24
}

function isSet(bits: Uint8Array, bit: number): boolean {
  return ((bits[bit >>> 3] as number) & (1 << (bit & 7))) !== 0
}

function probeBit(key: number, probe: number, bits: number): number {
  const step = Math.imul(key, GRAM_FACTOR) | 1
  const hash = (key + Math.imul(probe, step)) >>> 0
  return Math.floor((hash / 2 ** 32) * bits)
}

function sealed(section: Uint8Array, id: number): Uint8Array {
  section[HEADER_BYTES - 1] = VERSION
  new DataView(section.buffer).setUint32(0, checksum(section, id), true)
  return section
}

function checksum(section: Uint8Array, id: number): number {
  return crc32(section.subarray(4), id >>> 0)
}

/**
 * Bytes that RE2's flag i may take for other bytes than the letter's other case: those of characters beyond ASCII, and k and
 * s, which are also the Kelvin sign and the long s.
 */
const FREE = Uint8Array.from({ length: 256 }, (_, byte) => {
  return byte >= 0x80 || 'ks'.includes(String.fromCharCode(FOLDED[byte] as number)) ? 1 : 0
})
