/**
 * Encodes and decodes blocks, version 1. Three sections:
 *
 * - columns: 32-bit numbers, one column after another, so that parsing costs little more than decompression: the CRC-32
 *   of the runs' stream keys, the number of entries, the length of each run; then, for all entries, the low and the
 *   high halves of the difference from the time of the previous entry in the run (modulo 2^64; from 0 for the first
 *   entry), the line lengths, the metadata lengths; finally the levels, one byte each.
 * - metadata and text: the bytes of the block's columns of the same name.
 *
 * All numbers are little-endian, like the memory of every platform that Node runs on. A section is a sequence of
 * frames, so that a read of few streams decompresses only their frames: the number of frames (u32 LE), then for each
 * frame its uncompressed length, its compressed length and the CRC-32 of its compressed bytes seeded with the
 * uncompressed length (u32 LE each), then the frames themselves, each a separate zstd frame, with tiny contents stored
 * uncompressed in it. An empty section has no bytes. The streams of the runs are stored outside the block; the checksum of the keys detects a mismatch.
 */

import { promisify } from 'node:util'
import {
  constants,
  crc32,
  type ZstdOptions,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
} from 'node:zlib'
import { type Block, type StreamRun, startOf } from '../../domain/entries/block.ts'
import { GatewayError } from '../../domain/errors.ts'
import { type NsColumn, nsColumnOf } from '../../domain/time.ts'
import { STORED_BYTES_LIMIT, storedContents, storeFrame } from './stored-frame.ts'

export const BLOCK_FORMAT = 1

export interface EncodedBlock {
  readonly columns: Uint8Array
  readonly metadata: Uint8Array
  readonly text: Uint8Array
}

/** A run of an encoded block, whose stream key and labels the caller has. */
export type RunStream = Pick<StreamRun, 'key' | 'labels'>

const TABLE_ENTRY_BYTES = 12
/** Columns of 32 bits for each entry: two halves of the time, two lengths. */
const ENTRY_WORDS = 4
/** A section with a larger declared size is damaged: no block comes close. */
const SECTION_BYTES_MAX = 1024 * 1024 * 1024
/** For disks: level 1 compresses by a factor of 3.5 to 6; higher levels cost more time than they save. */
const QUICK_LEVEL = 1
/** A frame ends at the first run that reaches this size: smaller frames compress worse, larger ones waste reads. */
const FRAME_BYTES_MIN = 128 * 1024
/**
 * For storage billed per kilobyte: level 12 is a fifth smaller than level 1 at 39 MB/s instead of 145, measured on the lines
 * of the benchmarks; higher levels gain little and take many times as long.
 */
const COMPACT_LEVEL = 12
/** Below this size compression takes less time than starting another thread. */
const COMPACT_SYNC_BYTES_MAX = 16 * 1024

/** Encodes for reads of some runs. */
export function encodeBlock(block: Block): EncodedBlock {
  const { runs, lineEnds, metadataEnds } = block
  const encodeSection = (raw: Uint8Array, ends?: Uint32Array): Uint8Array => {
    const frames = cutFrames(raw, ends === undefined ? [] : runs.map(({ end }) => ends[end - 1] as number))
    return packSection(
      frames,
      frames.map((frame) => compressQuick(frame)),
    )
  }
  return {
    columns: encodeSection(encodeColumns(block)),
    metadata: encodeSection(block.metadata, metadataEnds),
    text: encodeSection(block.text, lineEnds),
  }
}

/** Encodes as small as possible, with one frame per section; compresses off the event loop, because it is slow. */
export async function encodeCompactBlock(block: Block): Promise<EncodedBlock> {
  const encodeSection = async (raw: Uint8Array): Promise<Uint8Array> =>
    raw.length === 0 ? EMPTY : packSection([raw], [await compressCompact(raw)])
  const sections = [encodeColumns(block), block.metadata, block.text] as const
  const [columns, metadata, text] = await Promise.all(sections.map(encodeSection))
  return { columns: columns as Uint8Array, metadata: metadata as Uint8Array, text: text as Uint8Array }
}

/**
 * Decodes a block. `streams` are the streams of its runs, in order. Throws store_damaged if a section is damaged.
 */
export function decodeBlock(encoded: EncodedBlock, streams: readonly RunStream[]): Block {
  const columns = decodeColumns(encoded.columns, streams)
  return {
    ...columns,
    metadata: unpackSection(encoded.metadata, columns.metadataEnds.at(-1) ?? 0),
    text: unpackSection(encoded.text, columns.lineEnds.at(-1) ?? 0),
  }
}

/**
 * Allocates uninitialised memory for a section, at least as long as requested, and aligned to 8 in its ArrayBuffer.
 */
export type Allocate = (bytes: number) => Uint8Array

/**
 * The same for a read of only some runs (from decodeColumns, or parts of them): metadata and lines are decompressed on
 * first access, and only for these runs; the bytes of other runs are undefined. The checksums for these runs are verified
 * immediately: throws store_damaged.
 */
export class PartialBlock implements Block {
  readonly runs: readonly StreamRun[]
  readonly count: number
  readonly timestamps: NsColumn
  readonly levels: Uint8Array
  readonly lineEnds: Uint32Array
  readonly metadataEnds: Uint32Array
  readonly #text: LazySection
  readonly #metadata: LazySection

  constructor(
    columns: Block,
    encoded: Pick<EncodedBlock, 'metadata' | 'text'>,
    wanted: readonly StreamRun[],
    allocate: Allocate,
  ) {
    this.runs = columns.runs
    this.count = columns.count
    this.timestamps = columns.timestamps
    this.levels = columns.levels
    this.lineEnds = columns.lineEnds
    this.metadataEnds = columns.metadataEnds
    this.#text = new LazySection(encoded.text, columns.lineEnds, wanted, allocate)
    this.#metadata = new LazySection(encoded.metadata, columns.metadataEnds, wanted, allocate)
  }

  get text(): Uint8Array {
    return this.#text.bytes
  }

  get metadata(): Uint8Array {
    return this.#metadata.bytes
  }

  /**
   * Decompresses the lines off the event loop, a frame at a time, for callers that read all of them. Rejects with
   * store_damaged.
   */
  loadText(): Promise<void> {
    return this.#text.load()
  }

  /**
   * Decompresses one frame that loadText has not started, synchronously, for a caller that would otherwise wait; false if
   * there is none. Throws store_damaged.
   */
  helpLoadText(): boolean {
    return this.#text.help()
  }
}

/** A section whose frames with requested runs are decompressed once. */
class LazySection {
  readonly #length: number
  readonly #frames: readonly Frame[]
  readonly #allocate: Allocate
  #bytes: Uint8Array | undefined
  /** During loading: the destination, and the frames that are not started. */
  #target: Uint8Array = EMPTY
  #waiting: Frame[] = []

  constructor(section: Uint8Array, ends: Uint32Array, wanted: readonly StreamRun[], allocate: Allocate) {
    const { length, frames } = openSection(section, ends.at(-1) ?? 0, (start, end) =>
      wanted.some((run) => startOf(ends, run.start) < end && (ends[run.end - 1] as number) > start),
    )
    this.#length = length
    this.#frames = frames
    this.#allocate = allocate
  }

  get bytes(): Uint8Array {
    if (this.#bytes !== undefined) return this.#bytes
    const bytes = this.#length === 0 ? EMPTY : this.#allocate(this.#length).subarray(0, this.#length)
    for (const frame of this.#frames) decompressInto(bytes, frame)
    this.#bytes = bytes
    return bytes
  }

  async load(): Promise<void> {
    if (this.#length === 0) return
    this.#target = this.#allocate(this.#length).subarray(0, this.#length)
    this.#waiting = [...this.#frames]
    try {
      for (let frame = this.#waiting.shift(); frame !== undefined; frame = this.#waiting.shift()) {
        if (!copyStored(this.#target, frame)) fill(this.#target, frame, await decompress(frame.data, frame.options))
      }
    } catch (cause) {
      throw asDamage(cause)
    }
    this.#bytes = this.#target
  }

  help(): boolean {
    const frame = this.#waiting.shift()
    if (frame === undefined) return false
    decompressInto(this.#target, frame)
    return true
  }
}

/** Decodes only the columns: a block with empty text and metadata. */
export function decodeColumns(section: Uint8Array, streams: readonly RunStream[], allocate: Allocate = fresh): Block {
  const bytes = unpackSection(section, undefined, allocate)
  return { ...parseColumns(bytes, streams, allocate), text: EMPTY, metadata: EMPTY }
}

/** Decodes a block without its lines, whose lengths are known: its text is empty. Throws like decodeBlock. */
export function decodeWithoutText(encoded: Omit<EncodedBlock, 'text'>, streams: readonly RunStream[]): Block {
  const columns = decodeColumns(encoded.columns, streams)
  return { ...columns, metadata: unpackSection(encoded.metadata, columns.metadataEnds.at(-1) ?? 0) }
}

/** Frees the memory of bytes that own their ArrayBuffer; they become empty. */
export function discard(bytes: Uint8Array): void {
  // Left to the garbage collector, megabytes of external memory would trigger it repeatedly.
  ;(bytes.buffer as ArrayBuffer).transfer(0)
}

function fresh(bytes: number): Uint8Array {
  return Buffer.allocUnsafeSlow(bytes)
}

/** All bytes of a section, checked against `length` if known. */
function unpackSection(section: Uint8Array, length: number | undefined, allocate: Allocate = fresh): Uint8Array {
  const { length: size, frames } = openSection(section, length)
  const bytes = size === 0 ? EMPTY : allocate(size).subarray(0, size)
  for (const frame of frames) decompressInto(bytes, frame)
  return bytes
}

const EMPTY = new Uint8Array(0)
const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** A frame of a section: the position of its bytes, and how to decompress them. */
interface Frame {
  readonly start: number
  readonly end: number
  readonly data: Uint8Array
  readonly options: { maxOutputLength: number; chunkSize: number }
}

/** Pieces that end at one of the cuts, or at the end. */
function cutFrames(raw: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const frames: Uint8Array[] = []
  let start = 0
  for (const cut of [...cuts, raw.length]) {
    if (cut - start < FRAME_BYTES_MIN && cut < raw.length) continue
    if (cut > start) frames.push(raw.subarray(start, cut))
    start = cut
  }
  return frames
}

function compressQuick(raw: Uint8Array): Uint8Array {
  return raw.length < STORED_BYTES_LIMIT ? storeFrame(raw) : zstdCompressSync(raw, levelOf(QUICK_LEVEL))
}

function compressCompact(raw: Uint8Array): Uint8Array | Promise<Uint8Array> {
  // Without the size zstd allocates tables for the largest window: 50 ms for any input.
  const options = { ...levelOf(COMPACT_LEVEL), pledgedSrcSize: raw.length }
  return raw.length <= COMPACT_SYNC_BYTES_MAX ? zstdCompressSync(raw, options) : compress(raw, options)
}

function levelOf(level: number): ZstdOptions {
  return { params: { [constants.ZSTD_c_compressionLevel]: level } }
}

/** The section of these frames, whose compressed bytes are `data`. */
function packSection(frames: readonly Uint8Array[], data: readonly Uint8Array[]): Uint8Array {
  if (frames.length === 0) return EMPTY
  const tableBytes = 4 + frames.length * TABLE_ENTRY_BYTES
  const section = new Uint8Array(data.reduce((sum, { length }) => sum + length, tableBytes))
  const table = new DataView(section.buffer)
  table.setUint32(0, frames.length, true)
  let at = tableBytes
  for (const [i, bytes] of data.entries()) {
    const rawLength = (frames[i] as Uint8Array).length
    const entry = 4 + i * TABLE_ENTRY_BYTES
    table.setUint32(entry, rawLength, true)
    table.setUint32(entry + 4, bytes.length, true)
    table.setUint32(entry + 8, crc32(bytes, rawLength), true)
    section.set(bytes, at)
    at += bytes.length
  }
  return section
}

/**
 * Reads the table of a section: its size, and the frames of the requested bytes, whose checksums it verifies.
 */
function openSection(
  section: Uint8Array,
  length: number | undefined,
  isWanted: (start: number, end: number) => boolean = () => true,
): { length: number; frames: Frame[] } {
  if (section.length === 0) {
    if (length !== undefined && length !== 0) throw damaged('a section is missing')
    return { length: 0, frames: [] }
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
    if (isWanted(end, end + rawLength)) {
      const data = section.subarray(at, at + dataLength)
      if (crc32(data, rawLength) !== table.getUint32(entry + 8, true)) throw damaged('its checksum is wrong')
      // One byte more than needed, because zlib allocates another buffer when one is full. At least the pool size, so that it is not a slice of the pool.
      const options = { maxOutputLength: rawLength, chunkSize: Math.max(rawLength + 1, Buffer.poolSize) }
      frames.push({ start: end, end: end + rawLength, data, options })
    }
    at += dataLength
    end += rawLength
  }
  if (at !== section.length || end > SECTION_BYTES_MAX || (length !== undefined && end !== length)) {
    throw damaged('a section has the wrong length')
  }
  return { length: end, frames }
}

/** Copies the contents of a frame that holds them uncompressed; false for other frames. */
function copyStored(bytes: Uint8Array, { start, end, data }: Frame): boolean {
  const contents = storedContents(data, end - start)
  if (contents === undefined) return false
  bytes.set(contents, start)
  return true
}

function decompressInto(bytes: Uint8Array, frame: Frame): void {
  if (copyStored(bytes, frame)) return
  try {
    fill(bytes, frame, zstdDecompressSync(frame.data, frame.options))
  } catch (cause) {
    throw asDamage(cause)
  }
}

/** `raw` is zstd's output, and is freed afterwards. */
function fill(bytes: Uint8Array, { start, end, options }: Frame, raw: Uint8Array): void {
  if (raw.length !== end - start) throw damaged('a frame has the wrong length')
  bytes.set(raw, start)
  if (raw.buffer.byteLength === options.chunkSize) discard(raw)
}

function damaged(what: string): GatewayError {
  return new GatewayError(
    'store_damaged',
    `a stored block cannot be read: ${what}; restore the data from a backup, or run 'millrace repair'`,
  )
}

/** The error for a frame with a valid checksum that cannot be decompressed. */
function asDamage(cause: unknown): GatewayError {
  return cause instanceof GatewayError ? cause : damaged('a frame cannot be decompressed')
}

function encodeColumns(block: Block): Uint8Array {
  const { runs, count, levels } = block
  const headWords = 2 + runs.length
  const words = new Uint32Array(headWords + count * ENTRY_WORDS + Math.ceil(count / 4))
  words[0] = keysChecksum(runs)
  words[1] = count
  for (const [i, { start, end }] of runs.entries()) words[2 + i] = end - start
  const column = (i: number): Uint32Array => words.subarray(headWords + i * count, headWords + (i + 1) * count)
  for (const run of runs) encodeTimes(block.timestamps, run, column(0), column(1))
  encodeLengths(block.lineEnds, column(2))
  encodeLengths(block.metadataEnds, column(3))
  const bytes = new Uint8Array(words.buffer, 0, (headWords + count * ENTRY_WORDS) * 4 + count)
  bytes.set(levels, bytes.length - count)
  return bytes
}

function keysChecksum(streams: readonly Pick<RunStream, 'key'>[]): number {
  return streams.reduce((checksum, { key }) => crc32(key, checksum), 0)
}

function encodeTimes({ words }: NsColumn, { start, end }: StreamRun, lows: Uint32Array, highs: Uint32Array): void {
  let low = 0
  let high = 0
  for (let i = start; i < end; i++) {
    const nextLow = words[2 * i] as number
    const nextHigh = words[2 * i + 1] as number
    // The columns have 32 bits: negative values wrap around, and wrap back when added.
    lows[i] = nextLow - low
    highs[i] = nextHigh - high - (nextLow < low ? 1 : 0)
    low = nextLow
    high = nextHigh
  }
}

function encodeLengths(ends: Uint32Array, lengths: Uint32Array): void {
  let before = 0
  for (let i = 0; i < lengths.length; i++) {
    lengths[i] = (ends[i] as number) - before
    before = ends[i] as number
  }
}

/** Views the columns in place: `bytes` must be aligned to 4 and not shared. */
function parseColumns(
  bytes: Uint8Array,
  streams: readonly RunStream[],
  allocate: Allocate,
): Omit<Block, 'text' | 'metadata'> {
  const headWords = 2 + streams.length
  if (bytes.length < headWords * 4) throw damaged('its columns are cut short')
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4))
  const count = words[1] as number
  if (words[0] !== keysChecksum(streams)) throw damaged('its streams are not those it was written with')
  if (bytes.length !== headWords * 4 + count * (ENTRY_WORDS * 4 + 1)) throw damaged('its columns do not add up')
  const column = (i: number): Uint32Array => words.subarray(headWords + i * count, headWords + (i + 1) * count)
  const times = allocate(count * 8)
  const timestamps = nsColumnOf(new BigInt64Array(times.buffer as ArrayBuffer, times.byteOffset, count))
  const runs: StreamRun[] = []
  let start = 0
  for (const [i, { key, labels }] of streams.entries()) {
    const end = start + (words[2 + i] as number)
    if (end === start || end > count) throw damaged('its runs do not add up')
    decodeTimes(column(0), column(1), start, end, timestamps)
    runs.push({ key, labels, start, end })
    start = end
  }
  if (start !== count) throw damaged('its runs do not add up')
  const levels = bytes.subarray(bytes.length - count)
  return {
    runs,
    count,
    timestamps,
    levels,
    lineEnds: toEnds(column(2)),
    metadataEnds: toEnds(column(3)),
  }
}

function decodeTimes(lows: Uint32Array, highs: Uint32Array, start: number, end: number, { words }: NsColumn): void {
  let low = 0
  let high = 0
  for (let i = start; i < end; i++) {
    const sum = low + (lows[i] as number)
    low = sum >>> 0
    high = (high + (highs[i] as number) + (sum > 0xffffffff ? 1 : 0)) >>> 0
    words[2 * i] = low
    words[2 * i + 1] = high
  }
}

/** Converts lengths to ends, in place. */
function toEnds(lengths: Uint32Array): Uint32Array {
  let end = 0
  for (let i = 0; i < lengths.length; i++) {
    end += lengths[i] as number
    lengths[i] = end
  }
  // A larger sum would overflow the column.
  if (end > SECTION_BYTES_MAX) throw damaged('its lengths do not add up')
  return lengths
}
