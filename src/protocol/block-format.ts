/**
 * A block to bytes and back, version 1. Three sections, each by itself zstd-compressed and checked:
 *
 * - columns: for each run its entry count, its times and then, for all entries, line lengths, metadata lengths, levels.
 *   Times of a run are either (mode 0) the first as 8 bytes and the rest as differences, or (mode 1) 8 bytes each.
 * - metadata and text: the bytes of the block's columns of the same name.
 *
 * Counts and lengths are LEB128 varints. A section is: uncompressed length (u32 LE), CRC-32 of what follows (u32 LE),
 * zstd frame. Which stream a run belongs to is kept by whoever keeps the block.
 */

import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Block, StreamRun } from '../domain/block.ts'
import { GatewayError } from '../domain/errors.ts'
import { makeNsColumn, type NsColumn } from '../domain/time.ts'

export const BLOCK_FORMAT = 1

export interface EncodedBlock {
  readonly columns: Uint8Array
  readonly metadata: Uint8Array
  readonly text: Uint8Array
}

/** A run of an encoded block still needs its stream: the key and labels that the caller kept. */
export type RunStream = Pick<StreamRun, 'key' | 'labels'>

const HEADER_BYTES = 8
const MODE_DELTAS = 0
const MODE_RAW = 1
/** Differences up to here are exact in a double; a run with a larger gap (104 days) is kept raw. */
const DELTA_MAX = Number.MAX_SAFE_INTEGER
/** Level 1 gives 3.5 to 6 times less; higher levels cost more time than they save disk. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

export function encodeBlock(block: Block): EncodedBlock {
  return { columns: pack(encodeColumns(block)), metadata: pack(block.metadata), text: pack(block.text) }
}

/**
 * Bytes back to a block. `streams` are the streams of its runs, in order. Without `text` and `metadata` the block has
 * columns only. Throws store_damaged when a section is not what was written.
 */
export function decodeBlock(
  encoded: { columns: Uint8Array; metadata?: Uint8Array; text?: Uint8Array },
  streams: readonly RunStream[],
): Block {
  const columns = decodeColumns(unpack(encoded.columns), streams)
  const text = encoded.text === undefined ? EMPTY : unpack(encoded.text)
  const metadata = encoded.metadata === undefined ? EMPTY : unpack(encoded.metadata)
  const last = columns.count - 1
  if (encoded.text !== undefined && columns.lineEnds[last] !== text.length) throw damaged('its lines do not add up')
  if (encoded.metadata !== undefined && columns.metadataEnds[last] !== metadata.length) {
    throw damaged('its metadata does not add up')
  }
  return { ...columns, text, metadata }
}

const EMPTY = new Uint8Array(0)

function pack(raw: Uint8Array): Uint8Array {
  if (raw.length === 0) return EMPTY
  const frame = zstdCompressSync(raw, ZSTD_OPTIONS)
  const section = new Uint8Array(HEADER_BYTES + frame.length)
  const header = new DataView(section.buffer)
  header.setUint32(0, raw.length, true)
  header.setUint32(4, crc32(frame), true)
  section.set(frame, HEADER_BYTES)
  return section
}

function unpack(section: Uint8Array): Uint8Array {
  if (section.length === 0) return EMPTY
  if (section.length < HEADER_BYTES) throw damaged('a section is cut short')
  const header = new DataView(section.buffer, section.byteOffset)
  const rawLength = header.getUint32(0, true)
  const frame = section.subarray(HEADER_BYTES)
  if (crc32(frame) !== header.getUint32(4, true)) throw damaged('its checksum is wrong')
  const raw = zstdDecompressSync(frame, { maxOutputLength: rawLength, chunkSize: Math.max(rawLength, 64) })
  if (raw.length !== rawLength) throw damaged('a section has the wrong length')
  return raw
}

function damaged(what: string): GatewayError {
  return new GatewayError('store_damaged', `a stored block cannot be read: ${what}; restore the data from a backup`)
}

function encodeColumns(block: Block): Uint8Array {
  // The widest case: 10 bytes a time, 5 bytes each for two lengths, a level, and a head for each run.
  const writer = new ByteWriter(block.count * 21 + block.runs.length * 16)
  for (const run of block.runs) encodeTimes(writer, block.timestamps, run)
  encodeLengths(writer, block.lineEnds, block.count)
  encodeLengths(writer, block.metadataEnds, block.count)
  writer.append(block.levels)
  return writer.bytes()
}

function encodeTimes(writer: ByteWriter, times: NsColumn, { start, end }: StreamRun): void {
  writer.varint(end - start)
  const isRaw = hasLargeGap(times, start, end)
  writer.byte(isRaw ? MODE_RAW : MODE_DELTAS)
  writer.words(times, start)
  for (let i = start + 1; i < end; i++) {
    if (isRaw) writer.words(times, i)
    else writer.varint(difference(times, i))
  }
}

function hasLargeGap(times: NsColumn, start: number, end: number): boolean {
  for (let i = start + 1; i < end; i++) if (difference(times, i) > DELTA_MAX) return true
  return false
}

/** Nanoseconds from the entry before to this one; exact while it is at most DELTA_MAX. */
function difference({ words }: NsColumn, i: number): number {
  const high = ((words[2 * i + 1] as number) | 0) - ((words[2 * i - 1] as number) | 0)
  return high * 4294967296 + ((words[2 * i] as number) - (words[2 * i - 2] as number))
}

function encodeLengths(writer: ByteWriter, ends: Uint32Array, count: number): void {
  let before = 0
  for (let i = 0; i < count; i++) {
    writer.varint((ends[i] as number) - before)
    before = ends[i] as number
  }
}

function decodeColumns(bytes: Uint8Array, streams: readonly RunStream[]): Omit<Block, 'text' | 'metadata'> {
  const reader = new ByteReader(bytes)
  // An entry takes at least four bytes, which bounds what a damaged count can ask for.
  const capacity = Math.ceil(bytes.length / 4) + 1
  const scratch = makeNsColumn(capacity)
  const runs: StreamRun[] = []
  let count = 0
  for (const stream of streams) {
    const start = count
    count += reader.varint()
    if (count > capacity) throw damaged('it tells more entries than it can hold')
    decodeTimes(reader, scratch, start, count)
    runs.push({ key: stream.key, labels: stream.labels, start, end: count })
  }
  const lineEnds = decodeLengths(reader, count)
  const metadataEnds = decodeLengths(reader, count)
  const levels = reader.rest()
  if (levels.length !== count) throw damaged('its columns do not add up')
  const timestamps = { values: scratch.values.subarray(0, count), words: scratch.words.subarray(0, 2 * count) }
  return { runs, count, timestamps, levels, lineEnds, metadataEnds }
}

function decodeTimes(reader: ByteReader, { words }: NsColumn, start: number, end: number): void {
  if (end === start) throw damaged('a run is empty')
  const isRaw = reader.byte() === MODE_RAW
  reader.words(words, start)
  for (let i = start + 1; i < end; i++) {
    if (isRaw) {
      reader.words(words, i)
      continue
    }
    const delta = reader.varint()
    const low = (words[2 * i - 2] as number) + (delta % 4294967296)
    words[2 * i] = low
    words[2 * i + 1] = (words[2 * i - 1] as number) + Math.floor(delta / 4294967296) + (low > 4294967295 ? 1 : 0)
  }
}

function decodeLengths(reader: ByteReader, count: number): Uint32Array {
  const ends = new Uint32Array(count)
  let end = 0
  for (let i = 0; i < count; i++) {
    end += reader.varint()
    ends[i] = end
  }
  return ends
}

class ByteWriter {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity)
  }

  byte(value: number): void {
    this.#bytes[this.#at++] = value
  }

  /** Whole numbers up to 2^53. */
  varint(value: number): void {
    let rest = value
    while (rest >= 0x10000000) {
      this.#bytes[this.#at++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#at++] = rest
  }

  words({ words }: NsColumn, index: number): void {
    for (const word of [words[2 * index] as number, words[2 * index + 1] as number]) {
      for (let shift = 0; shift < 32; shift += 8) this.#bytes[this.#at++] = (word >>> shift) & 0xff
    }
  }

  append(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }
}

class ByteReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw damaged('its columns are cut short')
    return byte
  }

  varint(): number {
    let value = 0
    let factor = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      factor *= 128
      if (factor > 2 ** 56) throw damaged('a number in it has no end')
    }
  }

  words(words: Uint32Array, index: number): void {
    for (let half = 0; half < 2; half++) {
      let word = 0
      for (let shift = 0; shift < 32; shift += 8) word |= this.byte() << shift
      words[2 * index + half] = word
    }
  }

  rest(): Uint8Array {
    return this.#bytes.slice(this.#at)
  }
}
