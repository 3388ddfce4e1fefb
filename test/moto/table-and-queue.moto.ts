import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { SNS } from '@aws-sdk/client-sns'
import { SQS } from '@aws-sdk/client-sqs'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import t from 'tap'
import { motoClient, uniqueName } from './moto-client.ts'

const dynamodb = new DynamoDB(motoClient())
const items = DynamoDBDocument.from(dynamodb)
const sqs = new SQS(motoClient())
const sns = new SNS(motoClient())
t.teardown(() => {
  dynamodb.destroy()
  sqs.destroy()
  sns.destroy()
})

async function createTable() {
  const TableName = uniqueName('table')
  await dynamodb.createTable({
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
  })
  await dynamodb.updateTimeToLive({
    TableName,
    TimeToLiveSpecification: { Enabled: true, AttributeName: 'expiresAt' },
  })
  return TableName
}

t.test('the table has a time to live, and items keep theirs', async (t) => {
  const TableName = await createTable()
  const { TimeToLiveDescription } = await dynamodb.describeTimeToLive({ TableName })
  t.match(TimeToLiveDescription, { AttributeName: 'expiresAt', TimeToLiveStatus: 'ENABLED' })
  const Item = { pk: 'recent#fake', sk: '1', block: Buffer.from([0, 255]), expiresAt: 1_795_000_000 }
  await items.put({ TableName, Item })
  const found = await items.query({
    TableName,
    KeyConditionExpression: 'pk = :pk AND sk > :after',
    ExpressionAttributeValues: { ':pk': 'recent#fake', ':after': '0' },
    ConsistentRead: true,
  })
  t.match(found.Items, [{ sk: '1', expiresAt: 1_795_000_000 }])
  t.strictSame(Buffer.from(found.Items?.[0]?.['block'] as Uint8Array), Buffer.from([0, 255]))
})

t.test('one of two conditional writes succeeds', async (t) => {
  const TableName = await createTable()
  const claim = (owner: string) =>
    items.put({
      TableName,
      Item: { pk: 'id#fake#1', sk: 'claim', owner },
      ConditionExpression: 'attribute_not_exists(pk)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    })
  const outcomes = await Promise.allSettled([claim('a'), claim('b')])
  t.strictSame(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  const refused = outcomes.find((outcome) => outcome.status === 'rejected')
  t.match(refused?.reason, { name: 'ConditionalCheckFailedException', Item: { sk: { S: 'claim' } } })
})

t.test('an item of more than 400 KB is refused', async (t) => {
  const TableName = await createTable()
  const Item = { pk: 'a', sk: 'b', block: Buffer.alloc(410_000) }
  await t.rejects(items.put({ TableName, Item }), { name: 'ValidationException' })
})

t.test('a message that is never deleted becomes a dead letter', async (t) => {
  const dead = await sqs.createQueue({ QueueName: uniqueName('dead') })
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl: dead.QueueUrl, AttributeNames: ['QueueArn'] })
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes?.QueueArn, maxReceiveCount: 2 })
  const { QueueUrl } = await sqs.createQueue({ QueueName: uniqueName('queue'), Attributes: { RedrivePolicy } })
  const MessageAttributes = { version: { DataType: 'String', StringValue: '1' } }
  await sqs.sendMessage({ QueueUrl, MessageBody: 'poison', MessageAttributes })
  for (let times = 0; times < 2; times++) {
    const { Messages } = await sqs.receiveMessage({ QueueUrl, VisibilityTimeout: 0, MessageAttributeNames: ['All'] })
    t.match(Messages, [{ Body: 'poison', MessageAttributes: { version: { StringValue: '1' } } }])
  }
  t.equal((await sqs.receiveMessage({ QueueUrl })).Messages?.length ?? 0, 0)
  t.match(await sqs.receiveMessage({ QueueUrl: dead.QueueUrl }), { Messages: [{ Body: 'poison' }] })
})

t.test('a message of more than 1 MiB is refused', async (t) => {
  const { QueueUrl } = await sqs.createQueue({ QueueName: uniqueName('queue') })
  await t.resolves(sqs.sendMessage({ QueueUrl, MessageBody: 'x'.repeat(1_048_576) }))
  await t.rejects(sqs.sendMessage({ QueueUrl, MessageBody: 'x'.repeat(1_048_577) }))
})

t.test('a topic reaches a queue', async (t) => {
  const { TopicArn } = await sns.createTopic({ Name: uniqueName('topic') })
  const { QueueUrl } = await sqs.createQueue({ QueueName: uniqueName('queue') })
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['QueueArn'] })
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: Attributes?.QueueArn })
  await sns.publish({ TopicArn, Subject: 'incident', Message: 'error in api' })
  // SNS delivers after it responded.
  const { Messages } = await sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 10 })
  t.match(JSON.parse(Messages?.[0]?.Body ?? '{}'), { Message: 'error in api', Subject: 'incident' })
})
