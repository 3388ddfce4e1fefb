import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { Firehose } from '@aws-sdk/client-firehose'
import { S3 } from '@aws-sdk/client-s3'
import { SNS } from '@aws-sdk/client-sns'
import { SQS } from '@aws-sdk/client-sqs'
import { SSM } from '@aws-sdk/client-ssm'
import t from 'tap'
import { DeadLetters, queueOrigin } from '../../src/adapters/aws/worker/dead-letters.ts'
import { testClient } from '../aws/test-client.ts'
import { FixedClock } from '../support/helper.ts'
import { testFolder } from '../support/test-folder.ts'
import { BUCKET, DEAD_LETTER_QUEUE, LocalCloud, STREAM, startLocalCloud, TABLE } from './local-cloud.ts'

/** Clients like the gateway's: configured only by the environment. */
function openClients(environment: Readonly<Record<string, string>>) {
  const before = { ...process.env }
  Object.assign(process.env, environment)
  const clients = {
    s3: new S3(),
    sqs: new SQS(),
    sns: new SNS(),
    dynamodb: new DynamoDB(),
    firehose: new Firehose(),
    ssm: new SSM(),
    logs: new CloudWatchLogs(),
  }
  return {
    ...clients,
    close() {
      for (const client of Object.values(clients)) client.destroy()
      process.env = before
    },
  }
}

t.test('the environment leads the SDK to every service and resource', async (t) => {
  const clock = new FixedClock()
  const cloud = await startLocalCloud(t, { clock })
  const clients = openClients(cloud.environment())
  t.teardown(() => clients.close())

  await clients.dynamodb.putItem({ TableName: TABLE, Item: { pk: { S: 'a' }, sk: { S: 'b' } } })
  t.match(await clients.dynamodb.getItem({ TableName: TABLE, Key: { pk: { S: 'a' }, sk: { S: 'b' } } }), {
    Item: { pk: { S: 'a' } },
  })

  await clients.s3.putObject({ Bucket: BUCKET, Key: 'logs/own', Body: 'own' })
  await clients.firehose.putRecord({ DeliveryStreamName: STREAM, Record: { Data: Buffer.from('record') } })
  await cloud.advance(clock, 59_999)
  t.strictSame(await cloud.objects(), [{ key: 'logs/own', body: Buffer.from('own') }])
  await cloud.advance(clock, 1)
  const [delivered] = await cloud.objects('logs/2026/11/21/12/millrace-1-2026-11-21-12-00-00-')
  t.equal(delivered?.body.toString(), 'record')

  await clients.sqs.sendMessage({ QueueUrl: cloud.queueUrl, MessageBody: 'message' })
  t.strictSame(cloud.messages(), ['message'])

  t.match(await clients.sns.publish({ TopicArn: cloud.topicArn, Message: 'incident' }), { MessageId: String })

  cloud.ssm.set('/key', 'value', 'SecureString')
  t.match(await clients.ssm.getParameter({ Name: '/key', WithDecryption: true }), { Parameter: { Value: 'value' } })

  await clients.logs.createLogGroup({ logGroupName: 'g' })
  t.match(await clients.logs.describeLogGroups({}), { logGroups: [{ logGroupName: 'g' }] })
})

t.test('a message that is received five times and never deleted becomes a dead letter', async (t) => {
  const cloud = await startLocalCloud(t)
  const clients = openClients(cloud.environment())
  t.teardown(() => clients.close())
  await clients.sqs.sendMessage({ QueueUrl: cloud.queueUrl, MessageBody: 'poison' })
  for (let times = 0; times < 5; times++) {
    const { Messages } = await clients.sqs.receiveMessage({ QueueUrl: cloud.queueUrl, WaitTimeSeconds: 1 })
    t.equal(Messages?.[0]?.Body, 'poison')
    const ReceiptHandle = Messages?.[0]?.ReceiptHandle
    await clients.sqs.changeMessageVisibility({ QueueUrl: cloud.queueUrl, ReceiptHandle, VisibilityTimeout: 0 })
  }
  t.strictSame(cloud.deadLetters(), [])
  t.equal((await clients.sqs.receiveMessage({ QueueUrl: cloud.queueUrl })).Messages, undefined)
  t.strictSame(cloud.deadLetters(), ['poison'])
  t.strictSame(cloud.messages(), [])
})

t.test('a cloud with a folder survives a restart', async (t) => {
  const folder = testFolder(t)
  const first = await LocalCloud.start({ folder })
  const firstClients = openClients(first.environment())
  await firstClients.s3.putObject({ Bucket: BUCKET, Key: 'logs/x', Body: 'object' })
  await firstClients.sqs.sendMessage({ QueueUrl: first.queueUrl, MessageBody: 'message' })
  await firstClients.dynamodb.putItem({ TableName: TABLE, Item: { pk: { S: 'a' }, sk: { S: 'b' } } })
  firstClients.close()
  await first.stop()

  const second = await startLocalCloud(t, { folder })
  const clients = openClients(second.environment())
  t.teardown(() => clients.close())
  t.match(await second.objects(), [{ key: 'logs/x' }])
  t.strictSame(second.messages(), ['message'])
  t.equal((await clients.dynamodb.scan({ TableName: TABLE })).Count, 1)
})

t.test('dead letters of a cloud with a folder survive a receive and a restart', async (t) => {
  const folder = testFolder(t)
  const bodies = Array.from({ length: 25 }, (_, i) => `b${String(i).padStart(2, '0')}`)
  for (let start = 0; start < 2; start++) {
    const cloud = await LocalCloud.start({ folder })
    const sqs = new SQS(testClient(cloud.endpoints.get('sqs') as string))
    const client = async () => sqs
    if (start === 0) for (const body of bodies) cloud.queues.sendMessage(DEAD_LETTER_QUEUE, body)
    const letters = new DeadLetters(client, cloud.deadLetterQueueUrl, queueOrigin(client, cloud.queueUrl))
    const held = []
    for (let taken = await letters.take(); taken.length > 0; taken = await letters.take()) held.push(...taken)
    await letters.release(held)
    t.same(cloud.deadLetters().sort(), bodies)
    t.equal(cloud.queues.inspectQueue(DEAD_LETTER_QUEUE)?.messages.ready.length, bodies.length)
    sqs.destroy()
    await cloud.stop()
  }
})
