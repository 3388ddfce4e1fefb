/** Encodes entries of a batch as archive lines (see archive-lines.ts), in gzip members or zstd frames of bounded size. */

import { promisify } from 'node:util'
import { constants, gzip, zstdCompress } from 'node:zlib'
import type { Batch } from '../../domain/entries/batch.ts'
import { compareNs } from '../../domain/time.ts'
import { ArchiveLineWriter, streamHead } from './archive-line-writer.ts'

/** A gzip member or zstd frame with complete lines; concatenated members are a valid file. */
export interface ArchiveMember {
  readonly bytes: Uint8Array
  /** The number of entries, and the times of the oldest and the newest. */
  readonly entries: number
  readonly oldest: bigint
  readonly newest: bigint
  /** Uncompressed size of its lines. */
  readonly textBytes: number
}

export interface MemberLimits {
  /** A member of several entries that is larger is split in two and encoded again. */
  readonly memberBytesMax: number
  /** Bytes of lines at which a member ends. */
  readonly textBytesMax: number
  /** `gzip` by default. */
  readonly codec: Codec
}

/** `gzip` for what others deliver, `zstd` for what only compaction and reads of the gateway take. */
export type Codec = 'gzip' | 'zstd'

/** Ordinary logs compress to a sixth to a tenth, so a text of this size usually fits in a record. */
const TEXT_BYTES_MAX = 4 * 2 ** 20
/**
 * Measured on access logs: level 4 takes 30 % less time but gives 5 % more bytes, whose delivery and storage cost several
 * times as much as that time. Levels above 6 gain next to nothing.
 */
const GZIP_OPTIONS = { level: 6, memLevel: 9 }

const compressGzip = promisify(gzip)
const compressZstd = promisify(zstdCompress)

/** Level 1 of zstd gives 2 % more bytes than level 6 of gzip in a sixth of the CPU time: docs/decisions has the figures. */
function compress(codec: Codec, text: Uint8Array): Promise<Uint8Array> {
  if (codec === 'gzip') {
    return compressGzip(text, { ...GZIP_OPTIONS, chunkSize: Math.max(1024, Math.ceil(text.length / 4)) })
  }
  const params = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 }
  return compressZstd(text, { params, pledgedSrcSize: text.length })
}

/** Writers, each used by one encoding at a time, because its bytes must not change during compression. */
const idleWriters: ArchiveLineWriter[] = []
const IDLE_WRITERS_MAX = 4

/**
 * Encodes the entries of the batch with these indexes, in this order (entries of one stream together compress best).
 * A member is larger than `memberBytesMax` only when it holds a single entry. The batch must stay as it is until the
 * promise settles.
 */
export async function encodeArchive(
  batch: Batch,
  entries: Uint32Array,
  limits: Pick<MemberLimits, 'memberBytesMax'> & Partial<MemberLimits>,
): Promise<ArchiveMember[]> {
  const { memberBytesMax, textBytesMax = TEXT_BYTES_MAX, codec = 'gzip' } = limits
  const writer = idleWriters.pop() ?? new ArchiveLineWriter()
  try {
    const task: Task = { batch, entries, memberBytesMax, codec, heads: [], writer }
    const members: ArchiveMember[] = []
    let start = 0
    while (start < entries.length) {
      const end = writeLines(task, start, entries.length, textBytesMax)
      members.push(...(await compressLines(task, start, end)))
      start = end
    }
    return members
  } finally {
    if (idleWriters.length < IDLE_WRITERS_MAX && writer.isWorthKeeping) idleWriters.push(writer)
  }
}

interface Task {
  readonly batch: Batch
  readonly entries: Uint32Array
  readonly memberBytesMax: number
  readonly codec: Codec
  /** The common part of all lines of a stream, by its index in the batch. */
  readonly heads: Uint8Array[]
  readonly writer: ArchiveLineWriter
}

/** Writes lines from `start` up to `textBytesMax` bytes, at least one; returns where it stopped. */
function writeLines({ batch, entries, heads, writer }: Task, start: number, end: number, textBytesMax: number): number {
  writer.clear()
  let at = start
  while (at < end && writer.length < textBytesMax) {
    const entry = entries[at] as number
    const index = batch.streamIndexes[entry] as number
    heads[index] ??= streamHead(batch.tenant, batch.streams[index]?.labels ?? [])
    writer.write(batch, entry, heads[index])
    at++
  }
  return at
}

/** Compresses the written lines of [start, end); writes and compresses halves while the result is too large. */
async function compressLines(task: Task, start: number, end: number): Promise<ArchiveMember[]> {
  const text = task.writer.bytes
  const textBytes = text.length
  const bytes = await compress(task.codec, text)
  if (bytes.length <= task.memberBytesMax || end - start === 1) {
    return [{ bytes, entries: end - start, ...timesOf(task, start, end), textBytes }]
  }
  const middle = start + ((end - start) >>> 1)
  writeLines(task, start, middle, Number.POSITIVE_INFINITY)
  const first = await compressLines(task, start, middle)
  writeLines(task, middle, end, Number.POSITIVE_INFINITY)
  return [...first, ...(await compressLines(task, middle, end))]
}

function timesOf({ batch, entries }: Task, start: number, end: number): { oldest: bigint; newest: bigint } {
  const { timestamps } = batch
  let oldest = entries[start] as number
  let newest = oldest
  for (let i = start + 1; i < end; i++) {
    const entry = entries[i] as number
    if (compareNs(timestamps, entry, timestamps, oldest) < 0) oldest = entry
    if (compareNs(timestamps, entry, timestamps, newest) > 0) newest = entry
  }
  return { oldest: timestamps.values[oldest] as bigint, newest: timestamps.values[newest] as bigint }
}
