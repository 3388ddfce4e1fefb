/** DynamoDB: dynalite, with transactions of writes, which it does not have. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import dynalite from 'dynalite'

/** Items of one transaction, and their bytes. See the quotas of TransactWriteItems. */
const ITEMS_MAX = 100
const BYTES_MAX = 4 * 1024 * 1024
const PREFIX = 'DynamoDB_20120810.'
const TRANSACTION = `${PREFIX}TransactWriteItems`

type Json = Record<string, unknown>
type Answer = { readonly status: number; readonly body: Json }

interface Action {
  readonly operation: 'PutItem' | 'UpdateItem' | 'DeleteItem'
  readonly input: Json & { readonly TableName: string }
  readonly key: Json
}

export class DynamodbDouble {
  readonly #dynalite: ReturnType<typeof dynalite>
  readonly #server: Server
  /** Calls under way that are no transaction. */
  #running = 0
  #idle: () => void = () => undefined
  #transactions: Promise<unknown> = Promise.resolve()
  /** Transactions that were asked for. */
  transactions = 0

  private constructor(options: { readonly path?: string }) {
    this.#dynalite = dynalite({ createTableMs: 0, ...options })
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  /** `port` 0, the default, takes a free one. */
  static async start({ port = 0, path }: { port?: number; path?: string } = {}): Promise<DynamodbDouble> {
    const double = new DynamodbDouble(path === undefined ? {} : { path })
    double.#dynalite.listen(0, '127.0.0.1')
    await once(double.#dynalite, 'listening')
    double.#server.listen(port, '127.0.0.1')
    await once(double.#server, 'listening')
    return double
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#dynalite.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await new Promise((resolve) => this.#dynalite.close(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers['x-amz-target'] !== TRANSACTION) {
      await this.#transactions
      this.#running++
      response.once('close', () => {
        this.#running--
        if (this.#running === 0) this.#idle()
      })
      this.#dynalite.emit('request', request, response)
      return
    }
    const { status, body } = await this.#alone(async () => this.#transact(request, await readBody(request)))
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(body))
  }

  /** Runs `work` when no other call is under way; others wait for it. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#transactions
    const running = (async () => {
      await before
      if (this.#running > 0) {
        await new Promise<void>((resolve) => {
          this.#idle = resolve
        })
      }
      return work()
    })()
    this.#transactions = running.catch(() => undefined)
    return running
  }

  async #transact(request: IncomingMessage, text: string): Promise<Answer> {
    this.transactions++
    const items = (JSON.parse(text) as { TransactItems?: Record<string, Json>[] }).TransactItems ?? []
    if (items.length === 0 || items.length > ITEMS_MAX || text.length > BYTES_MAX) {
      return failure('ValidationException', `a transaction of ${items.length} items and ${text.length} bytes`)
    }
    const call = (operation: string, input: Json): Promise<Answer> => this.#call(request, operation, input)
    const actions: Action[] = []
    for (const item of items) actions.push(await readAction(item, call))
    const names = actions.map(({ input, key }) => JSON.stringify([input.TableName, key]))
    if (new Set(names).size < names.length) {
      return failure('ValidationException', 'Transaction request cannot include multiple operations on one item')
    }
    return apply(actions, call)
  }

  async #call(request: IncomingMessage, operation: string, input: Json): Promise<Answer> {
    const { port } = this.#dynalite.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': PREFIX + operation,
        authorization: String(request.headers.authorization),
        'x-amz-date': String(request.headers['x-amz-date']),
      },
      body: JSON.stringify(input),
    })
    return { status: response.status, body: (await response.json()) as Json }
  }
}

type Call = (operation: string, input: Json) => Promise<Answer>

/** All or nothing: what was done before a condition did not hold is undone. */
async function apply(actions: readonly Action[], call: Call): Promise<Answer> {
  const undo: (() => Promise<unknown>)[] = []
  const reasons: Json[] = []
  for (const { operation, input, key } of actions) {
    const { TableName } = input
    const { body } = await call('GetItem', { TableName, Key: key, ConsistentRead: true })
    const answer = await call(operation, input)
    if (answer.status === 200) {
      reasons.push({ Code: 'None' })
      const Item = body['Item']
      undo.push(() =>
        Item === undefined ? call('DeleteItem', { TableName, Key: key }) : call('PutItem', { TableName, Item }),
      )
      continue
    }
    const type = String(answer.body['__type']).replace(/.*#/, '')
    if (type !== 'ConditionalCheckFailedException') {
      for (const step of undo) await step()
      return answer
    }
    reasons.push({ Code: 'ConditionalCheckFailed', Message: 'The conditional request failed' })
  }
  if (undo.length === actions.length) return { status: 200, body: {} }
  for (const step of undo) await step()
  const codes = reasons.map(({ Code }) => Code).join(', ')
  const { body } = failure('TransactionCanceledException', `Transaction cancelled: [${codes}]`)
  return { status: 400, body: { ...body, CancellationReasons: reasons } }
}

async function readAction(item: Record<string, Json>, call: Call): Promise<Action> {
  const [name = '', input = {}] = Object.entries(item)[0] ?? []
  const TableName = String(input['TableName'])
  const operation = `${name}Item` as Action['operation']
  if (name !== 'Put') return { operation, input: { ...input, TableName }, key: input['Key'] as Json }
  const { body } = await call('DescribeTable', { TableName })
  const schema = ((body['Table'] as Json | undefined)?.['KeySchema'] ?? []) as { AttributeName: string }[]
  const values = input['Item'] as Json
  const key = Object.fromEntries(schema.map(({ AttributeName }) => [AttributeName, values[AttributeName]]))
  return { operation, input: { ...input, TableName }, key }
}

function failure(type: string, message: string): Answer {
  return { status: 400, body: { __type: `com.amazonaws.dynamodb.v20120810#${type}`, message } }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
