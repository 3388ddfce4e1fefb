/**
 * The block of a recent item with its streams, as the bytes of one attribute: a byte 1 for the version, three zeros, the
 * lengths (u32 LE) of the streams, the columns and the metadata, then these sections and the text. The streams are zstd
 * over the JSON of each run's labels, `[[["name","value"],…],…]`; the other sections come from
 * protocol/blocks/block-format.ts.
 */

import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib'
import type { Block } from '../../domain/entries/block.ts'
import { buildBlocks } from '../../domain/entries/block-builder.ts'
import type { EntryOrder } from '../../domain/entries/entry-order.ts'
import { GatewayError } from '../../domain/errors.ts'
import { formatLabels, type Labels } from '../../domain/labels.ts'
import { decodeBlock, encodeCompactBlock, type RunStream } from '../../protocol/blocks/block-format.ts'

/** DynamoDB limits items to 400 KB, including keys and attribute names. */
export const PACKED_BYTES_MAX = 390_000

const VERSION = 1
const HEAD_BYTES = 16
/** Maximum size of the label sets of a block when reading; the limits of a push are far lower. */
const STREAMS_BYTES_MAX = 64 * 2 ** 20
/** Usually compresses to half the limit of an item; a block that does not fit is split again. */
const BLOCK_BYTES_TARGET = 1024 * 1024

const compress = promisify(zstdCompress)

/** A block that fits in an item. */
export interface PackedBlock {
  readonly block: Block
  readonly packed: Uint8Array
}

/** Packs the entries, in order, as blocks that fit in an item each. Rejects with body_too_large if an entry does not fit. */
export async function packRecentBlocks(order: EntryOrder, bytesTarget = BLOCK_BYTES_TARGET): Promise<PackedBlock[]> {
  const packs: PackedBlock[] = []
  for (const block of buildBlocks(order, bytesTarget)) packs.push({ block, packed: await packRecentBlock(block) })
  if (packs.every(({ packed }) => packed.length <= PACKED_BYTES_MAX)) return packs
  if (bytesTarget <= 1) {
    throw new GatewayError('body_too_large', 'an entry is too large for a recent item; send shorter lines')
  }
  return packRecentBlocks(order, Math.floor(bytesTarget / 4))
}

export async function packRecentBlock(block: Block): Promise<Uint8Array> {
  const labels = block.runs.map((run) => run.labels.map(({ name, value }) => [name, value]))
  const [streams, { columns, metadata, text }] = await Promise.all([
    compressStreams(Buffer.from(JSON.stringify(labels))),
    encodeCompactBlock(block),
  ])
  const head = new Uint8Array(HEAD_BYTES)
  head[0] = VERSION
  const view = new DataView(head.buffer)
  for (const [i, section] of [streams, columns, metadata].entries()) view.setUint32(4 + i * 4, section.length, true)
  return Buffer.concat([head, streams, columns, metadata, text])
}

function compressStreams(text: Uint8Array): Promise<Uint8Array> {
  return compress(text, { params: { [constants.ZSTD_c_compressionLevel]: 1 }, pledgedSrcSize: text.length })
}

/** Unpacks the result of packRecentBlocks. Throws store_damaged for other bytes. */
export function unpackRecentBlock(packed: Uint8Array): Block {
  if (packed.length < HEAD_BYTES || packed[0] !== VERSION) throw damaged('it does not start like a recent block')
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length)
  const ends = [0, 1, 2].map((i) => view.getUint32(4 + i * 4, true))
  const [streamsEnd = 0, columnsEnd = 0, metadataEnd = 0] = ends.map((_, i) =>
    ends.slice(0, i + 1).reduce((sum, length) => sum + length, HEAD_BYTES),
  )
  if (metadataEnd > packed.length) throw damaged('it is truncated')
  const encoded = {
    columns: packed.subarray(streamsEnd, columnsEnd),
    metadata: packed.subarray(columnsEnd, metadataEnd),
    text: packed.subarray(metadataEnd),
  }
  return decodeBlock(encoded, readStreams(packed.subarray(HEAD_BYTES, streamsEnd)))
}

function readStreams(section: Uint8Array): RunStream[] {
  let streams: unknown
  try {
    streams = JSON.parse(zstdDecompressSync(section, { maxOutputLength: STREAMS_BYTES_MAX }).toString())
  } catch (cause) {
    throw damaged('its streams cannot be decompressed', cause)
  }
  if (!Array.isArray(streams)) throw damaged('its streams are not a list')
  return streams.map((pairs) => {
    const labels = readLabels(pairs)
    return { key: formatLabels(labels), labels }
  })
}

function readLabels(pairs: unknown): Labels {
  if (!Array.isArray(pairs)) throw damaged('a stream is not a list of labels')
  return pairs.map((pair) => {
    const [name, value] = Array.isArray(pair) ? (pair as unknown[]) : []
    if (typeof name !== 'string' || typeof value !== 'string') throw damaged('a label is not a pair of texts')
    return { name, value }
  })
}

function damaged(what: string, cause?: unknown): GatewayError {
  return new GatewayError('store_damaged', `a recent item cannot be read: ${what}; delete it to read without it`, {
    cause,
  })
}
