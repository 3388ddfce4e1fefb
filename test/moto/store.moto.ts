import { randomUUID } from 'node:crypto'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { Firehose } from '@aws-sdk/client-firehose'
import { S3 } from '@aws-sdk/client-s3'
import { SQS } from '@aws-sdk/client-sqs'
import t, { type Test } from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import { openAws } from '../../src/homes/aws-home.ts'
import { SYSTEM_CLOCK } from '../../src/homes/machine.ts'
import { makeBatch, openAdmission, readAll } from '../support/helper.ts'
import { testFolder } from '../support/test-folder.ts'
import { motoClient, uniqueName } from './moto-client.ts'

const EVENTS = {
  committed: () => undefined,
  writeFailed: () => undefined,
  maintenanceFailed: () => undefined,
  blockDamaged: () => undefined,
  sourceDamaged: () => undefined,
}

/** The whole store, with the gateway's own clients, on its own resources. */
async function openStore(t: Test, settings: Readonly<Record<string, string>> = {}) {
  const environment = { ...(await createResources()), MILLRACE_CACHE_DIR: testFolder(t), ...settings }
  const home = await openAws(readConfig(environment), SYSTEM_CLOCK, EVENTS)
  t.teardown(() => home.close())
  return { store: home.ports.store, environment }
}

async function createResources() {
  const s3 = new S3({ ...motoClient(), forcePathStyle: true })
  const dynamodb = new DynamoDB(motoClient())
  const firehose = new Firehose(motoClient())
  const sqs = new SQS(motoClient())
  const name = uniqueName(`millrace-${randomUUID().slice(0, 8)}`)
  await s3.createBucket({ Bucket: name })
  await dynamodb.createTable({
    TableName: name,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'S' },
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
  })
  await firehose.createDeliveryStream({
    DeliveryStreamName: name,
    ExtendedS3DestinationConfiguration: {
      RoleARN: 'arn:aws:iam::123456789012:role/firehose',
      BucketARN: `arn:aws:s3:::${name}`,
      Prefix: 'logs/',
    },
  })
  const { QueueUrl } = await sqs.createQueue({ QueueName: name })
  for (const client of [s3, dynamodb, firehose, sqs]) client.destroy()
  return {
    MILLRACE_HOME: 'aws',
    MILLRACE_TABLE: name,
    MILLRACE_BUCKET: name,
    MILLRACE_FIREHOSE_STREAM: name,
    MILLRACE_QUEUE_URL: QueueUrl as string,
    MILLRACE_KEY_SECRET: 'a secret of at least 32 characters, for tests',
  }
}

const nowNs = () => BigInt(Date.now()) * 1_000_000n

t.test('pushes and logs are read back at once, and a retry is stored once', async (t) => {
  const { store } = await openStore(t)
  const labels = { service_name: 'api' }
  const pushed = makeBatch([{ labels, entries: [{ ns: nowNs(), line: 'pushed', metadata: { trace: 'a' } }] }], admit())
  await store.append(pushed, 'push')
  await store.append(pushed, 'push')
  const posted = () => makeBatch([{ labels, entries: [{ ns: nowNs(), line: 'posted', id: 'one' }] }], admit())
  const first = await store.append(posted(), 'logs')
  t.equal(first.stored, 1)
  const again = await store.append(posted(), 'logs')
  t.strictSame([...again.takenIds.keys()], ['one'])
  const lines = (await readAll(store)).map(({ line }) => line)
  t.strictSame(lines, ['pushed', 'posted'])
})

t.test('lines are read from the archive when no recent item has them', async (t) => {
  const { store } = await openStore(t, { MILLRACE_RECENT_ITEMS: 'false' })
  const late = nowNs() - 5n * 3600_000_000_000n
  const entries = [
    { ns: late, line: 'late' },
    { ns: nowNs(), line: 'fresh' },
  ]
  await store.append(makeBatch([{ labels: { app: 'x' }, entries }], admit()), 'push')
  const read = await readAll(store, { start: late, end: nowNs() + 1n })
  t.strictSame(
    read.map(({ line }) => line),
    ['late', 'fresh'],
  )
})

function admit() {
  return openAdmission(SYSTEM_CLOCK)
}
