/** Reads rows of the direct path and their objects into one local file of archive lines, in the order of arrival. */

import { appendFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import type { Batch } from '../../../domain/entries/batch.ts'
import { batchOfBlock } from '../../../domain/entries/block-builder.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { ArchiveArrivals, ArrivalRange, GatheredArrivals } from '../../../ports/archive.ts'
import { encodeArchive } from '../../../protocol/archive/archive-encode.ts'
import { contentHash } from '../../../protocol/archive/archive-names.ts'
import type { ArchiveBucket } from '../archive-bucket.ts'
import { decodeText } from '../read/object-loader.ts'
import { unpackRecentBlock } from '../recent-block.ts'
import type { ArrivedRows, FoundRow } from './arrived-rows.ts'
import type { DynamoManifest } from './dynamo-manifest.ts'
import { shardsAt } from './row-shards.ts'

export interface GatherParts {
  readonly rows: Pick<ArrivedRows, 'all'>
  readonly manifest: Pick<DynamoManifest, 'state'>
  readonly bucket: Pick<ArchiveBucket, 'get' | 'put'>
  /** What cannot be read was left out, and is an object under `bad/`. */
  damaged(name: string, why: string): void
  /** A name that no other file has. */
  makeName(): string
}

export interface GatherSettings {
  readonly prefix: string
  /** A folder for local files, which exists. */
  readonly folder: string
}

/** Rows read at the same time: their objects have a few megabytes each. */
const ROWS_AT_ONCE = 8
const OBJECT_TEXT_BYTES_MAX = 256 * 2 ** 20

const decompress = promisify(zstdDecompress)

/** The lines of a row as zstd frames, and how many there are. */
interface RowLines {
  readonly frames: readonly Uint8Array[]
  readonly entries: number
}

export class RowArrivals implements ArchiveArrivals {
  readonly #parts: GatherParts
  readonly #settings: GatherSettings

  constructor(parts: GatherParts, settings: GatherSettings) {
    this.#parts = parts
    this.#settings = settings
  }

  async gather(bucket: number, { from, before, bytesMax, isCareful }: ArrivalRange): Promise<GatheredArrivals> {
    const raises = (await this.#parts.manifest.state(bucket))?.raises ?? []
    const path = join(this.#settings.folder, `arrivals-${this.#parts.makeName()}.ndjson.zst`)
    const dispose = () => rm(path, { force: true })
    let [to, entries, bytes] = [from, 0, 0]
    try {
      for (; to < before && bytes < bytesMax; to++) {
        const rows = await this.#rowsOf(bucket, to, shardsAt(raises, to))
        for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
          const group = rows.slice(at, at + ROWS_AT_ONCE)
          const read = await Promise.all(group.map((row) => (isCareful ? this.#readCarefully(row) : this.#read(row))))
          for (const { frames, entries: count } of read) {
            entries += count
            for (const frame of frames) {
              await appendFile(path, frame)
              bytes += frame.length
            }
          }
        }
      }
    } catch (cause) {
      await dispose()
      throw cause
    }
    return { to, lines: bytes === 0 ? [] : [path], entries, dispose }
  }

  /** In the order of arrival, over all shards. */
  async #rowsOf(bucket: number, span: number, shards: number): Promise<readonly FoundRow[]> {
    const rows: FoundRow[] = []
    for (let shard = 0; shard < shards; shard++) {
      for await (const row of this.#parts.rows.all(bucket, span, shard)) rows.push(row)
    }
    return rows.sort((a, b) => (a.order < b.order ? -1 : 1))
  }

  /** Objects are not looked into: their frames are copied. Rejects with store_damaged for a block that cannot be read. */
  async #read({ tenant, content, entries }: FoundRow): Promise<RowLines> {
    if ('block' in content)
      return { frames: await framesOf(batchOfBlock(tenant, unpackRecentBlock(content.block))), entries }
    const frame = await this.#fetch(content.key)
    if (frame === undefined) throw new GatewayError('store_damaged', 'an object of the archive does not exist')
    return { frames: [frame], entries }
  }

  /** Decodes everything, and keeps what is not an entry under `bad/`. */
  async #readCarefully(row: FoundRow): Promise<RowLines> {
    const { tenant, content, entries } = row
    if ('block' in content) {
      try {
        return await this.#read(row)
      } catch (cause) {
        return this.#leaveOut(tenant, content.block, cause)
      }
    }
    const frame = await this.#fetch(content.key)
    if (frame === undefined) {
      this.#parts.damaged(content.key, `it does not exist; ${entries} entries are lost`)
      return { frames: [], entries: 0 }
    }
    try {
      const { batches, wrong } = decodeText(await decompress(frame, { maxOutputLength: OBJECT_TEXT_BYTES_MAX }))
      if (wrong > 0) await this.#leaveOut(tenant, frame, new Error(`${wrong} lines are not entries`))
      const frames = await Promise.all(batches.map(framesOf))
      return { frames: frames.flat(), entries: batches.reduce((sum, { count }) => sum + count, 0) }
    } catch (cause) {
      return this.#leaveOut(tenant, frame, cause)
    }
  }

  async #leaveOut(tenant: string, content: Uint8Array, cause: unknown): Promise<RowLines> {
    const key = `${this.#settings.prefix}bad/${tenant}/${contentHash(content)}`
    await this.#parts.bucket.put(key, content)
    this.#parts.damaged(key, cause instanceof Error ? cause.message : 'it cannot be read')
    return { frames: [], entries: 0 }
  }

  async #fetch(key: string): Promise<Uint8Array | undefined> {
    const body = await this.#parts.bucket.get(key)
    if (body === undefined) return undefined
    const chunks: Uint8Array[] = []
    for await (const chunk of body) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
}

async function framesOf(batch: Batch): Promise<readonly Uint8Array[]> {
  const entries = Uint32Array.from({ length: batch.count }, (_, i) => i)
  const members = await encodeArchive(batch, entries, { memberBytesMax: Number.POSITIVE_INFINITY, codec: 'zstd' })
  return members.map(({ bytes }) => bytes)
}
