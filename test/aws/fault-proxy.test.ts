import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { Firehose } from '@aws-sdk/client-firehose'
import { S3 } from '@aws-sdk/client-s3'
import { SNS } from '@aws-sdk/client-sns'
import { SQS } from '@aws-sdk/client-sqs'
import { SSM } from '@aws-sdk/client-ssm'
import t, { type Test } from 'tap'
import { BUCKET, LocalCloud, STREAM, TABLE } from '../doubles/local-cloud.ts'
import { Random } from '../support/random.ts'
import { CALM, FAULT_KINDS, type FaultKind, randomFaults } from './fault-plan.ts'
import { FaultProxy } from './fault-proxy.ts'
import { testClient } from './test-client.ts'
import { UnansweredCalls } from './unanswered-calls.ts'

const cloud = await LocalCloud.start()
t.teardown(() => cloud.stop())

async function start(t: Test) {
  const unanswered = new UnansweredCalls()
  const proxy = await FaultProxy.start({
    endpoints: cloud.endpoints,
    wait: async () => undefined,
    onUnanswered: unanswered.expire,
  })
  const url = proxy.endpoints.get('s3') as string
  const options = () => ({ ...testClient(url), requestHandler: unanswered.makeHandler() })
  const clients = {
    s3: new S3({ ...options(), forcePathStyle: true }),
    sqs: new SQS(options()),
    sns: new SNS(options()),
    dynamodb: new DynamoDB(options()),
    firehose: new Firehose(options()),
    ssm: new SSM(options()),
  }
  t.teardown(async () => {
    for (const client of Object.values(clients)) client.destroy()
    await proxy.stop()
  })
  return { proxy, ...clients, failWith: (kind: FaultKind) => once(proxy, kind) }
}

/** Makes the next call fail in this way; later calls pass. */
function once(proxy: FaultProxy, kind: FaultKind): void {
  proxy.plan = () => {
    proxy.plan = CALM
    return kind
  }
}

const QueueUrl = cloud.queueUrl

t.test('calls without a planned fault pass unchanged', async (t) => {
  const { proxy, s3, sqs, sns, dynamodb, firehose, ssm } = await start(t)
  const Body = Buffer.from(Array.from({ length: 256 }, (_, at) => at))
  await s3.putObject({ Bucket: BUCKET, Key: 'bytes', Body })
  const got = await s3.getObject({ Bucket: BUCKET, Key: 'bytes' })
  t.strictSame(Buffer.from((await got.Body?.transformToByteArray()) ?? []), Body)
  t.equal((await s3.headObject({ Bucket: BUCKET, Key: 'bytes' })).ContentLength, 256)
  t.equal((await s3.listObjectsV2({ Bucket: BUCKET, Prefix: 'by' })).Contents?.length, 1)
  await sqs.sendMessage({ QueueUrl, MessageBody: 'x' })
  await sns.publish({ TopicArn: cloud.topicArn, Message: 'x' })
  await dynamodb.putItem({ TableName: TABLE, Item: { pk: { S: 'a' }, sk: { S: 'b' } } })
  await firehose.putRecord({ DeliveryStreamName: STREAM, Record: { Data: Body } })
  await t.rejects(ssm.getParameter({ Name: '/none' }), { name: 'ParameterNotFound' })
  t.equal(proxy.calls, 9)
  t.strictSame(proxy.faults, [])
})

t.test('throttling and internal errors have the form of each service', async (t) => {
  const { proxy, failWith, s3, sqs, sns, dynamodb, firehose, ssm } = await start(t)
  const rows: readonly (readonly [string, () => Promise<unknown>, string, string])[] = [
    ['S3', () => s3.getObject({ Bucket: BUCKET, Key: 'x' }), 'SlowDown', 'InternalError'],
    ['SQS', () => sqs.sendMessage({ QueueUrl, MessageBody: 'x' }), 'RequestThrottled', 'InternalFailure'],
    ['SNS', () => sns.publish({ TopicArn: cloud.topicArn, Message: 'x' }), 'Throttling', 'InternalFailure'],
    [
      'DynamoDB',
      () => dynamodb.getItem({ TableName: TABLE, Key: { pk: { S: 'a' }, sk: { S: 'b' } } }),
      'ProvisionedThroughputExceededException',
      'InternalServerError',
    ],
    [
      'Firehose',
      () => firehose.putRecord({ DeliveryStreamName: STREAM, Record: { Data: Buffer.from('x') } }),
      'ServiceUnavailableException',
      'InternalFailure',
    ],
    ['SSM', () => ssm.getParameter({ Name: '/x' }), 'ThrottlingException', 'InternalServerError'],
  ]
  for (const [name, call, throttle, error] of rows) {
    failWith('throttle')
    await t.rejects(call(), { name: throttle }, `${name} throttles`)
    failWith('serverError')
    await t.rejects(call(), { name: error, $metadata: { httpStatusCode: 500 } }, `${name} fails`)
  }
  t.equal(proxy.faults.length, 12, 'each counted by kind and operation')
  t.match(
    proxy.faults.find(({ kind, service }) => kind === 'throttle' && service === 's3'),
    { operation: 'GetObject', count: 1 },
  )
})

t.test('a client retries throttled calls', async (t) => {
  const { proxy, failWith } = await start(t)
  const patient = new S3({ ...testClient(proxy.endpoints.get('s3') as string, 3), forcePathStyle: true })
  t.teardown(() => patient.destroy())
  failWith('throttle')
  await t.resolves(patient.listObjectsV2({ Bucket: BUCKET }))
  t.equal(proxy.calls, 2)
})

t.test('a call without an answer, or cut before it was carried out, did nothing', async (t) => {
  const { failWith, s3 } = await start(t)
  for (const kind of ['noAnswer', 'cutBefore'] as const) {
    failWith(kind)
    const name = kind === 'noAnswer' ? /^TimeoutError$/ : /./
    await t.rejects(s3.putObject({ Bucket: BUCKET, Key: kind, Body: 'x' }), { name }, kind)
    await t.rejects(s3.headObject({ Bucket: BUCKET, Key: kind }), { name: 'NotFound' })
  }
})

t.test('a call that is cut or refused after it was carried out did everything', async (t) => {
  const { failWith, s3 } = await start(t)
  for (const kind of ['cutAfter', 'serverErrorAfter'] as const) {
    failWith(kind)
    await t.rejects(s3.putObject({ Bucket: BUCKET, Key: kind, Body: 'x' }), kind)
    await t.resolves(s3.headObject({ Bucket: BUCKET, Key: kind }))
  }
})

t.test('a delayed call is carried out', async (t) => {
  const { failWith, s3, proxy } = await start(t)
  failWith('delay')
  await t.resolves(s3.putObject({ Bucket: BUCKET, Key: 'late', Body: 'x' }))
  t.match(proxy.faults, [{ kind: 'delay', service: 's3', operation: 'PutObject', count: 1 }])
})

t.test('a part of a PutRecordBatch fails, and only the rest is buffered', async (t) => {
  const { failWith, firehose } = await start(t)
  await cloud.firehose.deliver()
  failWith('partial')
  const Records = Array.from({ length: 20 }, () => ({ Data: Buffer.from('x') }))
  const { FailedPutCount = 0, RequestResponses } = await firehose.putRecordBatch({
    DeliveryStreamName: STREAM,
    Records,
  })
  t.ok(FailedPutCount > 0 && FailedPutCount < 20, `${FailedPutCount} of 20 failed`)
  t.equal(RequestResponses?.length, 20)
  t.equal(
    RequestResponses?.filter(({ ErrorCode }) => ErrorCode === 'ServiceUnavailableException').length,
    FailedPutCount,
  )
  t.equal(cloud.firehose.pendingBytes, 20 - FailedPutCount)
})

t.test('a part of a SendMessageBatch fails, and only the rest is sent', async (t) => {
  const { failWith, sqs } = await start(t)
  const before = cloud.messages().length
  failWith('partial')
  const Entries = Array.from({ length: 10 }, (_, at) => ({ Id: `m${at}`, MessageBody: `body ${at}` }))
  const { Successful = [], Failed = [] } = await sqs.sendMessageBatch({ QueueUrl, Entries })
  t.equal(Successful.length + Failed.length, 10)
  t.ok(Failed.length > 0 && Successful.length > 0)
  t.equal(cloud.messages().length, before + Successful.length)
})

t.test('a part of a BatchWriteItem is left, and only the rest is written', async (t) => {
  const { failWith, dynamodb } = await start(t)
  failWith('partial')
  const writes = Array.from({ length: 20 }, (_, at) => ({
    PutRequest: { Item: { pk: { S: 'batch' }, sk: { S: String(at) } } },
  }))
  const { UnprocessedItems } = await dynamodb.batchWriteItem({ RequestItems: { [TABLE]: writes } })
  const left = UnprocessedItems?.[TABLE]?.length ?? 0
  t.ok(left > 0 && left < 20)
  const { Count } = await dynamodb.query({
    TableName: TABLE,
    KeyConditionExpression: 'pk = :pk',
    ExpressionAttributeValues: { ':pk': { S: 'batch' } },
  })
  t.equal(Count, 20 - left)
})

t.test('random faults come as often as they are planned, and the same for the same seed', async (t) => {
  const chances = { throttle: 0.2, cutAfter: 0.1 }
  const draw = (seed: number) => {
    const plan = randomFaults(new Random(seed), chances)
    return Array.from({ length: 1000 }, () => plan({ service: 's3', operation: 'PutObject' }))
  }
  const drawn = draw(7)
  t.strictSame(draw(7), drawn)
  const count = (kind: FaultKind) => drawn.filter((each) => each === kind).length
  t.ok(Math.abs(count('throttle') - 200) < 50, `${count('throttle')} of 1000 throttled`)
  t.ok(Math.abs(count('cutAfter') - 100) < 40, `${count('cutAfter')} of 1000 cut`)
  t.strictSame(
    FAULT_KINDS.filter((kind) => count(kind) > 0),
    ['throttle', 'cutAfter'],
  )
})
