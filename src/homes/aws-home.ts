/** The ports of the aws home: AWS services for the logs, a scratch store for reads, keys derived from one secret. */

import { ArrivedRows } from '../adapters/aws/archive/arrived-rows.ts'
import { DirectWrites } from '../adapters/aws/archive/direct-writes.ts'
import { DynamoManifest } from '../adapters/aws/archive/dynamo-manifest.ts'
import { ArchiveBucket } from '../adapters/aws/archive-bucket.ts'
import { AwsLogStore } from '../adapters/aws/aws-log-store.ts'
import { EntryIds } from '../adapters/aws/ids/entry-ids.ts'
import { ArchiveReader } from '../adapters/aws/read/archive-reader.ts'
import type { ReaderEvents } from '../adapters/aws/read/object-loads.ts'
import { RecentItems } from '../adapters/aws/recent-items.ts'
import { StreamIndex } from '../adapters/aws/stream-index.ts'
import { FirehoseRecords } from '../adapters/aws/write/firehose-records.ts'
import { FirehoseWrites } from '../adapters/aws/write/firehose-writes.ts'
import { LogQueue } from '../adapters/aws/write/log-queue.ts'
import { openDatabase } from '../adapters/embedded/database.ts'
import { SqliteLogStore, type StoreEvents } from '../adapters/embedded/sqlite-log-store.ts'
import type { LimitsEvents } from '../adapters/files/limits-file.ts'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Clock, LogStore, Ports } from '../ports/log-store.ts'
import { type AwsClients, makeAwsClients } from './aws-clients.ts'
import { deriveKey } from './derived-keys.ts'
import { repeat, SYSTEM_PACING } from './machine.ts'
import { openTenantLimits } from './tenant-limits.ts'

export interface AwsHome {
  readonly ports: Ports
  /** Keys shared by all containers: one signs page tokens, the other is the seed of the local issuer's key. */
  readonly keys: { readonly pageToken: Uint8Array; readonly localIssuer: Uint8Array | undefined }
  /** The client of the table, for other data in it than logs. */
  readonly items: AwsClients['items']
  close(): Promise<void>
}

export type AwsEvents = StoreEvents & ReaderEvents & Partial<LimitsEvents>

/** Firehose's largest buffer interval: the stream's own setting is unknown here. */
const BUFFER_MS_MAX = 900_000
/** The scratch store detects duplicates of any age. */
const EVER_MS = 36_500 * 86_400_000

/**
 * Creates the ports without calling any service. Throws config_invalid if required settings are missing or the tenant
 * limits are invalid. The SDK finds credentials and region.
 */
export async function openAws(
  config: Config,
  clock: Clock,
  events: AwsEvents,
  clients: AwsClients = makeAwsClients(config.aws),
): Promise<AwsHome> {
  const settings = requireSettings(config)
  const limits = openTenantLimits(config, {
    limitsChanged: (tenants) => events.limitsChanged?.(tenants),
    limitsRefused: (cause) => events.limitsRefused?.(cause),
  })
  const table = settings.table
  const bucket = new ArchiveBucket(clients.objects, settings.bucket)
  const recent = new RecentItems(clients.items, table, config.aws.recentWindowMs)
  const rows = new ArrivedRows(clients.items, table)
  const manifest = new DynamoManifest(clients.items, { table, buckets: config.aws.archiveBuckets })
  const index = new StreamIndex(clients.items, { table, retentionMs: config.store.retentionAgeMs })
  const windowMs = config.store.duplicateWindowMs ?? 0
  const writes = {
    path: settings.firehose
      ? new FirehoseWrites(
          {
            records: new FirehoseRecords(clients.firehose, settings.firehose.stream, SYSTEM_PACING),
            queue: new LogQueue(clients.queues, settings.firehose.queueUrl, SYSTEM_PACING),
            recent,
            bucket,
          },
          firehoseSettings(config),
        )
      : new DirectWrites({ bucket, rows, manifest, clock }, config.aws.archivePrefix),
    ids: new EntryIds(clients.items, { table, windowMs }, clock, SYSTEM_PACING),
    index,
  }
  const openScratch = (folder: string): LogStore => openScratchStore(folder, config, clock, events)
  const reader = new ArchiveReader(
    { bucket, manifest, rows, recent, index, openScratch, clock, events },
    readerSettings(config),
  )
  const store = new AwsLogStore(writes, reader, { queueBytesMax: config.store.queueBytesMax }, clock, events)
  return {
    ports: { clock, store, ...(limits && { limits }) },
    keys: {
      pageToken: deriveKey(config, 'page tokens'),
      localIssuer: config.auth.localIssuer ? deriveKey(config, 'local issuer') : undefined,
    },
    items: clients.items,
    close: async () => {
      limits?.close()
      await store.close()
      clients.destroy()
    },
  }
}

function firehoseSettings({ aws }: Config) {
  return { prefix: aws.archivePrefix, lateAfterMs: aws.lateAfterMs, keepsRecentPushes: aws.recentItems }
}

function readerSettings({ aws }: Config) {
  return {
    prefix: aws.archivePrefix,
    listsObjects: aws.archivePath === 'firehose',
    timing: { lateAfterMs: aws.lateAfterMs, bufferMsMax: BUFFER_MS_MAX },
    recentWindowMs: aws.recentWindowMs,
    queryBytesMax: aws.archiveQueryBytesMax,
    cache: { folder: aws.cacheDir, bytesMax: aws.cacheBytes },
  }
}

function openScratchStore(dataDir: string, config: Config, clock: Clock, events: StoreEvents): LogStore {
  const settings = {
    dataDir,
    queueBytesMax: config.store.queueBytesMax,
    retentionMs: undefined,
    retentionBytes: undefined,
    duplicateWindowMs: EVER_MS,
    blockBytes: config.store.blockBytes,
    queryTimeoutMs: config.query.timeoutMs,
  }
  // Lost data is loaded again from the archive, so commits need not wait for the disk, and are not reported.
  const open = (folder: string) => openDatabase(folder, { synchronous: 'OFF' })
  return new SqliteLogStore(settings, clock, scratchEvents(events), { open, repeat })
}

function scratchEvents(events: StoreEvents): StoreEvents {
  return { ...events, committed: () => undefined }
}

interface RequiredSettings {
  readonly table: string
  readonly bucket: string
  readonly keySecret: string
  /** Undefined for the direct path. */
  readonly firehose: { readonly stream: string; readonly queueUrl: string } | undefined
}

/** Throws one error that lists all missing settings. */
function requireSettings({ aws }: Config): RequiredSettings {
  const isDirect = aws.archivePath === 'direct'
  const required = [
    ['MILLRACE_TABLE', aws.table],
    ['MILLRACE_BUCKET', aws.bucket],
    ...(isDirect
      ? []
      : ([
          ['MILLRACE_FIREHOSE_STREAM', aws.firehoseStream],
          ['MILLRACE_QUEUE_URL', aws.queueUrl],
        ] as const)),
    ['MILLRACE_KEY_SECRET', aws.keySecret],
  ] as const
  const missing = required.filter(([, value]) => value === undefined).map(([variable]) => variable)
  const { table, bucket, firehoseStream, queueUrl, keySecret } = aws
  const firehose =
    firehoseStream === undefined || queueUrl === undefined || isDirect
      ? undefined
      : { stream: firehoseStream, queueUrl }
  // The comparisons narrow the types.
  if (table === undefined || bucket === undefined || keySecret === undefined || (firehose === undefined && !isDirect)) {
    throw new GatewayError('config_invalid', `MILLRACE_HOME=aws needs ${missing.join(', ')}; set them`)
  }
  return { table, bucket, keySecret, firehose }
}
