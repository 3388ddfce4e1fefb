/** An archive in memory with recent items, written like the gateway, the worker and Firehose do, and a reader of it. */

import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { ArchiveBucket } from '../../../src/adapters/aws/archive-bucket.ts'
import { ArchiveReader, type ReaderSettings } from '../../../src/adapters/aws/read/archive-reader.ts'
import type { OpenScratch } from '../../../src/adapters/aws/read/scratch-cache.ts'
import { packRecentBlocks } from '../../../src/adapters/aws/recent-block.ts'
import { RecentItems } from '../../../src/adapters/aws/recent-items.ts'
import { StreamIndex } from '../../../src/adapters/aws/stream-index.ts'
import { openDatabase } from '../../../src/adapters/embedded/database.ts'
import { SqliteLogStore } from '../../../src/adapters/embedded/sqlite-log-store.ts'
import type { Batch } from '../../../src/domain/entries/batch.ts'
import { type Block, timeRange } from '../../../src/domain/entries/block.ts'
import { buildBlocks } from '../../../src/domain/entries/block-builder.ts'
import { orderEntries } from '../../../src/domain/entries/entry-order.ts'
import type { Clock, LogStore } from '../../../src/ports/log-store.ts'
import { encodeArchive } from '../../../src/protocol/archive/archive-encode.ts'
import { contentHash, hourFolder, type ObjectKind, objectKey } from '../../../src/protocol/archive/archive-names.ts'
import {
  FixedClock,
  makeBatch,
  openAdmission,
  type PlainStream,
  RecordedEvents,
  STORE_SETTINGS,
} from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'
import { MemoryItems, MemoryObjects } from './memory-clients.ts'

const HOUR_MS = 3600_000
export const PREFIX = 'logs/'
export const TIMING = { lateAfterMs: HOUR_MS, bufferMsMax: 900_000 }

/** Opened like in the aws home: duplicates of any age are detected, nothing expires. */
export function openScratch(dataDir: string, clock: Clock, blockBytes = 1024 * 1024): LogStore {
  const settings = { ...STORE_SETTINGS, dataDir, blockBytes, duplicateWindowMs: Number.MAX_SAFE_INTEGER }
  const open = (folder: string) => openDatabase(folder, { synchronous: 'OFF' })
  return new SqliteLogStore(settings, clock, new RecordedEvents(), { open })
}

/** Of an archive that has only been written by the firehose path. */
const NO_MANIFEST = { buckets: async () => undefined, state: async () => undefined, days: async () => [] }

export class Archive {
  readonly clock = new FixedClock()
  readonly objects = new MemoryObjects()
  readonly items = new MemoryItems()
  readonly damages: string[] = []
  /** Folders of the scratch stores that were opened. */
  readonly scratches: string[] = []
  readonly folder: string
  readonly bucket = new ArchiveBucket(async () => this.objects, 'bucket')
  readonly recent: RecentItems
  readonly index = new StreamIndex(async () => this.items, { table: 'table', retentionMs: undefined })
  readonly #t: Test

  constructor(t: Test) {
    this.#t = t
    this.folder = `${testFolder(t)}/cache`
    this.recent = new RecentItems(async () => this.items, 'table', HOUR_MS)
  }

  /** `open` replaces the function that opens scratch stores. */
  reader(
    { bytesMax = 2 ** 30, ...settings }: Partial<ReaderSettings> & { bytesMax?: number } = {},
    open: OpenScratch = (folder) => openScratch(folder, this.clock),
  ): ArchiveReader {
    const reader = new ArchiveReader(
      {
        bucket: this.bucket,
        manifest: NO_MANIFEST,
        rows: { query: () => Promise.reject(new Error('BUG: there is no manifest')) as never },
        recent: this.recent,
        index: this.index,
        clock: this.clock,
        openScratch: (folder) => {
          this.scratches.push(folder)
          return open(folder)
        },
        events: { sourceDamaged: (name) => void this.damages.push(name) },
      },
      {
        prefix: PREFIX,
        listsObjects: true,
        timing: TIMING,
        recentWindowMs: HOUR_MS,
        queryBytesMax: 2 ** 28,
        cache: { folder: this.folder, bytesMax },
        ...settings,
      },
    )
    this.#t.teardown(() => reader.close())
    return reader
  }

  batch(streams: readonly PlainStream[], tenant = 'fake'): Batch {
    return makeBatch(streams, openAdmission(this.clock, tenant))
  }

  /** Writes an object like Firehose, with batches received from `beganMs` on. Returns its key. */
  async deliver(batches: readonly Batch[], beganMs = this.clock.ms): Promise<string> {
    const second = new Date(beganMs).toISOString().slice(0, 19).replace(/[T:]/g, '-')
    const key = `${PREFIX}${hourFolder(beganMs)}millrace-1-${second}-${randomUUID()}.gz`
    const members: Uint8Array[] = []
    for (const batch of batches) members.push(...(await membersOf(batch)).map(({ bytes }) => bytes))
    this.objects.objects.set(key, Buffer.concat(members))
    return key
  }

  /** Writes an object like the gateway; its entries are in one hour. */
  async write(kind: ObjectKind, batch: Batch): Promise<string> {
    const members = await membersOf(batch)
    const bytes = Buffer.concat(members.map((member) => member.bytes))
    const { oldest, newest } = timeRange(blockOf(batch))
    const key = objectKey(PREFIX, kind, { oldest, newest }, contentHash(bytes))
    this.objects.objects.set(key, bytes)
    return key
  }

  /** Writes recent items with the current time. */
  async accept(batch: Batch, arrivedMs = this.clock.ms): Promise<void> {
    for (const [part, { block, packed }] of (await packRecentBlocks(orderEntries([batch]))).entries()) {
      await this.recent.put({ tenant: batch.tenant, part, packed, ...timeRange(block) }, arrivedMs)
    }
  }
}

function membersOf(batch: Batch) {
  return encodeArchive(
    batch,
    Uint32Array.from({ length: batch.count }, (_, i) => i),
    { memberBytesMax: 1_000_000 },
  )
}

function blockOf(batch: Batch) {
  return buildBlocks(orderEntries([batch]), Number.MAX_SAFE_INTEGER)[0] as Block
}
