/** Counts what AWS bills, where calls leave the SDK: each attempt of each call counts. */

import type { AttributeValue } from '@aws-sdk/client-dynamodb'

/** Billed usage, in the units of the price list. */
export interface Units {
  firehoseBytes: number
  firehoseRecords: number
  sqsRequests: number
  writeUnits: number
  readUnits: number
  puts: number
  gets: number
}

const FIREHOSE_STEP = 5 * 1024
const SQS_STEP = 64 * 1024
const WRITE_STEP = 1024
const READ_STEP = 4096

interface Metered {
  readonly middlewareStack: {
    add(middleware: unknown, options: { step: 'finalizeRequest'; priority: 'low'; name: string }): void
  }
}

interface Context {
  readonly commandName?: string
}

// Inputs and outputs of every command; each counter knows its own. biome-ignore lint/suspicious/noExplicitAny: narrowed
// by the command's name
type Any = any

const COUNTERS: Readonly<Record<string, (units: Units, input: Any, output: Any) => void>> = {
  PutRecordBatchCommand: (units, { Records: records }) => {
    for (const { Data: data } of records as { Data: Uint8Array }[]) {
      units.firehoseBytes += Math.ceil(data.length / FIREHOSE_STEP) * FIREHOSE_STEP
      units.firehoseRecords++
    }
  },
  SendMessageCommand: (units, { MessageBody: body }) => {
    units.sqsRequests += steps(body.length, SQS_STEP)
  },
  SendMessageBatchCommand: (units, { Entries: entries }) => {
    units.sqsRequests += steps(sum((entries as Any[]).map(({ MessageBody: body }) => body.length)), SQS_STEP)
  },
  ReceiveMessageCommand: (units, _input, { Messages: messages = [] }) => {
    units.sqsRequests += steps(sum((messages as Any[]).map(({ Body: body }) => body.length)), SQS_STEP)
  },
  DeleteMessageBatchCommand: (units) => {
    units.sqsRequests++
  },
  PutItemCommand: (units, { Item: item }) => {
    units.writeUnits += steps(itemBytes(item), WRITE_STEP)
  },
  // An update is billed for the whole item; ours are small.
  UpdateItemCommand: (units) => {
    units.writeUnits++
  },
  DeleteItemCommand: (units) => {
    units.writeUnits++
  },
  GetItemCommand: (units, _input, { Item: item = {} }) => {
    units.readUnits += steps(itemBytes(item), READ_STEP)
  },
  QueryCommand: (units, _input, { Items: items = [] }) => {
    units.readUnits += steps(sum((items as Any[]).map(itemBytes)), READ_STEP)
  },
  PutObjectCommand: (units) => {
    units.puts++
  },
  GetObjectCommand: (units) => {
    units.gets++
  },
  // A list is billed like a put.
  ListObjectsV2Command: (units) => {
    units.puts++
  },
}

export class Meter {
  readonly units: Units = {
    firehoseBytes: 0,
    firehoseRecords: 0,
    sqsRequests: 0,
    writeUnits: 0,
    readUnits: 0,
    puts: 0,
    gets: 0,
  }

  /** Counts the calls of a client from now on, and returns the client. A call throws if it has no counter. */
  count<C extends Metered>(client: C): C {
    const middleware =
      (next: (args: { input: Any }) => Promise<{ output: Any }>, { commandName = '' }: Context) =>
      async (args: { input: Any }) => {
        const counter = COUNTERS[commandName]
        if (counter === undefined) throw new Error(`${commandName} is billed, and not counted; add its counter`)
        const result = await next(args)
        counter(this.units, args.input, result.output)
        return result
      }
    client.middlewareStack.add(middleware, { step: 'finalizeRequest', priority: 'low', name: 'meter' })
    return client
  }
}

function steps(bytes: number, step: number): number {
  return Math.max(1, Math.ceil(bytes / step))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** An item's size by the rules of "DynamoDB item sizes and formats": names in UTF-8, and values by their types. */
export function itemBytes(item: Readonly<Record<string, AttributeValue>>): number {
  return sum(Object.entries(item).map(([name, value]) => Buffer.byteLength(name) + valueBytes(value)))
}

function valueBytes(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S)
  if (value.B !== undefined) return value.B.length
  if (value.N !== undefined) return Math.ceil(value.N.replace(/[-.]/g, '').length / 2) + 1
  if (value.M !== undefined) return 3 + itemBytes(value.M) + Object.keys(value.M).length
  if (value.L !== undefined) return 3 + sum(value.L.map((each) => valueBytes(each) + 1))
  if (value.SS !== undefined) return sum(value.SS.map((each) => Buffer.byteLength(each)))
  return 1
}
