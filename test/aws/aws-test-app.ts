/** The whole application in the aws home, over services of its own: what HTTP tests inject requests into. */

import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { Firehose } from '@aws-sdk/client-firehose'
import { S3 } from '@aws-sdk/client-s3'
import { SQS } from '@aws-sdk/client-sqs'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import type { Test } from 'tap'
import { ArchiveBucket } from '../../src/adapters/aws/archive-bucket.ts'
import { QueueConsumer } from '../../src/adapters/aws/queue-consumer.ts'
import { QueueObjects } from '../../src/adapters/aws/queue-objects.ts'
import { openAws } from '../../src/compose/aws.ts'
import type { AwsClients } from '../../src/compose/aws-clients.ts'
import type { Environment } from '../../src/config.ts'
import { archiveMessages } from '../../src/flows/archive-messages.ts'
import { decodeMessage } from '../../src/transport/sqs-records.ts'
import { FixedClock } from '../helper.ts'
import { buildTestApp, type TestApp } from '../test-app.ts'
import type { Endpoints, ServiceName } from './endpoints.ts'
import { BUCKET, LocalCloud, PREFIX, TABLE } from './local-cloud.ts'
import { testClient } from './test-client.ts'

export interface AwsTestApp extends TestApp {
  readonly cloud: LocalCloud
  /** All that was acknowledged lies in the bucket from here on, and nowhere else: recent items are gone, as expired. */
  archive(): Promise<void>
}

const ATTEMPTS = 3
const VISIBILITY_MS = 60_000
/** What DynamoDB takes in one call. */
const DELETES_MAX = 25

/** As buildTestApp; the services, Firehose's clock among them, have the application's. */
export async function buildAwsTestApp(t: Test, env: Environment = {}): Promise<AwsTestApp> {
  const clock = new FixedClock()
  const cloud = await LocalCloud.start({ clock })
  const clients = makeClients(cloud.endpoints)
  const dataDir = t.testdir()
  const settings = { ...cloud.environment(), MILLRACE_CACHE_DIR: `${dataDir}/cache`, ...env }
  const testApp = await buildTestApp(t, settings, {
    clock,
    dataDir,
    openHome: (config, clock, events) => openAws(config, clock, events, clients),
  })
  const close = async (): Promise<void> => {
    await testApp.close()
    await cloud.stop()
  }
  t.teardown(close)
  return { ...testApp, cloud, close, archive: () => archive(cloud, clients) }
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
async function dropRecentItems(items: DynamoDBDocument): Promise<void> {
  const { Items = [] } = await items.scan({
    TableName: TABLE,
    FilterExpression: 'begins_with(pk, :recent)',
    ExpressionAttributeValues: { ':recent': 'recent#' },
    ProjectionExpression: 'pk, sk',
  })
  for (let at = 0; at < Items.length; at += DELETES_MAX) {
    const requests = Items.slice(at, at + DELETES_MAX).map((Key) => ({ DeleteRequest: { Key } }))
    await items.batchWrite({ RequestItems: { [TABLE]: requests } })
  }
}

function makeClients(endpoints: Endpoints): AwsClients {
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
