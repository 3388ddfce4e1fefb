/**
 * A block to bytes and back, version 1. Three sections:
 *
 * - columns: the CRC-32 of the runs' stream keys (u32 LE), then for each run its entry count and its times, then, for
 *   all entries, line lengths, metadata lengths, levels.
 *   Times of a run are either (mode 0) the first as 8 bytes and the rest as differences, or (mode 1) 8 bytes each.
 * - metadata and text: the bytes of the block's columns of the same name.
 *
 * Counts and lengths are LEB128 varints. A section is a row of frames, so that a read of few streams decompresses only
 * theirs: how many (u32 LE), then for each its uncompressed length, its compressed length and the CRC-32 of its
 * compressed bytes, begun with the uncompressed length (u32 LE each), then the frames themselves, each by itself zstd.
 * An empty section has no bytes.
 * Which stream a run belongs to is kept by whoever keeps the block; the checksum of the keys tells a mistake there.
 */

import { promisify } from 'node:util'
import { constants, crc32, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib'
import { type Block, type StreamRun, startOf } from '../domain/block.ts'
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

const TABLE_ENTRY_BYTES = 12
const MODE_DELTAS = 0
const MODE_RAW = 1
/** Differences up to here are exact in a double; a run with a larger gap (104 days) is kept raw. */
const DELTA_MAX = Number.MAX_SAFE_INTEGER
/** A frame ends at the first run that takes it here: smaller ones compress worse, larger ones are read in vain. */
const FRAME_BYTES_MIN = 128 * 1024
/** A section that tells more than this was damaged: no block comes near. */
const SECTION_BYTES_MAX = 1024 * 1024 * 1024
/** Level 1 gives 3.5 to 6 times less; higher levels cost more time than they save disk. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

export function encodeBlock(block: Block): EncodedBlock {
  const { runs, lineEnds, metadataEnds } = block
  return {
    columns: packFrames(encodeColumns(block), []),
    metadata: packFrames(
      block.metadata,
      runs.map(({ end }) => metadataEnds[end - 1] as number),
    ),
    text: packFrames(
      block.text,
      runs.map(({ end }) => lineEnds[end - 1] as number),
    ),
  }
}

/**
 * Bytes back to a block. `streams` are the streams of its runs, in order. Throws store_damaged when a section is not
 * what was written.
 */
export function decodeBlock(encoded: EncodedBlock, streams: readonly RunStream[]): Block {
  const columns = decodeColumns(encoded.columns, streams)
  try {
    return { ...columns, ...unpackBoth(columns, encoded) }
  } catch (cause) {
    throw asDamage(cause)
  }
}

function unpackBoth(columns: Block, encoded: EncodedBlock): Pick<Block, 'metadata' | 'text'> {
  const unpack = (section: Uint8Array, ends: Uint32Array): Uint8Array => {
    const { bytes, frames } = openSection(section, ends.at(-1) ?? 0)
    for (const frame of frames) fill(bytes, frame, zstdDecompressSync(frame.data, frame.options))
    return bytes
  }
  return {
    metadata: unpack(encoded.metadata, columns.metadataEnds),
    text: unpack(encoded.text, columns.lineEnds),
  }
}

/**
 * The same for a read that wants only some runs (of those that decodeColumns gave, or parts of them): the lines and
 * metadata of other runs may be left as they are in memory, whatever that is. Decompresses beside the event loop.
 */
export async function decodeRuns(
  columns: Block,
  encoded: Pick<EncodedBlock, 'metadata' | 'text'>,
  runs: readonly StreamRun[],
): Promise<Block> {
  const unpack = async (section: Uint8Array, ends: Uint32Array): Promise<Uint8Array> => {
    const { bytes, frames } = openSection(section, ends.at(-1) ?? 0)
    const wanted = frames.filter(({ start, end }) =>
      runs.some((run) => startOf(ends, run.start) < end && (ends[run.end - 1] as number) > start),
    )
    await Promise.all(wanted.map(async (frame) => fill(bytes, frame, await decompress(frame.data, frame.options))))
    return bytes
  }
  try {
    const [metadata, text] = await Promise.all([
      unpack(encoded.metadata, columns.metadataEnds),
      unpack(encoded.text, columns.lineEnds),
    ])
    return { ...columns, metadata, text }
  } catch (cause) {
    throw asDamage(cause)
  }
}

/** The columns alone: a block with empty text and metadata. */
export function decodeColumns(section: Uint8Array, streams: readonly RunStream[]): Block {
  try {
    const { bytes, frames } = openSection(section, undefined)
    for (const frame of frames) fill(bytes, frame, zstdDecompressSync(frame.data, frame.options))
    return { ...parseColumns(bytes, streams), text: EMPTY, metadata: EMPTY }
  } catch (cause) {
    throw asDamage(cause)
  }
}

const EMPTY = new Uint8Array(0)
const decompress = promisify(zstdDecompress)

/** A frame of a section: where its bytes belong, and how to get them. */
interface Frame {
  readonly start: number
  readonly end: number
  readonly data: Uint8Array
  readonly options: { maxOutputLength: number; chunkSize: number }
}

/** Compresses in frames that end at one of the cuts, or at the end. */
function packFrames(raw: Uint8Array, cuts: readonly number[]): Uint8Array {
  if (raw.length === 0) return EMPTY
  const frames: { rawLength: number; data: Uint8Array }[] = []
  let start = 0
  for (const cut of [...cuts, raw.length]) {
    if (cut - start < FRAME_BYTES_MIN && cut < raw.length) continue
    if (cut > start)
      frames.push({ rawLength: cut - start, data: zstdCompressSync(raw.subarray(start, cut), ZSTD_OPTIONS) })
    start = cut
  }
  const tableBytes = 4 + frames.length * TABLE_ENTRY_BYTES
  const section = new Uint8Array(frames.reduce((sum, { data }) => sum + data.length, tableBytes))
  const table = new DataView(section.buffer)
  table.setUint32(0, frames.length, true)
  let at = tableBytes
  for (const [i, { rawLength, data }] of frames.entries()) {
    const entry = 4 + i * TABLE_ENTRY_BYTES
    table.setUint32(entry, rawLength, true)
    table.setUint32(entry + 4, data.length, true)
    table.setUint32(entry + 8, crc32(data, rawLength), true)
    section.set(data, at)
    at += data.length
  }
  return section
}

/** Reads a section's table: the bytes still to be filled, and the frames to fill them from. */
function openSection(section: Uint8Array, length: number | undefined): { bytes: Uint8Array; frames: Frame[] } {
  if (section.length === 0) {
    if (length !== undefined && length !== 0) throw damaged('a section is missing')
    return { bytes: EMPTY, frames: [] }
  }
  const table = new DataView(section.buffer, section.byteOffset, section.length)
  const count = section.length < 4 ? 0 : table.getUint32(0, true)
  let at = 4 + count * TABLE_ENTRY_BYTES
  if (count === 0 || at > section.length) throw damaged('a section is cut short')
  const frames: Frame[] = []
  let end = 0
  for (let i = 0; i < count; i++) {
    const entry = 4 + i * TABLE_ENTRY_BYTES
    const rawLength = table.getUint32(entry, true)
    const dataLength = table.getUint32(entry + 4, true)
    const data = section.subarray(at, at + dataLength)
    if (crc32(data, rawLength) !== table.getUint32(entry + 8, true)) throw damaged('its checksum is wrong')
    at += dataLength
    const options = { maxOutputLength: rawLength, chunkSize: Math.max(rawLength, 64) }
    frames.push({ start: end, end: end + rawLength, data, options })
    end += rawLength
  }
  if (at !== section.length || end > SECTION_BYTES_MAX || (length !== undefined && end !== length)) {
    throw damaged('a section has the wrong length')
  }
  return { bytes: Buffer.allocUnsafeSlow(end), frames }
}

function fill(bytes: Uint8Array, { start, end }: Frame, raw: Uint8Array): void {
  if (raw.length !== end - start) throw damaged('a frame has the wrong length')
  bytes.set(raw, start)
}

function damaged(what: string): GatewayError {
  return new GatewayError('store_damaged', `a stored block cannot be read: ${what}; restore the data from a backup`)
}

/** What zstd says of a frame with a right checksum and wrong bytes. */
function asDamage(cause: unknown): GatewayError {
  return cause instanceof GatewayError ? cause : damaged('a frame does not decompress')
}

function encodeColumns(block: Block): Uint8Array {
  // The widest case: 10 bytes a time, 5 bytes each for two lengths, a level, and a head for each run.
  const writer = new ByteWriter(4 + block.count * 21 + block.runs.length * 16)
  writer.word(keysChecksum(block.runs))
  for (const run of block.runs) encodeTimes(writer, block.timestamps, run)
  encodeLengths(writer, block.lineEnds, block.count)
  encodeLengths(writer, block.metadataEnds, block.count)
  writer.append(block.levels)
  return writer.bytes()
}

function keysChecksum(streams: readonly Pick<RunStream, 'key'>[]): number {
  return streams.reduce((checksum, { key }) => crc32(key, checksum), 0)
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

function parseColumns(bytes: Uint8Array, streams: readonly RunStream[]): Omit<Block, 'text' | 'metadata'> {
  const reader = new ByteReader(bytes)
  // An entry takes at least four bytes, which bounds what a damaged count can ask for.
  const capacity = Math.ceil(bytes.length / 4) + 1
  const scratch = makeNsColumn(capacity)
  if (reader.word() !== keysChecksum(streams)) throw damaged('its streams are not those it was written with')
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
  // More would not fit the column, and would be no rising ends any more.
  if (end > SECTION_BYTES_MAX) throw damaged('its lengths do not add up')
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
    this.word(words[2 * index] as number)
    this.word(words[2 * index + 1] as number)
  }

  word(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.#bytes[this.#at++] = (value >>> shift) & 0xff
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
    words[2 * index] = this.word()
    words[2 * index + 1] = this.word()
  }

  word(): number {
    let word = 0
    for (let shift = 0; shift < 32; shift += 8) word |= this.byte() << shift
    return word >>> 0
  }

  rest(): Uint8Array {
    return this.#bytes.slice(this.#at)
  }
}
