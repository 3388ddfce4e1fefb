/** DynamoDB: dynalite, with write transactions, which it lacks, and optional partition quotas. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import dynalite from 'dynalite'
import { SYSTEM_CLOCK } from '../../src/homes/machine.ts'
import type { Clock } from '../../src/ports/log-store.ts'
import { PartitionQuotas } from './dynamodb-throughput.ts'
import {
  type Answer,
  type Cancellation,
  cancelled,
  isAnswer,
  type Json,
  Transactions,
} from './dynamodb-transactions.ts'

const PREFIX = 'DynamoDB_20120810.'
const TRANSACTION = `${PREFIX}TransactWriteItems`

export interface DynamodbOptions {
  /** 0, the default, selects a free one. */
  readonly port?: number
  /** The folder of the items; default: in memory. */
  readonly path?: string
  /** The clock of the quotas; default: the machine's. */
  readonly clock?: Clock
}

export class DynamodbDouble {
  readonly #dynalite: ReturnType<typeof dynalite>
  readonly #server: Server
  readonly quotas: PartitionQuotas
  readonly #writes = new Transactions()
  /** Current calls other than transactions. */
  #running = 0
  #idle: () => void = () => undefined
  #transactions: Promise<unknown> = Promise.resolve()
  /** Number of transactions so far. */
  transactions = 0
  /** True enforces `quotas` per second of the clock. */
  throttles = false
  /** Called for each transaction, from 0: a reason cancels it, as AWS does when others write its items meanwhile. */
  cancels: (index: number) => Cancellation | undefined = () => undefined

  private constructor({ path, clock = SYSTEM_CLOCK }: DynamodbOptions) {
    this.#dynalite = dynalite({ createTableMs: 0, ...(path !== undefined && { path }) })
    this.quotas = new PartitionQuotas(clock)
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(options: DynamodbOptions = {}): Promise<DynamodbDouble> {
    const double = new DynamodbDouble(options)
    double.#dynalite.listen(0, '127.0.0.1')
    await once(double.#dynalite, 'listening')
    double.#server.listen(options.port ?? 0, '127.0.0.1')
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
    const target = String(request.headers['x-amz-target'])
    if (target === TRANSACTION) {
      const body = JSON.parse(await readBody(request)) as Json
      send(response, await this.#alone(() => this.#transact(request, body)))
      return
    }
    await this.#transactions
    this.#running++
    response.once('close', () => {
      this.#running--
      if (this.#running === 0) this.#idle()
    })
    if (!this.throttles) {
      this.#dynalite.emit('request', request, response)
      return
    }
    const input = JSON.parse(await readBody(request)) as Json
    const call = (operation: string, input: Json): Promise<Answer> => this.#call(request, operation, input)
    send(response, await this.quotas.answer(target.slice(PREFIX.length), input, call))
  }

  /** Runs `work` while no other call runs; others wait for it. */
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

  async #transact(request: IncomingMessage, body: Json): Promise<Answer> {
    const index = this.transactions++
    const call = (operation: string, input: Json): Promise<Answer> => this.#call(request, operation, input)
    const actions = await this.#writes.read(body, call)
    if (isAnswer(actions)) return actions
    const Code = this.cancels(index)
    if (Code !== undefined) return cancelled(actions.map((_, i) => ({ Code: i === 0 ? Code : 'None' })))
    const refusal = this.throttles ? await this.quotas.answerTransaction(actions, call) : undefined
    return refusal ?? this.#writes.write(body, actions, call)
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

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(body))
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
