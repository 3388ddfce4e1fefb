/** A proxy between SDK clients and services that makes calls fail in various ways. */

import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Random } from '../support/random.ts'
import type { Endpoints, ServiceName } from './endpoints.ts'
import { type Answer, jsonAnswer, serverErrorAnswer, throttleAnswer } from './fault-answers.ts'
import { canSplit, splitBatch } from './fault-batches.ts'
import { CALM, type Call, type FaultKind, type FaultPlan } from './fault-plan.ts'
import { CALL_HEADER } from './unanswered-calls.ts'

export interface FaultProxyOptions {
  /** The addresses of the services. */
  readonly endpoints: Endpoints
  /** Default: all calls pass; may be changed later. */
  readonly plan?: FaultPlan
  /** For random details of faults: which records of a batch fail, how long a delay is. */
  readonly seed?: number
  readonly delayMsMax?: number
  readonly wait?: (ms: number) => Promise<unknown>
  /** Called with the name of a call that gets no response. */
  readonly onUnanswered?: (call: string | undefined) => void
}

/** How often one kind of fault occurred on one operation. */
export interface FaultCount extends Call {
  readonly kind: FaultKind
  count: number
}

interface Incoming extends Call {
  readonly request: IncomingMessage
  readonly body: Buffer
}

/** Larger than any call; the largest is a put into S3. */
const BODY_BYTES_MAX = 64 * 1024 * 1024
const DELAY_MS_MAX = 50

/** All services on one port: the scope of a request's signature contains its service. */
export class FaultProxy {
  plan: FaultPlan
  readonly #options: FaultProxyOptions
  readonly #random: Random
  readonly #server: Server
  readonly #agent = new Agent({ keepAlive: true })
  readonly #counts = new Map<string, FaultCount>()
  /** Number of calls, including failed ones. */
  calls = 0

  private constructor(options: FaultProxyOptions) {
    this.#options = options
    this.plan = options.plan ?? CALM
    this.#random = new Random(options.seed ?? 1)
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** Replaces the services' own endpoints. */
  get endpoints(): Endpoints {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return new Map([...this.#options.endpoints.keys()].map((service) => [service, url]))
  }

  /** The faults so far, by kind and operation, most frequent first. */
  get faults(): readonly FaultCount[] {
    return [...this.#counts.values()].sort((a, b) => b.count - a.count)
  }

  /** Stops, and closes connections that still wait for a response. */
  async stop(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
    this.#agent.destroy()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await readAll(request)
      this.calls++
      const incoming = { request, body, ...callOf(request, body) }
      await this.#answer(incoming, response, this.#decide(incoming))
    } catch {
      // A missing service or a disconnected client: both appear as a broken connection.
      response.destroy()
    }
  }

  /** `partial` only applies to batches. */
  #decide({ service, operation }: Call): FaultKind | undefined {
    const kind = this.plan({ service, operation })
    if (kind === undefined || (kind === 'partial' && !canSplit(operation))) return undefined
    const key = `${kind} ${service}.${operation}`
    const found = this.#counts.get(key) ?? { kind, service, operation, count: 0 }
    found.count++
    this.#counts.set(key, found)
    return kind
  }

  async #answer(incoming: Incoming, response: ServerResponse, kind: FaultKind | undefined): Promise<void> {
    switch (kind) {
      case 'throttle':
        return send(response, throttleAnswer(incoming))
      case 'serverError':
        return send(response, serverErrorAnswer(incoming))
      case 'noAnswer':
        this.#options.onUnanswered?.(incoming.request.headers[CALL_HEADER]?.toString())
        return
      case 'cutBefore':
        response.destroy()
        return
      case 'cutAfter':
        await this.#forward(incoming)
        response.destroy()
        return
      case 'serverErrorAfter':
        await this.#forward(incoming)
        return send(response, serverErrorAnswer(incoming))
      case 'partial':
        return send(response, await this.#forwardPart(incoming))
      case 'delay':
        await (this.#options.wait ?? delay)(1 + this.#random.integer(this.#options.delayMsMax ?? DELAY_MS_MAX))
        return send(response, await this.#forward(incoming))
      case undefined:
        return send(response, await this.#forward(incoming))
    }
  }

  async #forwardPart(incoming: Incoming): Promise<Answer> {
    const { service, operation } = incoming
    const { forwarded, join } = splitBatch(operation, incoming.body, this.#random)
    if (forwarded === undefined) return jsonAnswer(service, join({}))
    const answer = await this.#forward({ ...incoming, body: Buffer.from(JSON.stringify(forwarded)) })
    return answer.status === 200 ? jsonAnswer(service, join(JSON.parse(answer.body.toString()))) : answer
  }

  async #forward({ request: from, service, body }: Incoming): Promise<Answer> {
    const target = new URL(this.#options.endpoints.get(service) as string)
    const { expect: _, connection: __, ...headers } = from.headers
    const to = request({
      host: target.hostname,
      port: target.port,
      method: from.method,
      path: from.url,
      headers: { ...headers, host: target.host, 'content-length': body.length },
      agent: this.#agent,
    })
    to.end(body)
    const [answer] = (await once(to, 'response')) as [IncomingMessage]
    const { connection: ___, 'transfer-encoding': ____, ...answered } = answer.headers
    return {
      status: answer.statusCode ?? 500,
      headers: answered as Record<string, string>,
      body: await readAll(answer),
    }
  }
}

/** The service of the signature's scope, `<key>/<day>/<region>/<service>/aws4_request`, and its operation. */
export function callOf({ headers, method, url }: IncomingMessage, body: Buffer): Call {
  const scope = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\/aws4_request/.exec(headers.authorization ?? '')
  if (scope?.[1] === undefined) throw new Error('a request without a signature')
  const service = scope[1] as ServiceName
  const target = headers['x-amz-target']
  if (target !== undefined) return { service, operation: String(target).split('.')[1] ?? '' }
  if (service === 's3') return { service, operation: s3Operation(method ?? '', url ?? '') }
  return { service, operation: new URLSearchParams(body.toString()).get('Action') ?? '' }
}

function s3Operation(method: string, url: string): string {
  const { pathname, searchParams } = new URL(url, 'http://s3')
  const isObject = pathname.split('/').filter(Boolean).length > 1
  if (!isObject) return method === 'GET' ? 'ListObjects' : `${method} bucket`
  if (searchParams.has('uploads') || searchParams.has('uploadId')) return 'MultipartUpload'
  const verbs = new Map([
    ['GET', 'GetObject'],
    ['HEAD', 'HeadObject'],
    ['PUT', 'PutObject'],
    ['DELETE', 'DeleteObject'],
  ])
  return verbs.get(method) ?? `${method} object`
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.destroyed) return
  // A response to HEAD has the length of a body that is not sent.
  const length = response.req.method === 'HEAD' ? {} : { 'content-length': String(body.length) }
  response.writeHead(status, { ...headers, ...length })
  response.end(body)
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > BODY_BYTES_MAX) throw new Error('a body larger than any call')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
