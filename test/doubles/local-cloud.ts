/** The AWS services of the aws home in one process, with the home's resources: for tests, and for use without an account. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose'
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { type FauxqsServer, startFauxqs } from 'fauxqs'
import type { Test } from 'tap'
import { queueAttributes, streamRequest, tableRequest } from '../../infra/emulated.ts'
import { STREAM as STREAM_LAYOUT } from '../../infra/resources.ts'
import { SYSTEM_CLOCK } from '../../src/homes/machine.ts'
import type { Clock } from '../../src/ports/log-store.ts'
import { awsEnvironment, type Endpoints, queueUrlAt, type ServiceName } from '../aws/endpoints.ts'
import { testClient } from '../aws/test-client.ts'
import { CloudWatchLogsDouble } from './cloudwatch-logs-double.ts'
import type { Subscriber } from './cloudwatch-logs-subscriptions.ts'
import { DynamodbDouble } from './dynamodb-double.ts'
import { FirehoseDouble } from './firehose-double.ts'
import { SsmDouble } from './ssm-double.ts'

export interface LocalCloudOptions {
  /** The clock of Firehose, DynamoDB, SSM and CloudWatch Logs; default: the machine's, which SQS and S3 always use. */
  readonly clock?: Clock
  /** Keeps queues, objects and items in this folder; default: in memory. Firehose's buffers are never kept. */
  readonly folder?: string
  /** The first of five consecutive ports; default: free ones. */
  readonly firstPort?: number
  /** Firehose's buffer; default: 60 seconds and 5 MiB. */
  readonly bufferSeconds?: number
  readonly bufferMiB?: number
  /** How long a received message is hidden; default: as deployed. */
  readonly visibilitySeconds?: number
  /** Secrets of Secrets Manager by name, read through SSM. */
  readonly secrets?: ReadonlyMap<string, string>
  /** Receives events that match subscription filters when `deliver` is called. */
  readonly subscriber?: Subscriber
}

export interface ArchiveObject {
  readonly key: string
  readonly body: Buffer
}

export const TABLE = 'millrace'
export const BUCKET = 'millrace-archive'
export const PREFIX = STREAM_LAYOUT.prefix
export const STREAM = 'millrace'
export const QUEUE = 'millrace'
export const DEAD_LETTER_QUEUE = 'millrace-dead-letters'
export const TOPIC = 'millrace-incidents'

/** A cloud for one test, closed when it ends. */
export async function startLocalCloud(t: Test, options: LocalCloudOptions = {}): Promise<LocalCloud> {
  const cloud = await LocalCloud.start(options)
  t.teardown(() => cloud.stop())
  return cloud
}

export class LocalCloud {
  readonly firehose: FirehoseDouble
  readonly ssm: SsmDouble
  readonly logs: CloudWatchLogsDouble
  readonly queues: FauxqsServer
  readonly endpoints: Endpoints
  readonly dynamodb: DynamodbDouble
  readonly #s3: S3Client

  private constructor(parts: Parts) {
    this.firehose = parts.firehose
    this.ssm = parts.ssm
    this.logs = parts.logs
    this.queues = parts.queues
    this.dynamodb = parts.dynamodb
    this.#s3 = parts.s3
    const queues = urlOf(parts.queues.port)
    this.endpoints = new Map<ServiceName, string>([
      ['s3', queues],
      ['sqs', queues],
      ['sns', queues],
      ['dynamodb', parts.dynamodb.url],
      ['firehose', parts.firehose.url],
      ['ssm', parts.ssm.url],
      ['logs', parts.logs.url],
    ])
  }

  /** Starts the services and creates missing resources: table, bucket, queue with its dead letters, topic, stream. */
  static async start(options: LocalCloudOptions = {}): Promise<LocalCloud> {
    const cloud = new LocalCloud(await startParts(options))
    await cloud.#createTable()
    await cloud.#createStream(options)
    return cloud
  }

  /** The URL of the queue that the gateway sends to. */
  get queueUrl(): string {
    return queueUrlAt(this.endpoints, QUEUE)
  }

  get deadLetterQueueUrl(): string {
    return queueUrlAt(this.endpoints, DEAD_LETTER_QUEUE)
  }

  get topicArn(): string {
    return `arn:aws:sns:us-east-1:000000000000:${TOPIC}`
  }

  /** The environment of a gateway or a worker in the aws home. `endpoints` may be those of a fault proxy. */
  environment(endpoints: Endpoints = this.endpoints): Record<string, string> {
    return {
      ...awsEnvironment(endpoints),
      MILLRACE_HOME: 'aws',
      MILLRACE_TABLE: TABLE,
      MILLRACE_BUCKET: BUCKET,
      MILLRACE_ARCHIVE_PREFIX: PREFIX,
      MILLRACE_FIREHOSE_STREAM: STREAM,
      MILLRACE_QUEUE_URL: queueUrlAt(endpoints, QUEUE),
      MILLRACE_DEAD_LETTER_URL: queueUrlAt(endpoints, DEAD_LETTER_QUEUE),
      MILLRACE_KEY_SECRET: 'a secret of at least 32 characters, for tests',
    }
  }

  /** Delivers everything that Firehose and the subscriptions hold. */
  async deliver(): Promise<void> {
    await this.firehose.deliver()
    await this.logs.deliver()
  }

  /** Moves the clock of a test, and delivers what is due. */
  async advance(clock: { ms: number }, ms: number): Promise<void> {
    clock.ms += ms
    await this.firehose.deliverDue()
  }

  /** The objects of the bucket with this key prefix, by key. */
  async objects(prefix = ''): Promise<ArchiveObject[]> {
    const keys: string[] = []
    let token: string | undefined
    do {
      const input = { Bucket: BUCKET, Prefix: prefix, ContinuationToken: token }
      const page = await this.#s3.send(new ListObjectsV2Command(input))
      keys.push(...(page.Contents ?? []).flatMap(({ Key }) => Key ?? []))
      token = page.NextContinuationToken
    } while (token !== undefined)
    return Promise.all(keys.map((key) => this.#object(key)))
  }

  /** Bodies of the messages that are waiting, delayed, or hidden by a receiver. */
  messages(queue = QUEUE): string[] {
    const found = this.queues.inspectQueue(queue)?.messages
    if (found === undefined) throw new Error(`there is no queue ${queue}`)
    return [...found.ready, ...found.delayed, ...found.inflight.map(({ message }) => message)].map(({ body }) => body)
  }

  /** Bodies of the dead letters. */
  deadLetters(): string[] {
    return this.messages(DEAD_LETTER_QUEUE)
  }

  async stop(): Promise<void> {
    this.#s3.destroy()
    const services = [this.firehose, this.ssm, this.logs, this.queues, this.dynamodb]
    await Promise.all(services.map((service) => service.stop()))
  }

  async #object(key: string): Promise<ArchiveObject> {
    const { Body } = await this.#s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }))
    return { key, body: Buffer.from((await Body?.transformToByteArray()) ?? []) }
  }

  async #createTable(): Promise<void> {
    const client = new DynamoDBClient(testClient(this.endpoints.get('dynamodb') as string, 3))
    const created = client.send(new CreateTableCommand(tableRequest(TABLE)))
    try {
      await unlessThere(created)
    } finally {
      client.destroy()
    }
  }

  async #createStream({ bufferSeconds = 60, bufferMiB = 5 }: LocalCloudOptions): Promise<void> {
    const client = new FirehoseClient(testClient(this.firehose.url, 3))
    const buffer = { seconds: bufferSeconds, mebibytes: bufferMiB }
    await client.send(new CreateDeliveryStreamCommand(streamRequest(STREAM, BUCKET, { buffer })))
    client.destroy()
  }
}

interface Parts {
  readonly firehose: FirehoseDouble
  readonly ssm: SsmDouble
  readonly logs: CloudWatchLogsDouble
  readonly queues: FauxqsServer
  readonly dynamodb: DynamodbDouble
  readonly s3: S3Client
}

async function startParts(options: LocalCloudOptions): Promise<Parts> {
  const { folder, clock = SYSTEM_CLOCK, firstPort, secrets, subscriber } = options
  const portOf = (place: number) => ({ port: firstPort === undefined ? 0 : firstPort + place })
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true })
    await mendKeptQueues()
  }
  const queues = await startFauxqs({
    ...portOf(0),
    logger: false,
    ...(folder !== undefined && { dataDir: join(folder, 'queues'), s3StorageDir: join(folder, 's3') }),
  })
  setUpQueues(queues, options.visibilitySeconds)
  const path = folder === undefined ? {} : { path: join(folder, 'dynamodb') }
  const dynamodb = await DynamodbDouble.start({ clock, ...portOf(1), ...path })
  const s3 = new S3Client({ ...testClient(urlOf(queues.port), 3), forcePathStyle: true })
  const putObject = async (Bucket: string, Key: string, Body: Uint8Array) => {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body }))
  }
  const firehose = await FirehoseDouble.start({ clock, putObject, ...portOf(2) })
  const ssm = await SsmDouble.start({ clock, ...(secrets && { secrets }), ...portOf(3) })
  const logs = await CloudWatchLogsDouble.start({ clock, ...(subscriber && { subscriber }), ...portOf(4) })
  return { queues, dynamodb, s3, firehose, ssm, logs }
}

interface KeptQueues {
  readonly db: { prepare(statement: string): { run(messageId: string): void } }
  updateMessageReady(messageId: string): void
}

/**
 * fauxqs 2.4.1 loses a message whose time out is set to 0 while it keeps queues in a folder: it writes a count of
 * receives that its own table rejects, after it forgot that the message was received.
 */
async function mendKeptQueues(): Promise<void> {
  const path = new URL('persistence.js', import.meta.resolve('fauxqs')).href
  const { PersistenceManager } = (await import(path)) as { PersistenceManager: { prototype: KeptQueues } }
  const statement = 'UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?'
  PersistenceManager.prototype.updateMessageReady = function (messageId) {
    this.db.prepare(statement).run(messageId)
  }
}

/** Existing resources stay as they are. */
function setUpQueues(queues: FauxqsServer, visibilitySeconds: number | undefined): void {
  const hidden = visibilitySeconds === undefined ? {} : { VisibilityTimeout: String(visibilitySeconds) }
  const deadLettersArn = `arn:aws:sqs:us-east-1:000000000000:${DEAD_LETTER_QUEUE}`
  queues.setup({
    queues: [
      { name: DEAD_LETTER_QUEUE, attributes: queueAttributes() },
      { name: QUEUE, attributes: { ...queueAttributes(deadLettersArn), ...hidden } },
    ],
    topics: [{ name: TOPIC }],
    buckets: [BUCKET],
  })
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}`
}

async function unlessThere(creation: Promise<unknown>): Promise<void> {
  try {
    await creation
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ResourceInUseException') throw error
  }
}
