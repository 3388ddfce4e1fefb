/** The throughput of a DynamoDB partition, and the calls that are rejected because of it. */

import type { Clock } from '../../src/ports/log-store.ts'
import { type Action, type Answer, type Call, cancelled, failure, type Json } from './dynamodb-transactions.ts'

type Kind = 'write' | 'read'

/** See https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html. */
const UNITS_PER_SECOND: Readonly<Record<Kind, number>> = { write: 1000, read: 3000 }
/** A transaction writes each item twice: once to prepare, once to commit. */
const TRANSACTION_FACTOR = 2

const KINDS: Readonly<Record<string, Kind>> = {
  PutItem: 'write',
  UpdateItem: 'write',
  DeleteItem: 'write',
  GetItem: 'read',
  Query: 'read',
  BatchWriteItem: 'write',
  BatchGetItem: 'read',
}

/**
 * The quotas of partitions, one for each value of a hash key, table and index: DynamoDB keeps a key's items together, and
 * splits a key that stays hot only after minutes. A call is taken while its second is not used up, and then charged what
 * it used, as the service allows a last call to pass the quota. Writes of indexes are not counted.
 */
export class PartitionQuotas {
  /** Tests may set less than AWS grants. */
  unitsPerSecond = UNITS_PER_SECOND
  readonly #clock: Clock
  readonly #used = new Map<string, number>()
  readonly #hashNames = new Map<string, string>()
  #second = -1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The response of dynalite by `call`, or that of a throttling service. */
  async answer(operation: string, input: Json, call: Call): Promise<Answer> {
    const kind = KINDS[operation]
    if (kind === undefined) return call(operation, input)
    if (operation.startsWith('Batch')) return this.#answerBatch(operation, kind, input, call)
    const partition = await this.#partitionOf(operation, input, call)
    if (this.#isUsedUp(partition, kind)) return throttled()
    const { capacity, answer } = await withCapacity(operation, input, call)
    this.#charge(partition, kind, capacity)
    return answer
  }

  /** A response if the transaction is cancelled for the quota of one of its partitions; otherwise its units are charged. */
  async answerTransaction(actions: readonly Action[], call: Call): Promise<Answer | undefined> {
    const partitions: string[] = []
    for (const { input, key } of actions) {
      partitions.push(partitionName(input.TableName, '', key[await this.#hashName(input.TableName, '', call)]))
    }
    const isThrottled = partitions.map((partition) => this.#isUsedUp(partition, 'write'))
    if (isThrottled.includes(true)) {
      const Message = 'Throughput exceeds the current capacity of your table or index'
      return cancelled(isThrottled.map((is) => (is ? { Code: 'ThrottlingError', Message } : { Code: 'None' })))
    }
    for (const [i, partition] of partitions.entries()) {
      const kilobytes = Math.ceil(JSON.stringify(actions[i]?.input).length / 1024)
      this.#charge(partition, 'write', TRANSACTION_FACTOR * kilobytes)
    }
    return undefined
  }

  /** Items of exhausted partitions are returned as unprocessed; a batch of only such items is rejected. */
  async #answerBatch(operation: string, kind: Kind, input: Json, call: Call): Promise<Answer> {
    const rest = operation === 'BatchGetItem' ? 'UnprocessedKeys' : 'UnprocessedItems'
    const taken: Json = {}
    const left: Json = {}
    const partitions: string[] = []
    for (const [table, asked] of Object.entries((input['RequestItems'] ?? {}) as Record<string, unknown>)) {
      const hash = await this.#hashName(table, '', call)
      const requests = (Array.isArray(asked) ? asked : (asked as { Keys: Json[] }).Keys) as Json[]
      const names = requests.map((request) => partitionName(table, '', keyOfRequest(request)[hash]))
      const pick = (isLeft: boolean): unknown => {
        const picked = requests.filter((_, i) => this.#isUsedUp(names[i] as string, kind) === isLeft)
        if (picked.length === 0) return undefined
        return Array.isArray(asked) ? picked : { ...(asked as Json), Keys: picked }
      }
      const [yes, no] = [pick(false), pick(true)]
      if (yes !== undefined) taken[table] = yes
      if (no !== undefined) left[table] = no
      partitions.push(...names.filter((name) => !this.#isUsedUp(name, kind)))
    }
    if (partitions.length === 0 && Object.keys(left).length > 0) return throttled()
    const { capacity, answer } = await withCapacity(operation, { ...input, RequestItems: taken }, call)
    for (const partition of partitions) this.#charge(partition, kind, capacity / partitions.length)
    if (answer.status !== 200) return answer
    const unprocessed = { ...left, ...((answer.body[rest] ?? {}) as Json) }
    return { status: 200, body: { ...answer.body, [rest]: unprocessed } }
  }

  #isUsedUp(partition: string, kind: Kind): boolean {
    const second = Math.floor(this.#clock.nowMs() / 1000)
    if (second !== this.#second) this.#used.clear()
    this.#second = second
    return (this.#used.get(`${kind} ${partition}`) ?? 0) >= this.unitsPerSecond[kind]
  }

  #charge(partition: string, kind: Kind, units: number): void {
    const name = `${kind} ${partition}`
    this.#used.set(name, (this.#used.get(name) ?? 0) + units)
  }

  async #partitionOf(operation: string, input: Json, call: Call): Promise<string> {
    const table = String(input['TableName'])
    const index = String(input['IndexName'] ?? '')
    const hash = await this.#hashName(table, index, call)
    if (operation !== 'Query') return partitionName(table, index, ((input['Item'] ?? input['Key']) as Json)?.[hash])
    const [, name = ''] = /=\s*(:\w+)/.exec(String(input['KeyConditionExpression'])) ?? []
    return partitionName(table, index, ((input['ExpressionAttributeValues'] ?? {}) as Json)[name])
  }

  async #hashName(table: string, index: string, call: Call): Promise<string> {
    const known = this.#hashNames.get(`${table} ${index}`)
    if (known !== undefined) return known
    const { body } = await call('DescribeTable', { TableName: table })
    const described = (body['Table'] ?? {}) as { KeySchema?: Schema; GlobalSecondaryIndexes?: Index[] }
    const indexes = described.GlobalSecondaryIndexes ?? []
    const schema = index === '' ? described.KeySchema : indexes.find(({ IndexName }) => IndexName === index)?.KeySchema
    const name = schema?.find(({ KeyType }) => KeyType === 'HASH')?.AttributeName ?? ''
    this.#hashNames.set(`${table} ${index}`, name)
    return name
  }
}

type Schema = readonly { readonly AttributeName: string; readonly KeyType: string }[]

interface Index {
  readonly IndexName: string
  readonly KeySchema: Schema
}

/** The response as requested, and its consumed units. */
async function withCapacity(operation: string, input: Json, call: Call): Promise<{ capacity: number; answer: Answer }> {
  const { status, body } = await call(operation, { ...input, ReturnConsumedCapacity: 'TOTAL' })
  const { ConsumedCapacity, ...rest } = body
  const used = [ConsumedCapacity ?? []].flat() as { CapacityUnits?: number }[]
  const capacity = used.reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0)
  const isAsked = (input['ReturnConsumedCapacity'] ?? 'NONE') !== 'NONE'
  return { capacity, answer: { status, body: isAsked ? body : rest } }
}

function partitionName(table: string, index: string, value: unknown): string {
  return JSON.stringify([table, index, value])
}

function keyOfRequest(request: Json): Json {
  const put = request['PutRequest'] as { Item: Json } | undefined
  const removal = request['DeleteRequest'] as { Key: Json } | undefined
  return put?.Item ?? removal?.Key ?? request
}

function throttled(): Answer {
  const text =
    'The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.'
  return failure('ProvisionedThroughputExceededException', text)
}
