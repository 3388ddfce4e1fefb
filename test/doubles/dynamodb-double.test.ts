import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocument } from '@aws-sdk/lib-dynamodb'
import t, { type Test } from 'tap'
import { DynamodbDouble } from './dynamodb-double.ts'

const TableName = 'things'

async function open(t: Test): Promise<DynamoDBDocument> {
  const double = await DynamodbDouble.start()
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const client = new DynamoDB({ endpoint: double.url, region: 'us-east-1', credentials })
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
  return DynamoDBDocument.from(client)
}

const put = (id: string, version: number, ConditionExpression = 'attribute_not_exists(id)') => ({
  Put: { TableName, Item: { id, version }, ConditionExpression },
})

t.test('a transaction writes all of it', async (t) => {
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

t.test('a condition that does not hold leaves everything as it was, and is named', async (t) => {
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

t.test('more than a transaction takes is refused', async (t) => {
  const items = await open(t)
  const many = Array.from({ length: 101 }, (_, i) => put(String(i), 1))
  await t.rejects(items.transactWrite({ TransactItems: many }), { name: 'ValidationException' })
  await t.rejects(items.transactWrite({ TransactItems: [put('a', 1), put('a', 2)] }), { name: 'ValidationException' })
})

t.test('of transactions at the same time one sees what the other wrote', async (t) => {
  const items = await open(t)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) => items.transactWrite({ TransactItems: [put('a', i), put(`b${i}`, i)] })),
  )
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  const { Items = [] } = await items.scan({ TableName })
  t.equal(Items.length, 2)
})
