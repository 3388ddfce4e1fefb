import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import t, { type Test } from 'tap'
import { FixedClock } from '../support/helper.ts'
import { DynamodbDouble } from './dynamodb-double.ts'

const TableName = 'things'

async function open(t: Test): Promise<DynamoDBDocument> {
  return (await openBoth(t)).items
}

async function openBoth(t: Test) {
  const clock = new FixedClock()
  const double = await DynamodbDouble.start({ clock })
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const client = new DynamoDB({ endpoint: double.url, region: 'us-east-1', credentials, maxAttempts: 1 })
  t.teardown(async () => {
    client.destroy()
    await double.stop()
  })
  await client.createTable({
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
  })
  for (let i = 0; i < 100; i++) {
    const { Table } = await client.describeTable({ TableName })
    if (Table?.TableStatus === 'ACTIVE') break
  }
  return { double, clock, items: DynamoDBDocument.from(client) }
}

const put = (id: string, version: number, ConditionExpression = 'attribute_not_exists(id)') => ({
  Put: { TableName, Item: { id, version }, ConditionExpression },
})

t.test('a transaction writes all items', async (t) => {
  const items = await open(t)
  await items.put({ TableName, Item: { id: 'c', version: 1 } })
  const Key = { id: 'c' }
  const update = { TableName, Key, UpdateExpression: 'SET version = :two', ExpressionAttributeValues: { ':two': 2 } }
  await items.transactWrite({ TransactItems: [put('a', 1), put('b', 1), { Update: update }] })
  for (const [id, version] of [
    ['a', 1],
    ['b', 1],
    ['c', 2],
  ] as const) {
    t.same((await items.get({ TableName, Key: { id } })).Item, { id, version })
  }
})

t.test('a failed condition leaves everything unchanged, and is reported', async (t) => {
  const items = await open(t)
  await items.put({ TableName, Item: { id: 'b', version: 7 } })
  const gone = { Delete: { TableName, Key: { id: 'b' } } }
  const error = await items.transactWrite({ TransactItems: [put('a', 1), put('b', 1)] }).catch((cause) => cause)
  t.match(error, {
    name: 'TransactionCanceledException',
    CancellationReasons: [{ Code: 'None' }, { Code: 'ConditionalCheckFailed' }],
  })
  t.equal((await items.get({ TableName, Key: { id: 'a' } })).Item, undefined)
  await t.rejects(items.transactWrite({ TransactItems: [gone, put('c', 1, 'attribute_exists(id)')] }))
  t.match((await items.get({ TableName, Key: { id: 'b' } })).Item, { version: 7 })
})

t.test('a transaction beyond its limits is rejected', async (t) => {
  const items = await open(t)
  const many = Array.from({ length: 101 }, (_, i) => put(String(i), 1))
  await t.rejects(items.transactWrite({ TransactItems: many }), { name: 'ValidationException' })
  await t.rejects(items.transactWrite({ TransactItems: [put('a', 1), put('a', 2)] }), { name: 'ValidationException' })
})

t.test('of concurrent transactions, one sees what the other wrote', async (t) => {
  const items = await open(t)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) => items.transactWrite({ TransactItems: [put('a', i), put(`b${i}`, i)] })),
  )
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  const { Items = [] } = await items.scan({ TableName })
  t.equal(Items.length, 2)
})

t.test('a transaction that is retried with its token, as by the SDK, is executed once', async (t) => {
  const items = await open(t)
  const first = { TransactItems: [put('a', 1)], ClientRequestToken: 'token' }
  await items.transactWrite(first)
  await items.transactWrite(first)
  await t.rejects(items.transactWrite({ ...first, TransactItems: [put('a', 2)] }), {
    name: 'IdempotentParameterMismatchException',
  })
  await t.rejects(items.transactWrite({ TransactItems: [put('a', 1)] }), { name: 'TransactionCanceledException' })
})

t.test('a transaction may check an item that it does not write', async (t) => {
  const items = await open(t)
  const check = (id: string) => ({
    ConditionCheck: { TableName, Key: { id }, ConditionExpression: 'attribute_exists(id)' },
  })
  await items.put({ TableName, Item: { id: 'a', version: 1 } })
  await items.transactWrite({ TransactItems: [check('a'), put('b', 1)] })
  await t.rejects(items.transactWrite({ TransactItems: [put('c', 1), check('none')] }))
  const { Items = [] } = await items.scan({ TableName })
  t.strictSame(Items.map(({ id }) => id).sort(), ['a', 'b'], 'a check leaves nothing behind')
})

t.test('a test can cancel a transaction as if others wrote its items', async (t) => {
  const { double, items } = await openBoth(t)
  double.cancels = (index) => (index === 0 ? 'TransactionConflict' : undefined)
  t.match(await items.transactWrite({ TransactItems: [put('a', 1), put('b', 1)] }).catch((cause) => cause), {
    name: 'TransactionCanceledException',
    CancellationReasons: [{ Code: 'TransactionConflict' }, { Code: 'None' }],
  })
  await items.transactWrite({ TransactItems: [put('a', 1)] })
})

t.test('a page of a query has a megabyte', async (t) => {
  const { items } = await openBoth(t)
  for (let i = 0; i < 4; i++) await items.put({ TableName, Item: { id: `big${i}`, text: 'x'.repeat(390_000) } })
  const { Items = [], LastEvaluatedKey } = await items.scan({ TableName })
  t.equal(Items.length, 3)
  t.ok(LastEvaluatedKey !== undefined)
})

t.test('a partition accepts 1,000 write units and 3,000 read units a second', async (t) => {
  const { double, clock, items } = await openBoth(t)
  double.throttles = true
  const text = 'x'.repeat(350_000)
  const write = (id: string) => items.put({ TableName, Item: { id, text } })
  const throttled = { name: 'ProvisionedThroughputExceededException' }
  // 342 units each: the third exceeds the quota, which the last call of a second may.
  for (let i = 0; i < 3; i++) await write('hot')
  await t.rejects(write('hot'), throttled)
  await t.rejects(items.delete({ TableName, Key: { id: 'hot' } }), throttled)
  await write('cold')
  const batch = { RequestItems: { [TableName]: ['hot', 'new'].map((id) => ({ PutRequest: { Item: { id } } })) } }
  const { UnprocessedItems } = await items.batchWrite(batch)
  t.match(UnprocessedItems, { [TableName]: [{ PutRequest: { Item: { id: 'hot' } } }] })
  const TransactItems = [put('other', 1), { Delete: { TableName, Key: { id: 'hot' } } }]
  t.match(await items.transactWrite({ TransactItems }).catch((cause) => cause), {
    CancellationReasons: [{ Code: 'None' }, { Code: 'ThrottlingError' }],
  })
  clock.ms += 1000
  await write('hot')
  // 86 units each.
  const read = () => items.get({ TableName, Key: { id: 'hot' }, ConsistentRead: true })
  for (let i = 0; i < 35; i++) await read()
  await t.rejects(read(), throttled)
  const asked = { RequestItems: { [TableName]: { Keys: [{ id: 'hot' }, { id: 'cold' }] } } }
  const { Responses, UnprocessedKeys } = await items.batchGet(asked)
  t.equal(Responses?.[TableName]?.length, 1)
  t.match(UnprocessedKeys, { [TableName]: { Keys: [{ id: 'hot' }] } })
})
