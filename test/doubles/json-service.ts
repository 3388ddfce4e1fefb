/** The base of the doubles: an AWS service with a JSON protocol (X-Amz-Target) over node:http, made of functions. */

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A response that an SDK client converts to an exception of that name; `fields` are added to the message. */
export class AwsFailure extends Error {
  readonly code: string
  readonly status: number
  readonly fields: Readonly<Record<string, unknown>>

  constructor(code: string, message: string, status = 400, fields: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.code = code
    this.status = status
    this.fields = fields
  }
}

export function throttled(): AwsFailure {
  return new AwsFailure('ThrottlingException', 'Rate exceeded')
}

/** Handles an operation with its decoded body. Blobs are base64 text, times are seconds since the epoch. */
export type Operation = (input: never) => object | Promise<object>

export interface JsonServiceOptions {
  /** The part of X-Amz-Target before the dot, such as `Logs_20140328`. */
  readonly target: string
  readonly operations: Readonly<Record<string, Operation>>
  /** 0, the default, selects a free one. */
  readonly port?: number
}

interface PlannedFailure {
  readonly operation: string
  readonly failure: AwsFailure
  readonly happens: 'before' | 'after'
}

const CONTENT_TYPE = 'application/x-amz-json-1.1'
/** Larger than any call of these services. */
const BODY_BYTES_MAX = 32 * 1024 * 1024

export class JsonService {
  readonly #server: Server
  readonly #options: JsonServiceOptions
  readonly #planned: PlannedFailure[] = []
  /** Number of calls by operation, including rejected ones. */
  readonly calls = new Map<string, number>()

  private constructor(options: JsonServiceOptions) {
    this.#options = options
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(options: JsonServiceOptions): Promise<JsonService> {
    const service = new JsonService(options)
    service.#server.listen(options.port ?? 0, '127.0.0.1')
    await once(service.#server, 'listening')
    return service
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Makes the next call of the operation fail, before or after its effect. May be called repeatedly. */
  failNext(operation: string, failure: AwsFailure, happens: 'before' | 'after' = 'before'): void {
    this.#planned.push({ operation, failure, happens })
  }

  async stop(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      send(response, 200, await this.#answer(request))
    } catch (error) {
      const failure = error instanceof AwsFailure ? error : new AwsFailure('InternalFailure', String(error), 500)
      send(response, failure.status, { __type: failure.code, message: failure.message, ...failure.fields })
    }
  }

  async #answer(request: IncomingMessage): Promise<object> {
    const body = await readBody(request)
    const [target, name = ''] = String(request.headers['x-amz-target']).split('.')
    const operation = target === this.#options.target ? this.#options.operations[name] : undefined
    if (operation === undefined) throw new AwsFailure('UnknownOperationException', `no operation ${target}.${name}`)
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
    const planned = this.#take(name)
    if (planned?.happens === 'before') throw planned.failure
    const answer = await operation(parse(body))
    if (planned !== undefined) throw planned.failure
    return answer
  }

  #take(name: string): PlannedFailure | undefined {
    const at = this.#planned.findIndex(({ operation }) => operation === name)
    return at === -1 ? undefined : this.#planned.splice(at, 1)[0]
  }
}

/** The body is from an SDK client, with the types that the operations declare: only the JSON syntax is checked. */
function parse(body: string): never {
  try {
    return JSON.parse(body === '' ? '{}' : body) as never
  } catch {
    throw new AwsFailure('SerializationException', 'the body is not JSON')
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed) return
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, {
    'content-type': CONTENT_TYPE,
    'content-length': bytes.length,
    'x-amzn-requestid': randomUUID(),
  })
  response.end(bytes)
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > BODY_BYTES_MAX) throw new AwsFailure('RequestEntityTooLarge', 'the request is too large', 413)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
