/** The whole application in the aws home, over services of its own: what HTTP tests inject requests into. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { Firehose } from '@aws-sdk/client-firehose'
import { S3 } from '@aws-sdk/client-s3'
import { SQS } from '@aws-sdk/client-sqs'
import { DynamoDBDocument, paginateScan } from '@aws-sdk/lib-dynamodb'
import type { Test } from 'tap'
import { ArchiveBucket } from '../../src/adapters/aws/archive-bucket.ts'
import { QueueConsumer } from '../../src/adapters/aws/worker/queue-consumer.ts'
import { QueueObjects } from '../../src/adapters/aws/worker/queue-objects.ts'
import { type Environment, readConfig } from '../../src/config/read-config.ts'
import { archiveMessages } from '../../src/flows/archive/archive-messages.ts'
import { compactArrivals } from '../../src/flows/archive/compact-archive.ts'
import type { AwsClients } from '../../src/homes/aws-clients.ts'
import { openAws } from '../../src/homes/aws-home.ts'
import { openCompactor } from '../../src/homes/compactor-home.ts'
import type { HomeEvents } from '../../src/homes/home.ts'
import { decodeMessage } from '../../src/transport/lambda/sqs-records.ts'
import { BUCKET, type LocalCloud, PREFIX, startLocalCloud, TABLE } from '../doubles/local-cloud.ts'
import { FixedClock } from '../support/helper.ts'
import { buildTestApp, type TestApp } from '../support/test-app.ts'
import { testFolder } from '../support/test-folder.ts'
import type { Endpoints, ServiceName } from './endpoints.ts'
import { testClient } from './test-client.ts'

export interface AwsTestApp extends TestApp {
  readonly cloud: LocalCloud
  /**
   * All that was acknowledged lies in the bucket from here on, and nowhere else: recent items are gone, as expired. On the direct path the
   * clock moves on, and all is in compacted files.
   */
  archive(): Promise<void>
}

const ATTEMPTS = 3
const VISIBILITY_MS = 60_000
const SEALED_AFTER_MS = 14 * 60_000

/** So that one test may have several applications, each with a folder of its own. */
let started = 0

/** As buildTestApp; Firehose has the application's clock. `beside`: one whose services and clock are shared. `events`: instead of those that fail a test. */
export async function buildAwsTestApp(
  t: Test,
  env: Environment = {},
  beside?: AwsTestApp,
  events: Partial<HomeEvents> = {},
): Promise<AwsTestApp> {
  const clock = beside?.clock ?? new FixedClock()
  const cloud = beside?.cloud ?? (await startLocalCloud(t, { clock }))
  const clients = makeClients(cloud.endpoints)
  // Asked for again, the test's folder would be emptied.
  if (!existsSync(t.testdirName)) testFolder(t, {})
  const dataDir = join(t.testdirName, `container-${started++}`)
  const settings = { ...cloud.environment(), MILLRACE_CACHE_DIR: join(dataDir, 'cache'), ...env }
  const testApp = await buildTestApp(t, settings, {
    clock,
    dataDir,
    openHome: (config, clock, own) => openAws(config, clock, { ...own, ...events }, clients),
  })
  const isDirect = env['MILLRACE_ARCHIVE_PATH'] === 'direct'
  const folder = join(dataDir, 'compactor')
  const compactAll = (): Promise<void> => compact({ clients, clock, folder })
  return { ...testApp, cloud, archive: () => (isDirect ? compactAll() : archive(cloud, clients)) }
}

/** What the compactor does once the ten minutes of all arrivals are over. */
async function compact(parts: { clients: AwsClients; clock: FixedClock; folder: string }): Promise<void> {
  const { clients, clock, folder } = parts
  const aws = {
    ...readConfig({}).aws,
    table: TABLE,
    bucket: BUCKET,
    archivePrefix: PREFIX,
    cacheDir: folder,
    compactorMemoryBytes: 256 * 2 ** 20,
  }
  const refuse = (facts: unknown, cause?: unknown): never => {
    throw cause ?? new Error(JSON.stringify(facts))
  }
  const home = await openCompactor({ aws }, { sourceDamaged: refuse }, { ...clients, destroy: () => undefined })
  const none = (): void => undefined
  const reports = { sealed: none, behind: none, merged: none, removed: none, failed: refuse, damaged: refuse }
  clock.ms += SEALED_AFTER_MS
  await compactArrivals({ ...home, nowMs: () => clock.nowMs(), retentionMs: undefined, reports })
  await home.close()
}

async function archive(cloud: LocalCloud, clients: AwsClients): Promise<void> {
  await cloud.firehose.deliver()
  await work(new QueueConsumer(clients.queues, cloud.queueUrl), new ArchiveBucket(clients.objects, BUCKET))
  await dropRecentItems(await clients.items())
}

/** What the worker does with the queue, until it is empty. Throws where it would leave a message in it. */
async function work(queue: QueueConsumer, bucket: ArchiveBucket): Promise<void> {
  const objects = new QueueObjects(bucket, PREFIX)
  const refuse = (_message: unknown, error: Error): never => {
    throw error
  }
  const reports = { archived: () => undefined, failed: refuse, buried: refuse }
  const parts = { decode: decodeMessage, write: objects.write.bind(objects), reports }
  const { signal } = new AbortController()
  for (;;) {
    const messages = await queue.receive({ waitMs: 0, visibilityMs: VISIBILITY_MS }, signal)
    if (messages.length === 0) return
    await archiveMessages(messages, parts)
    await queue.remove(messages)
  }
}

/** As DynamoDB's time to live does it. */
async function dropRecentItems(client: DynamoDBDocument): Promise<void> {
  const pages = paginateScan(
    { client },
    {
      TableName: TABLE,
      FilterExpression: 'begins_with(pk, :recent)',
      ExpressionAttributeValues: { ':recent': 'recent#' },
      ProjectionExpression: 'pk, sk',
    },
  )
  for await (const { Items = [] } of pages) {
    await Promise.all(Items.map((Key) => client.delete({ TableName: TABLE, Key })))
  }
}

/** Clients of the services at these endpoints. */
export function makeClients(endpoints: Endpoints): AwsClients {
  const optionsOf = (service: ServiceName) => testClient(endpoints.get(service) as string, ATTEMPTS)
  const firehose = new Firehose(optionsOf('firehose'))
  const dynamodb = new DynamoDB(optionsOf('dynamodb'))
  const queues = new SQS(optionsOf('sqs'))
  const objects = new S3({ ...optionsOf('s3'), forcePathStyle: true })
  const items = DynamoDBDocument.from(dynamodb)
  return {
    firehose: async () => firehose,
    items: async () => items,
    queues: async () => queues,
    objects: async () => objects,
    destroy: () => {
      for (const client of [firehose, dynamodb, queues, objects]) client.destroy()
    },
  }
}
