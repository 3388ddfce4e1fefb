import { gunzipSync } from 'node:zlib'
import type { Context } from 'aws-lambda'
import t, { type Test } from 'tap'
import { encodePush } from '../../../src/protocol/loki/loki-push-encode.ts'
import { buildLambdaHandler, type LambdaAnswer } from '../../../src/transport/lambda/http-handler.ts'
import { eventAlb, eventAlbLists, eventV1, eventV2 } from '../../lambda/events.ts'
import { FixedClock } from '../../support/helper.ts'
import { buildTestApp } from '../../support/test-app.ts'

const LOCAL = { host: 'localhost' }
const QUERY = 'query=%7Bapp%3D%22a%22%7D&limit=5000'
const JSON_TYPE = { ...LOCAL, 'content-type': 'application/json' }

async function openHandler(t: Test): Promise<(event: unknown) => Promise<LambdaAnswer>> {
  const { app } = await buildTestApp(t)
  const handler = await buildLambdaHandler(app)
  t.equal(handler.length, 2, 'as Node 24 demands')
  return (event) => handler(event, {} as Context)
}

function pushOf(lines: readonly string[]): Buffer {
  const ns = new FixedClock().nowNs
  const entries = lines.map((line, at) => ({ ns: ns - BigInt(at) - 1n, line }))
  return Buffer.from(encodePush([{ labels: '{app="a"}', entries }]))
}

for (const [source, make] of [
  ['2.0', eventV2],
  ['1.0', eventV1],
  ['a load balancer', eventAlb],
] as const) {
  t.test(`a push of protobuf and snappy from ${source} arrives unchanged`, async (t) => {
    const handle = await openHandler(t)
    const line = Array.from({ length: 2000 }, (_, at) => String.fromCodePoint(at + 1)).join('')
    const headers = { ...LOCAL, 'content-type': 'application/x-protobuf' }
    const pushed = await handle(make({ method: 'POST', path: '/loki/api/v1/push', headers, body: pushOf([line]) }))
    t.equal(pushed.statusCode, 204, pushed.body)
    const asked = await handle(make({ path: '/loki/api/v1/query_range', query: QUERY, headers: LOCAL }))
    t.equal(asked.isBase64Encoded, false)
    t.equal(JSON.parse(asked.body).data.result[0].values[0][1], line)
  })
}

t.test('a body without a length or a type is read', async (t) => {
  const handle = await openHandler(t)
  const body = '{"message":"hello"}'
  const posted = await handle(eventV2({ method: 'POST', path: '/logs', headers: JSON_TYPE, body }))
  t.equal(posted.statusCode, 201, posted.body)
  const bare = await handle(eventV2({ method: 'POST', path: '/loki/api/v1/push', headers: LOCAL }))
  t.equal(bare.statusCode, 400, bare.body)
})

t.test('a compressed response is base64', async (t) => {
  const handle = await openHandler(t)
  const answer = await handle(eventV2({ path: '/openapi.json', headers: { ...LOCAL, 'accept-encoding': 'gzip' } }))
  t.match(answer.headers, { 'content-encoding': 'gzip' })
  t.equal(answer.isBase64Encoded, true)
  t.equal(JSON.parse(gunzipSync(Buffer.from(answer.body, 'base64')).toString()).info.title, 'Millrace')
})

t.test('a binary response is base64, a text response is not', async (t) => {
  const handle = await openHandler(t)
  const headers = { ...LOCAL, 'content-type': 'application/x-protobuf' }
  const otlp = await handle(eventV2({ method: 'POST', path: '/otlp/v1/logs', headers, body: Buffer.from([255]) }))
  t.equal(otlp.isBase64Encoded, true, 'protobuf')
  t.equal((await handle(eventV2({ path: '/ready', headers: LOCAL }))).isBase64Encoded, false)
})

t.test('a load balancer with multi-value headers gets header lists', async (t) => {
  const handle = await openHandler(t)
  const { multiValueHeaders } = await handle(eventAlbLists({ path: '/ready', headers: LOCAL }))
  t.match(multiValueHeaders, { 'content-type': ['text/plain; charset=utf-8'] })
})

t.test("a response above Lambda's limit is an error that says so", async (t) => {
  const handle = await openHandler(t)
  const line = 'x'.repeat(200_000)
  const headers = { ...LOCAL, 'content-type': 'application/x-protobuf' }
  for (const part of [0, 1]) {
    const lines = Array.from({ length: 19 }, (_, at) => `${part} ${at} ${line}`)
    const pushed = await handle(eventV2({ method: 'POST', path: '/loki/api/v1/push', headers, body: pushOf(lines) }))
    t.equal(pushed.statusCode, 204, pushed.body)
  }
  const ask = { path: '/loki/api/v1/query_range', query: QUERY, headers: LOCAL }
  const large = await handle(eventV2(ask))
  t.equal(large.statusCode, 400)
  t.match(JSON.parse(large.body), { error: { code: 'query_refused', message: /the maximum is 6291456/ } })
  const small = { ...ask, query: QUERY.replace('5000', '20') }
  t.equal((await handle(eventV2(small))).statusCode, 200, 'fewer lines fit')
  t.match((await handle(eventAlb(small))).body, /the maximum is 1048576/, 'the limit of a load balancer is lower')
  const compressed = { ...ask, headers: { ...LOCAL, 'accept-encoding': 'gzip' } }
  t.equal((await handle(eventV2(compressed))).statusCode, 200, 'compressed it fits')
})

t.test('unknown routes, invalid requests and other events are errors', async (t) => {
  const handle = await openHandler(t)
  t.equal((await handle(eventV2({ path: '/nothing', headers: LOCAL }))).statusCode, 404)
  t.equal((await handle(eventV1({ path: '/loki/api/v1/query', headers: LOCAL }))).statusCode, 400)
  t.equal((await handle(eventAlb({ path: '/%ff', query: '%ff=%', headers: LOCAL }))).statusCode, 400)
  await t.rejects(handle({ Records: [] }), { code: 'config_invalid' })
})
