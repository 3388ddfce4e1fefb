/** Loki's live tails over WebSocket, and the same frames over plain HTTP, one per line. */

import { PassThrough } from 'node:stream'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import { msToNs, NS_PER_SECOND } from '../../../domain/time.ts'
import { type TailFrame, TailSession } from '../../../flows/query/tail-logs.ts'
import { exprSlices } from '../../../logql/parse/parse.ts'
import type { LiveFeed } from '../../../ports/log-store.ts'
import { formatLegacyTailFrame } from '../../../protocol/loki/loki-legacy-result.ts'
import { QueryParams } from '../../../protocol/loki/loki-params.ts'
import { formatTailFrame } from '../../../protocol/loki/loki-tail-result.ts'
import { wantsCategories } from './loki-query-routes.ts'
import type { QueryParts } from './query-route.ts'
import { TailConnection, type TailEnd, TailHub, type TailOrder, type TailSink } from './tail-connection.ts'

export interface TailRouteParts extends QueryParts {
  readonly feed: LiveFeed | undefined
}

/** The path from before Loki 1.0, with another frame format. */
const LEGACY_URL = '/api/prom/tail'
const TAIL_PARAMETERS = ['query', 'limit', 'start', 'delay_for'] as const
const LIMIT_DEFAULT = 100
const PAST_NS_DEFAULT = 3600n * NS_PER_SECOND
const DELAY_SECONDS_MAX = 5
/** Clients of a tail send no data. */
const MESSAGE_BYTES_MAX = 4096
/** The maximum length of the text in a close frame. */
const REASON_BYTES_MAX = 123
/** How long a client may take to acknowledge a close. */
const CLOSE_MS_MAX = 1000
/** Close codes of RFC 6455 and its registry. */
const GOING_AWAY = 1001
const INTERNAL_ERROR = 1011

/**
 * Call it before all routes that a WebSocket client might request by mistake. Returns the hub for the tail routes. Without
 * live tails, WebSockets are not accepted, and the plugin is not loaded.
 */
export async function registerWebSocket(app: FastifyInstance, hasTails: boolean): Promise<TailHub> {
  const hub = new TailHub()
  if (!hasTails) return hub
  const { default: websocket } = await import('@fastify/websocket')
  // Before the plugin's own hook, which closes without a reason.
  app.addHook('preClose', async () => hub.endAll())
  await app.register(websocket, {
    options: { maxPayload: MESSAGE_BYTES_MAX },
    errorHandler: (error, socket, request) => {
      request.log.debug({ err: error }, 'a WebSocket failed')
      socket.terminate()
    },
  })
  return hub
}

export function registerLokiTail(app: FastifyInstance, hub: TailHub, parts: TailRouteParts): void {
  const orders = new WeakMap<FastifyRequest, TailOrder>()
  const open = (request: FastifyRequest, sink: TailSink): TailConnection => {
    const order = orders.get(request)
    if (order === undefined || parts.feed === undefined) throw new Error('BUG: a tail starts without parameters')
    const { store, clock, feed, gate, turns } = parts
    const { timeoutMs } = parts.limitsOf(order.tenant)
    return new TailConnection({ store, clock, feed, gate, turns, timeoutMs }, order, sink, request.log)
  }
  // All checks are made before a connection is upgraded.
  const shared = {
    method: 'GET',
    exposeHeadRoute: false,
    onRequest: parts.auth.authenticate,
    preHandler: async (request: FastifyRequest) => {
      orders.set(request, await readOrder(parts, hub, request))
    },
    config: { errorFormat: 'text', challenge: 'basic' },
    validatorCompiler: () => () => true,
  } as const
  for (const url of ['/loki/api/v1/tail', LEGACY_URL]) {
    app.route({
      ...shared,
      url,
      schema: describe('Live tail over a WebSocket'),
      handler: () => {
        const text = 'this endpoint needs a WebSocket; use /loki/api/v1/tail/stream over plain HTTP'
        throw new GatewayError('parameter_invalid', text)
      },
      wsHandler: (socket, request) => {
        const connection = open(request, new WebSocketSink(socket))
        socket.on('close', () => connection.closed())
        connection.start(hub)
      },
    })
  }
  app.route({
    ...shared,
    url: '/loki/api/v1/tail/stream',
    schema: describe('Live tail as NDJSON, one line for each frame of the WebSocket'),
    handler: (request, reply) => {
      const sink = new HttpSink(reply)
      const connection = open(request, sink)
      sink.stream.on('close', () => connection.closed())
      connection.start(hub)
      return sink.answer()
    },
  })
}

function describe(summary: string) {
  const properties = Object.fromEntries(TAIL_PARAMETERS.map((name) => [name, { type: 'string' }]))
  return { tags: ['query'], summary, querystring: { type: 'object', properties } }
}

async function readOrder(parts: TailRouteParts, hub: TailHub, request: FastifyRequest): Promise<TailOrder> {
  if (parts.feed === undefined) {
    throw new GatewayError(
      'not_found',
      'live tails are not available, because this gateway does not run between requests; poll with queries instead',
    )
  }
  const tenant = parts.auth.tenantOf(request)
  const { url } = request
  const params = new QueryParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '')
  const { queryBytesMax, entriesMax } = parts.limitsOf(tenant)
  const reading = exprSlices(params.required('query'), { bytesMax: queryBytesMax })
  const query = await parts.turns.open(tenant).run(reading)
  if (query.kind !== 'log') {
    throw new GatewayError('query_malformed', 'parse error : only log queries can be tailed; remove the aggregation')
  }
  const limit = params.limit(LIMIT_DEFAULT)
  if (limit > entriesMax) {
    const text = `max entries limit per query exceeded, limit > max_entries_limit_per_query (${limit} > ${entriesMax})`
    throw new GatewayError('query_refused', text)
  }
  const delay = Number(params.get('delay_for') ?? 0)
  if (!Number.isInteger(delay) || delay < 0 || delay > DELAY_SECONDS_MAX) {
    const text = `delay_for must be a whole number of seconds from 0 to ${DELAY_SECONDS_MAX}`
    throw new GatewayError('parameter_invalid', text)
  }
  const nowMs = parts.clock.nowMs()
  const start = params.time('start', msToNs(nowMs) - PAST_NS_DEFAULT)
  const session = new TailSession({ tenant, query, start, limit, delayMs: delay * 1000, nowMs })
  hub.assertRoom(tenant)
  return { tenant, session, format: frameFormat(request) }
}

function frameFormat(request: FastifyRequest): (frame: TailFrame) => string {
  if (request.routeOptions.url === LEGACY_URL) return formatLegacyTailFrame
  const isCategorized = wantsCategories(request)
  return (frame) => formatTailFrame(frame, isCategorized)
}

class WebSocketSink implements TailSink {
  readonly #socket: WebSocket
  #onRoom: () => void = () => undefined

  constructor(socket: WebSocket) {
    this.#socket = socket
  }

  get waitingBytes(): number {
    return this.#socket.bufferedAmount
  }

  listen(onRoom: () => void): void {
    this.#onRoom = onRoom
  }

  send(frame: string): void {
    this.#socket.send(frame, this.#onRoom)
  }

  ping(): void {
    this.#socket.ping()
  }

  end({ kind, text }: TailEnd): void {
    // A client that does not read would not read a close frame either.
    if (kind === 'slow') {
      this.#socket.terminate()
      return
    }
    const bytes = Buffer.from(text).subarray(0, REASON_BYTES_MAX)
    // Drops a truncated character: the text must be valid UTF-8.
    const reason = bytes.toString().replace(/\ufffd+$/, '')
    this.#socket.close(kind === 'stopped' ? GOING_AWAY : INTERNAL_ERROR, reason)
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS_MAX)
    this.#socket.once('close', () => clearTimeout(timer))
  }
}

/** Writes frames as lines; a frame without entries serves as a ping. */
class HttpSink implements TailSink {
  readonly stream = new PassThrough()
  readonly #reply: FastifyReply
  #silentTicks = 0

  constructor(reply: FastifyReply) {
    this.#reply = reply
  }

  answer(): FastifyReply {
    // The client must get the response head before there is a line.
    const { raw } = this.#reply
    raw.once('pipe', () => raw.flushHeaders())
    return this.#reply
      .type('application/x-ndjson')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(this.stream)
  }

  get waitingBytes(): number {
    return this.stream.readableLength + this.stream.writableLength
  }

  listen(onRoom: () => void): void {
    this.stream.on('drain', onRoom)
  }

  send(frame: string): void {
    this.#silentTicks = 0
    this.stream.write(`${frame}\n`)
  }

  ping(): void {
    if (++this.#silentTicks >= PING_TICKS) this.send('{"streams":[]}')
  }

  end({ kind, text }: TailEnd): void {
    if (kind === 'slow') {
      this.stream.destroy()
      return
    }
    this.stream.end(kind === 'stopped' ? '' : `${JSON.stringify({ streams: [], error: text })}\n`)
  }
}

/** Proxies close silent connections: one line in ten seconds is enough. */
const PING_TICKS = 10
