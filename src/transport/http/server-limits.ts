/** All limits of Node's HTTP server, set explicitly: they apply before a route gets the request. */

import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../../config/read-config.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { Metrics } from '../../telemetry/metrics.ts'

/** Percent-encoding may triple the bytes. */
const ENCODED_FACTOR = 3
/** Bytes of request line and headers in addition to the query: tokens and cookies have a few KiB. */
const HEADER_BYTES_BESIDE = 64 * 1024
/** Maximum header lines of a request. Before Node 24 the server dropped further ones, possibly the tenant. */
const HEADER_COUNT_MAX = 1000
/** Timeout for the request line and the headers. */
const HEADERS_TIMEOUT_MS = 60_000
/** Timeout for a whole request: slow senders must not hold connections forever. */
const REQUEST_TIMEOUT_MS = 120_000
/** How often both are checked. */
const TIMEOUT_CHECK_MS = 10_000
/** Timeout of idle connections: longer than the 60 s of common load balancers. */
const KEEP_ALIVE_MS = 72_000
/** Maximum requests per connection; 0: unlimited, because agents keep their connection as long as they run. */
const REQUESTS_PER_CONNECTION = 0
/** How long the rest of a rejected request is read and ignored. */
const LINGER_MS = 2000
/** Maximum connections; Node closes further ones. An idle one takes some 10 KB. */
const CONNECTIONS_MAX = 16_384

/** Maximum bytes of request line and headers: enough for the longest query, percent-encoded. */
export function headerBytesMax({ query }: Config): number {
  return query.queryBytesMax * ENCODED_FACTOR + HEADER_BYTES_BESIDE
}

/**
 * Maximum bytes of a form sent by POST: enough for the longest query, percent-encoded, and long lists of other
 * parameters.
 */
export function formBytesMax(queryBytesMax: number): number {
  return Math.max(1024 * 1024, queryBytesMax * ENCODED_FACTOR + HEADER_BYTES_BESIDE)
}

/** The part of Fastify's options that limits connections and headers. */
export function serverOptions(config: Config, metrics: Metrics) {
  return {
    http: {
      maxHeaderSize: headerBytesMax(config),
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      shouldUpgradeCallback: asksForWebSocket,
    },
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxRequestsPerSocket: REQUESTS_PER_CONNECTION,
    clientErrorHandler: (error: Error & { readonly code?: string }, socket: Socket) =>
      answerClientError(refusalOf(error.code, config), metrics, socket),
  }
}

/**
 * Java's HttpClient and `curl --http2` offer HTTP/2 by `Upgrade: h2c` with every request. A server may ignore an offer
 * (RFC 9110, section 7.8): the request is then answered as HTTP/1.1. Node calls it with the server as `this`.
 */
function asksForWebSocket(this: Server | undefined, { headers }: IncomingMessage): boolean {
  const isHeard = this === undefined || this.listenerCount('upgrade') > 0
  return isHeard && headers.upgrade?.toLowerCase() === 'websocket'
}

/** The limits that are not options; call it before registering routes. */
export function registerServerLimits(app: FastifyInstance): void {
  app.server.maxHeadersCount = HEADER_COUNT_MAX + 1
  app.server.maxConnections = CONNECTIONS_MAX
  app.server.on('drop', () => app.log.warn({ limit: CONNECTIONS_MAX }, 'connection closed: too many are open'))
  app.addHook('onRequest', async (request) => {
    if (request.raw.rawHeaders.length <= 2 * HEADER_COUNT_MAX) return
    throw new GatewayError('parameter_invalid', `the request has more than ${HEADER_COUNT_MAX} headers; send fewer`, {
      status: 431,
    })
  })
}

/** Our error for a request that Node's parser rejected. */
function refusalOf(code: string | undefined, config: Config): GatewayError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const { queryBytesMax } = config.query
    const text =
      `the query is longer than ${queryBytesMax} bytes, or the headers are too large: request line and headers may have ` +
      `${headerBytesMax(config)} bytes together, and there may not be more than ${HEADER_COUNT_MAX} headers; ` +
      'shorten it, or raise MILLRACE_QUERY_BYTES_MAX'
    return new GatewayError('query_refused', text, { status: 431 })
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const text = `the request was not complete after ${REQUEST_TIMEOUT_MS / 1000} s (its headers after ${HEADERS_TIMEOUT_MS / 1000} s); send it faster or in smaller parts`
    return new GatewayError('parameter_invalid', text, { status: 408 })
  }
  return new GatewayError('parameter_invalid', `the request is not HTTP/1.1 (${code ?? 'no reason is known'})`)
}

/** There is no request yet, so the route and its error format are unknown: plain text, as for Loki's routes. */
function answerClientError(error: GatewayError, metrics: Metrics, socket: Socket): void {
  metrics.errors.inc({ code: error.code })
  if (!socket.writable) return void socket.destroy()
  const body = `${error.message}\n`
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  // If unread data remains when the socket closes, the connection is reset and the response lost.
  socket
    .removeAllListeners('data')
    .on('data', () => undefined)
    .resume()
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}
