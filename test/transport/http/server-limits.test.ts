import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { readConfig } from '../../../src/config/read-config.ts'
import { formBytesMax, headerBytesMax } from '../../../src/transport/http/server-limits.ts'
import { buildTestApp } from '../../support/test-app.ts'

const KIB = 1024

/** The application on a port of this machine. */
async function listen(t: Test, env: Record<string, string> = {}): Promise<{ app: FastifyInstance; port: number }> {
  const { app } = await buildTestApp(t, env)
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, port: (app.addresses()[0] as AddressInfo).port }
}

/** Sends the text unchanged and returns everything that arrives until the server closes. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.write(text)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}

/** A query of this many bytes, each of which percent-encoding triples. */
const longQuery = (bytes: number): string => `{a="${'{'.repeat(bytes - 6)}"}`

const request = (path: string, headers: readonly string[] = []): string =>
  `${[`GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers].join('\r\n')}\r\n\r\n`

const rangeOf = (query: string): string => `/loki/api/v1/query_range?query=${encodeURIComponent(query)}`

t.test('a query of the maximum length works by GET, percent-encoded, with 60 KiB of other headers', async (t) => {
  const { port } = await listen(t)
  const answer = await exchange(port, request(rangeOf(longQuery(128 * KIB)), [`Cookie: ${'c'.repeat(60 * KIB)}`]))
  t.match(answer, /^HTTP\/1\.1 200 /)
})

t.test('a query that is too long is rejected by its own limit, not by the server', async (t) => {
  const { port } = await listen(t)
  const answer = await exchange(port, request(rangeOf(longQuery(128 * KIB + 1))))
  t.match(answer, /^HTTP\/1\.1 400 /)
  t.match(answer, /the query is longer than 131072 bytes; shorten it/)
})

t.test('headers that are too large are rejected with the limit', async (t) => {
  const { port } = await listen(t)
  const answer = await exchange(port, request(rangeOf(longQuery(256 * KIB))))
  t.match(answer, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/)
  t.match(answer, /the query is longer than 131072 bytes.*MILLRACE_QUERY_BYTES_MAX\n$/)
})

t.test('MILLRACE_QUERY_BYTES_MAX is the limit of the language as well, by GET and as a form', async (t) => {
  const { app, port } = await listen(t, { MILLRACE_QUERY_BYTES_MAX: '600KiB' })
  const query = longQuery(600 * KIB)
  t.match(await exchange(port, request(rangeOf(query))), /^HTTP\/1\.1 200 /)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  for (const path of ['query_range', 'labels', 'index/stats', 'format_query', 'detected_fields']) {
    const payload = `query=${encodeURIComponent(query)}`
    const response = await app.inject({ method: 'POST', url: `/loki/api/v1/${path}`, headers, payload })
    t.equal(response.statusCode, 200, path)
  }
  const payload = `match[]=${encodeURIComponent(query)}`
  t.equal((await app.inject({ method: 'POST', url: '/loki/api/v1/series', headers, payload })).statusCode, 200)
})

t.test('too many headers are rejected, because a dropped one may name the tenant', async (t) => {
  const { port } = await listen(t)
  const many = Array.from({ length: 1200 }, (_, i) => `X-${i}: 1`)
  t.match(await exchange(port, request('/loki/api/v1/labels', many)), /^HTTP\/1\.1 431 [\s\S]*more than 1000 headers/)
  t.match(await exchange(port, request('/loki/api/v1/labels', many.slice(0, 900))), /^HTTP\/1\.1 200 /)
})

t.test('a request that is not HTTP gets an error text', async (t) => {
  const { port } = await listen(t)
  t.match(await exchange(port, 'HELLO\r\n\r\n'), /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*the request is not HTTP\/1\.1/)
})

t.test('HTTP/1.0 without Host pushes', async (t) => {
  const { app, port } = await listen(t)
  const now = BigInt(Date.UTC(2026, 10, 21, 11)) * 1_000_000n
  const body = `{"streams":[{"stream":{"app":"old"},"values":[["${now}","x"]]}]}`
  const head = `POST /loki/api/v1/push HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  t.match(await exchange(port, head + body), /^HTTP\/1\.1 200 [\s\S]*"count":1/)
  const { body: found } = await app.inject(rangeOf('{app="old"}'))
  t.match(found, /"x"/)
})

t.test('HTTP/1.0 with a foreign Host is refused', async (t) => {
  const { port } = await listen(t)
  const answer = await exchange(port, 'GET /loki/api/v1/labels HTTP/1.0\r\nHost: evil.example\r\n\r\n')
  t.match(answer, /^HTTP\/1\.1 403 [\s\S]*MILLRACE_HOSTS_ALLOWED/)
})

t.test('every limit of the server is set', async (t) => {
  const { app } = await listen(t)
  const { headersTimeout, requestTimeout, keepAliveTimeout, maxHeadersCount, maxRequestsPerSocket, maxConnections } =
    app.server
  t.strictSame(
    { headersTimeout, requestTimeout, keepAliveTimeout, maxHeadersCount, maxRequestsPerSocket, maxConnections },
    {
      headersTimeout: 60_000,
      requestTimeout: 120_000,
      keepAliveTimeout: 72_000,
      maxHeadersCount: 1001,
      maxRequestsPerSocket: 0,
      maxConnections: 16_384,
    },
  )
})

t.test('the room follows from the longest query', async (t) => {
  const config = readConfig({ MILLRACE_QUERY_BYTES_MAX: '1MiB' })
  t.equal(headerBytesMax(config), 3 * 1024 * KIB + 64 * KIB)
  t.equal(formBytesMax(128 * KIB), 1024 * KIB)
  t.equal(formBytesMax(1024 * KIB), 3 * 1024 * KIB + 64 * KIB)
})

t.test('a request that offers HTTP/2 by Upgrade, as of Java and curl --http2, is answered as HTTP/1.1', async (t) => {
  const { port } = await listen(t)
  const offer = ['Connection: Upgrade, HTTP2-Settings, close', 'Upgrade: h2c', 'HTTP2-Settings: AAEAAEAA']
  const body = '{"streams":[{"stream":{"app":"java"},"values":[]}]}'
  const head = ['POST /loki/api/v1/push HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', ...offer]
  const text = `${[...head, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`
  t.match(await exchange(port, text), /^HTTP\/1\.1 200 /)
  t.match(await exchange(port, request('/loki/api/v1/labels', ['Upgrade: h2c'])), /^HTTP\/1\.1 200 /)
})
