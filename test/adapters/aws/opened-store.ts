/** The store of the aws home over in-process S3 and DynamoDB, with Firehose and the queue in memory, for the contract suites. */

import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CreateTableCommand, DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { S3 } from '@aws-sdk/client-s3'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import { startFauxqs } from 'fauxqs'
import type { Test } from 'tap'
import { ArchiveObjects } from '../../../src/adapters/aws/archive/archive-objects.ts'
import { ArrivedRows } from '../../../src/adapters/aws/archive/arrived-rows.ts'
import { DirectWrites } from '../../../src/adapters/aws/archive/direct-writes.ts'
import { DynamoManifest } from '../../../src/adapters/aws/archive/dynamo-manifest.ts'
import { RowArrivals } from '../../../src/adapters/aws/archive/gathered-arrivals.ts'
import { ArchiveBucket } from '../../../src/adapters/aws/archive-bucket.ts'
import { AwsLogStore } from '../../../src/adapters/aws/aws-log-store.ts'
import { EntryIds } from '../../../src/adapters/aws/ids/entry-ids.ts'
import { ArchiveReader } from '../../../src/adapters/aws/read/archive-reader.ts'
import { RecentItems } from '../../../src/adapters/aws/recent-items.ts'
import { StreamIndex } from '../../../src/adapters/aws/stream-index.ts'
import { FirehoseRecords, type RecordClient } from '../../../src/adapters/aws/write/firehose-records.ts'
import { FirehoseWrites } from '../../../src/adapters/aws/write/firehose-writes.ts'
import { DuckdbFiles } from '../../../src/adapters/duckdb/duckdb-files.ts'
import { type CompactionWork, compactArrivals, mergeFiles } from '../../../src/flows/archive/compact-archive.ts'
import { SYSTEM_PACING } from '../../../src/homes/machine.ts'
import { type Lazy, lazy } from '../../../src/kit/lazy.ts'
import type { Clock } from '../../../src/ports/log-store.ts'
import type { ArchiveMember } from '../../../src/protocol/archive/archive-encode.ts'
import { contentHash, hourFolder, objectKey } from '../../../src/protocol/archive/archive-names.ts'
import { testClient } from '../../aws/test-client.ts'
import type { ContractSettings, OpenedStore, StoreTraits } from '../../contract/opened-store.ts'
import { DynamodbDouble } from '../../doubles/dynamodb-double.ts'
import type { FixedClock } from '../../support/helper.ts'
import { RecordedEvents } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'
import { openScratch } from './archive.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
export const BUCKET = 'archive'
/** Objects of late entries have no order of arrival; the times of the suites are an hour old. */
const LATE_AFTER_MS = 3 * HOUR
export const RECENT_WINDOW_MS = 5 * MINUTE

/** Intended differences of the aws home. */
export const AWS_TRAITS: StoreTraits = {
  // Checking the whole archive for every pushed line would cost more than storing it: reads remove duplicates.
  reportsDuplicates: false,
  // Sources are selected by the bounds in their names, before their content is known; blocks contain several appends.
  wantsExactly: false,
  // A process knows only what it wrote itself.
  countsStored: false,
  // Appends run concurrently, and Firehose accepts their records in any order.
  ordersConcurrent: false,
  // Objects that Firehose delivers within a second are named in any order. On the direct path a read loads only the rows
  // of its times, in the order of arrival; another read loads the others behind them.
  ordersAcrossReads: false,
}

export class Services {
  readonly documents: DynamoDBDocument
  readonly s3: S3
  /** Names of unreadable sources. */
  readonly damages: string[] = []
  readonly #dynamodb: DynamoDBClient

  private constructor(dynamodbUrl: string, queuesUrl: string) {
    this.#dynamodb = new DynamoDBClient(testClient(dynamodbUrl, 3))
    this.documents = DynamoDBDocument.from(this.#dynamodb)
    this.s3 = new S3({ ...testClient(queuesUrl, 3), forcePathStyle: true })
  }

  /** Deleted when the test ends. */
  static async start(t: Test): Promise<Services> {
    const queues = await startFauxqs({ port: 0, logger: false })
    queues.setup({ buckets: [BUCKET] })
    const dynamodb = await DynamodbDouble.start()
    const services = new Services(dynamodb.url, `http://127.0.0.1:${queues.port}`)
    t.teardown(async () => {
      for (const client of [services.#dynamodb, services.s3]) client.destroy()
      await Promise.all([queues.stop(), dynamodb.stop()])
    })
    return services
  }

  async createTable(TableName: string): Promise<void> {
    await this.#dynamodb.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
        ],
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
      }),
    )
    // dynalite creates it some turns after its response.
    let status: string | undefined
    while (status !== 'ACTIVE') {
      status = (await this.#dynamodb.send(new DescribeTableCommand({ TableName }))).Table?.TableStatus
    }
  }
}

/** A simulated Firehose: writes accepted records to S3 as one object on `deliver`. */
class MemoryFirehose implements RecordClient {
  readonly #services: Services
  readonly #prefix: string
  readonly #clock: Clock
  #records: Uint8Array[] = []
  #beganMs = 0

  constructor(services: Services, prefix: string, clock: Clock) {
    this.#services = services
    this.#prefix = prefix
    this.#clock = clock
  }

  putRecordBatch: RecordClient['putRecordBatch'] = async ({ Records = [] }) => {
    if (this.#records.length === 0) this.#beganMs = this.#clock.nowMs()
    for (const { Data } of Records) this.#records.push(Uint8Array.from(Data as Uint8Array))
    return { $metadata: {}, FailedPutCount: 0, RequestResponses: Records.map(() => ({ RecordId: randomUUID() })) }
  }

  async deliver(): Promise<void> {
    if (this.#records.length === 0) return
    const second = new Date(this.#beganMs).toISOString().slice(0, 19).replace(/[T:]/g, '-')
    const Key = `${this.#prefix}${hourFolder(this.#beganMs)}logs-1-${second}-${randomUUID()}.gz`
    const Body = Buffer.concat(this.#records)
    this.#records = []
    await this.#services.s3.putObject({ Bucket: BUCKET, Key, Body })
  }
}

/**
 * Arrivals in the same millisecond have no order in this home, and entries with equal times have the order of arrival, so
 * every arrival of a test has its own millisecond.
 */
class TickingClock implements Clock {
  readonly #clock: Clock
  #lastMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  nowMs(): number {
    this.#lastMs = Math.max(this.#clock.nowMs(), this.#lastMs + 1)
    return this.#lastMs
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }
}

export interface AwsOpened extends OpenedStore {
  readonly store: AwsLogStore
  /**
   * Delivers Firehose's records, and writes the messages of the queue as objects like the worker. On the direct path lets time pass and
   * compacts, hours and days too.
   */
  settle(): Promise<void>
  /** What a compactor of this store works with. */
  readonly compaction: CompactionWork
  /** The prefix of its keys in the bucket. */
  readonly prefix: string
}

let stores = 0

export interface AwsSettings extends ContractSettings {
  readonly lateAfterMs?: number
  readonly path?: 'firehose' | 'direct'
  /** Awaited before each call that a reader makes to the manifest, to rows and for files. */
  readonly beforeRead?: (call: string) => Promise<void>
  /** Awaited before a row is stored on one of `shards` partitions. */
  readonly beforeRow?: (shards: number) => Promise<void>
}

/** The object with `before` awaited ahead of each of its functions: those that iterate, and those that resolve. */
export function withSteps<T extends object>(target: T, before: (call: string) => Promise<void>): T {
  return new Proxy(target, {
    get: (object, name) => {
      const member: unknown = Reflect.get(object, name)
      if (typeof member !== 'function') return member
      const call = (args: unknown[]): unknown => Reflect.apply(member, object, args)
      if (name === 'query' || name === 'list') {
        return async function* (...args: unknown[]) {
          await before(String(name))
          yield* call(args) as AsyncGenerator<unknown>
        }
      }
      return async (...args: unknown[]) => {
        await before(String(name))
        return call(args)
      }
    },
  })
}

const DIRECT_SETTLES_MS = 14 * MINUTE

/** For `logStoreContract`: a store with its own table and its own part of the bucket. */
export function openAwsStore(services: Services, t: Test, clock: FixedClock, settings: AwsSettings): AwsOpened {
  const name = `store-${stores++}`
  const place = { prefix: `${name}/`, table: name, folder: `${testFolder(t)}/${name}` }
  const ticking = new TickingClock(clock)
  const firehose = new MemoryFirehose(services, place.prefix, ticking)
  const messages: ArchiveMember[] = []
  const parts = {
    services,
    clock: ticking,
    settings,
    place,
    firehose,
    queue: { send: async (members: readonly ArchiveMember[]) => void messages.push(...members) },
    items: lazy(async () => {
      await services.createTable(name)
      return services.documents
    }),
  }
  let store = makeStore(parts)
  t.teardown(() => store.close())
  const compaction = makeCompaction(parts, t)
  return {
    store,
    compaction,
    prefix: place.prefix,
    reopen: async () => {
      await store.close()
      store = makeStore(parts)
      return store
    },
    settle: async () => {
      if (settings.path === 'direct') {
        clock.ms += DIRECT_SETTLES_MS
        await compactArrivals(compaction)
        await mergeFiles(compaction)
        return
      }
      await firehose.deliver()
      for (const member of messages.splice(0)) {
        const Key = objectKey(place.prefix, 'queue', member, contentHash(member.bytes))
        await services.s3.putObject({ Bucket: BUCKET, Key, Body: member.bytes })
      }
    },
  }
}

interface StoreParts {
  readonly services: Services
  readonly clock: Clock
  readonly settings: AwsSettings
  readonly place: { readonly prefix: string; readonly table: string; readonly folder: string }
  readonly firehose: RecordClient
  readonly queue: { send(members: readonly ArchiveMember[]): Promise<void> }
  readonly items: Lazy<DynamoDBDocument>
}

function makeStore({ services, clock, settings, place, firehose, queue, items }: StoreParts): AwsLogStore {
  const { prefix, table, folder } = place
  const { lateAfterMs = LATE_AFTER_MS, path = 'firehose' } = settings
  const bucket = new ArchiveBucket(async () => services.s3, BUCKET)
  const recent = new RecentItems(items, table, RECENT_WINDOW_MS)
  const index = new StreamIndex(items, { table, retentionMs: undefined })
  const ids = new EntryIds(items, { table, windowMs: 24 * HOUR }, clock, SYSTEM_PACING)
  const rows = new ArrivedRows(items, table)
  const manifest = new DynamoManifest(items, { table, buckets: BUCKETS })
  const { beforeRead = async () => undefined, beforeRow = async () => undefined } = settings
  const putRow: ArrivedRows['put'] = async (row, place, arrivedMs) => {
    await beforeRow(place.shards)
    await rows.put(row, place, arrivedMs)
  }
  const reader = new ArchiveReader(
    {
      bucket: withSteps(bucket, beforeRead),
      manifest: withSteps(manifest, beforeRead),
      rows: withSteps(rows, beforeRead),
      recent,
      index,
      clock,
      openScratch: (dataDir) => openScratch(dataDir, clock, settings.blockBytes),
      events: { sourceDamaged: (name) => services.damages.push(name) },
    },
    {
      prefix,
      listsObjects: path === 'firehose',
      timing: { lateAfterMs, bufferMsMax: 15 * MINUTE },
      recentWindowMs: RECENT_WINDOW_MS,
      queryBytesMax: 2 ** 28,
      cache: { folder, bytesMax: 2 ** 28 },
    },
  )
  const records = new FirehoseRecords(async () => firehose, 'logs', SYSTEM_PACING)
  const writes =
    path === 'direct'
      ? new DirectWrites({ bucket, rows: { put: putRow }, manifest, clock }, prefix)
      : new FirehoseWrites({ records, queue, recent, bucket }, { prefix, lateAfterMs, keepsRecentPushes: true })
  return new AwsLogStore({ path: writes, ids, index }, reader, { queueBytesMax: 2 ** 26 }, clock, new RecordedEvents())
}

/** More than one, so that tenants have different ones. */
const BUCKETS = 3

function makeCompaction({ services, clock, place, items }: StoreParts, t: Test): CompactionWork {
  const { prefix, table } = place
  const folder = join(t.testdirName, `compactor-${table}`)
  mkdirSync(folder, { recursive: true })
  const bucket = new ArchiveBucket(async () => services.s3, BUCKET)
  const manifest = new DynamoManifest(items, { table, buckets: BUCKETS })
  const rows = new ArrivedRows(items, table)
  const damaged = (name: string): void => void services.damages.push(name)
  return {
    manifest,
    arrivals: new RowArrivals({ rows, manifest, bucket, damaged, makeName: randomUUID }, { prefix, folder }),
    builder: new DuckdbFiles({ folder, memoryBytes: 256 * 2 ** 20, fileLineBytes: 2 ** 28 }),
    objects: new ArchiveObjects(bucket, { prefix, folder, makeName: randomUUID }),
    nowMs: () => clock.nowMs(),
    retentionMs: undefined,
    reports: {
      sealed: () => undefined,
      behind: () => undefined,
      merged: () => undefined,
      removed: () => undefined,
      damaged: () => undefined,
      failed: (_, cause) => {
        throw cause
      },
    },
  }
}
