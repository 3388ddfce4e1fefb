import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { LightMyRequestResponse } from 'fastify'
import t from 'tap'
import type { LogStore } from '../../src/ports/log-store.ts'
import { buildTestApp, pushJson } from '../support/test-app.ts'

/** The store, reported as unhealthy. */
function troubled(store: LogStore, trouble: string): LogStore {
  return {
    append: (batch) => store.append(batch),
    read: (request, signal) => store.read(request, signal),
    streams: (range, signal) => store.streams(range, signal),
    version: (range) => store.version(range),
    trouble: () => trouble,
    figures: () => store.figures(),
    close: () => store.close(),
  }
}

t.test('/healthz and /ready report whether pushes can be stored', async (t) => {
  const { app } = await buildTestApp(t)
  const healthz = await app.inject('/healthz')
  t.equal(healthz.statusCode, 200)
  t.strictSame(healthz.json(), { status: 'healthy' })
  const ready = await app.inject('/ready')
  t.equal(ready.statusCode, 200)
  t.equal(ready.body, 'ready\n')
})

t.test('/healthz and /ready report the fault', async (t) => {
  const { app } = await buildTestApp(t, {}, { wrapStore: (store) => troubled(store, 'the disk is full') })
  const healthz = await app.inject('/healthz')
  t.equal(healthz.statusCode, 503)
  t.strictSame(healthz.json(), { status: 'degraded', error: 'the disk is full' })
  const ready = await app.inject('/ready')
  t.equal(ready.statusCode, 503)
  t.equal(ready.body, 'the disk is full\n')
  t.match((await app.inject('/metrics')).body, /^millrace_store_healthy 0$/m)
})

t.test('/healthz reports maintenance that fails while pushes can be stored', async (t) => {
  const wrapStore = (store: LogStore): LogStore => ({
    ...troubled(store, ''),
    trouble: () => undefined,
    figures: () => ({ ...store.figures(), maintenanceFailures: 3 }),
  })
  const { app } = await buildTestApp(t, {}, { wrapStore })
  const healthz = await app.inject('/healthz')
  t.equal(healthz.statusCode, 200, 'a restart would not help')
  t.match(healthz.json(), { status: 'degraded', error: /maintenance failed 3 times in a row/ })
  t.equal((await app.inject('/ready')).statusCode, 200)
  t.match((await app.inject('/metrics')).body, /^millrace_store_maintenance_failures 3$/m)
})

t.test('/healthz, /ready and the version need no credentials; /metrics and all else do', async (t) => {
  const { app } = await buildTestApp(t, { MILLRACE_USERS: 'agent:secret' })
  for (const url of ['/healthz', '/ready', '/loki/api/v1/status/buildinfo']) {
    t.equal((await app.inject(url)).statusCode, 200, url)
  }
  for (const url of ['/metrics', '/logs', '/loki/api/v1/labels', '/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D']) {
    t.equal((await app.inject(url)).statusCode, 401, url)
  }
})

t.test('buildinfo has the facts that Grafana reads', async (t) => {
  const { app } = await buildTestApp(t)
  const response = await app.inject('/loki/api/v1/status/buildinfo')
  t.match(response.json(), {
    version: /^3\.\d+\.\d+$/,
    revision: /^millrace-/,
    branch: 'main',
    buildUser: 'millrace',
    buildDate: '',
    goVersion: '',
  })
})

t.test('/metrics counts accepted and refused entries', async (t) => {
  const { app, clock } = await buildTestApp(t, { MILLRACE_LINE_BYTES_MAX: '5' })
  const now = String(clock.nowNs)
  const streams = [
    {
      stream: { app: 'a' },
      values: [
        [now, 'one'],
        [now, 'two'],
        [now, 'much too long'],
        ['1', 'old'],
      ],
    },
  ]
  await pushJson(app, streams)
  await pushJson(app, streams)
  await app.inject({ method: 'POST', url: '/loki/api/v1/push', payload: 'x' })
  const { body, headers } = await app.inject('/metrics')
  t.match(headers['content-type'], /^text\/plain/)
  const expected = [
    'millrace_entries_accepted_total{protocol="loki_json"} 4',
    'millrace_entries_duplicate_total{protocol="loki_json"} 2',
    'millrace_entries_refused_total{reason="line_too_long"} 2',
    'millrace_entries_refused_total{reason="greater_than_max_sample_age"} 2',
    'millrace_line_bytes_total{protocol="loki_json"} 12',
    'millrace_errors_total{code="media_type_invalid"} 1',
    'millrace_store_entries 2',
    'millrace_store_blocks 1',
    'millrace_store_streams 1',
    'millrace_store_line_bytes 6',
    'millrace_store_queue_bytes 0',
    'millrace_store_healthy 1',
    'millrace_active_streams 1',
    'millrace_inflight_body_bytes 0',
  ]
  const lines = body.split('\n')
  for (const line of expected) t.ok(lines.includes(line), line)
  t.match(body, /^millrace_commit_seconds_count \d+$/m)
  t.match(body, /^millrace_request_seconds_bucket\{.*route="\/loki\/api\/v1\/push".*\} \d+$/m)
  t.match(body, /^millrace_store_disk_bytes \d+$/m)
})

interface OpenApi {
  readonly openapi: string
  readonly info: object
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses?: Record<string, object> }>>>>
}

t.test('/openapi.json is a document of every route', async (t) => {
  const { app } = await buildTestApp(t)
  const response = await app.inject('/openapi.json')
  t.equal(response.statusCode, 200)
  const document = response.json<OpenApi>()
  t.match(document.openapi, /^3\./)
  t.match(document.info, { title: 'Millrace' })
  for (const path of ['/logs', '/loki/api/v1/push', '/loki/api/v1/query_range', '/otlp/v1/logs', '/healthz']) {
    t.ok(document.paths[path], path)
  }
  t.ok(document.paths['/loki/api/v1/label/{name}/values'], 'parameters in braces')
  for (const [path, operations] of Object.entries(document.paths)) {
    t.match(path, /^\/[^:*]*$/, `${path} is a path of OpenAPI`)
    for (const [method, { responses = {} }] of Object.entries(operations)) {
      t.ok(Object.keys(responses).length > 0, `${method} ${path} has responses`)
      for (const [status, answer] of Object.entries(responses)) {
        t.match(status, /^(default|[1-5](\d\d|XX))$/)
        t.type((answer as { description?: unknown }).description, 'string', `${method} ${path} ${status}`)
      }
    }
  }
  for (const reference of response.body.matchAll(/"\$ref":"([^"]+)"/g)) t.fail(`a reference: ${reference[1]}`)
  t.doesNotThrow(() => compileSchemas(document), 'its schemas are JSON schemas')
})

/** Compiles every schema of the document with Fastify's JSON schema compiler. */
function compileSchemas(document: OpenApi): void {
  const require = createRequire(createRequire(import.meta.url).resolve('fastify'))
  const Ajv = require('ajv') as new (options: object) => { compile(schema: object): unknown }
  const ajv = new Ajv({ strict: false })
  JSON.stringify(document, (key, value: unknown) => {
    if (key === 'schema' && typeof value === 'object' && value !== null) ajv.compile(value)
    return value
  })
}

t.test('an unknown route is a 404 in JSON', async (t) => {
  const { app } = await buildTestApp(t)
  for (const [method, url] of [
    ['GET', '/nothing'],
    ['DELETE', '/logs'],
    ['PUT', '/loki/api/v1/push'],
  ] as const) {
    const response: LightMyRequestResponse = await app.inject({ method, url: `${url}?secret=x` })
    t.equal(response.statusCode, 404)
    t.match(response.json(), { error: { code: 'not_found' } })
    t.notMatch(response.body, /secret/, 'parameters are not repeated')
  }
})

t.test('a page of another site cannot make a browser on this machine push or read', async (t) => {
  const { app } = await buildTestApp(t)
  const rows = [
    ['a foreign Origin', { origin: 'https://evil.example' }, 403],
    ['a foreign Host', { host: 'evil.example' }, 403],
    ['another port of this machine', { origin: 'http://localhost:8080', host: 'localhost:3100' }, 403],
    ['the page itself', { origin: 'http://localhost:3100', host: 'localhost:3100' }, 200],
    ['a request of another site', { 'sec-fetch-site': 'cross-site' }, 403],
    [
      'a frame of another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      403,
    ],
    [
      'a link of another site',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      200,
    ],
    ['a request of the page itself', { 'sec-fetch-site': 'same-origin' }, 200],
    ['a Host of this machine', { host: '127.0.0.1:3100' }, 200],
  ] as const
  for (const [name, headers, status] of rows) {
    t.equal((await app.inject({ url: '/loki/api/v1/labels', headers })).statusCode, status, name)
  }
})

t.test('a path that cannot be decoded is an error like any other', async (t) => {
  const { app } = await buildTestApp(t)
  for (const url of ['/loki/api/v1/label/%zz/values', '/%', '/logs/%ff%fe']) {
    const response = await app.inject({ url })
    t.match(response.json(), { error: { code: 'parameter_invalid', message: /percent-encoded/ } }, url)
    t.equal(response.statusCode, 400, url)
  }
  t.match((await app.inject({ url: '/metrics' })).body, 'millrace_errors_total{code="parameter_invalid"} 3')
})

t.test('the response to a client that stops reading is dropped after a while', async (t) => {
  const { app } = await buildTestApp(t)
  const sockets: Socket[] = []
  app.server.on('connection', (socket) => sockets.push(socket))
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const response = await fetch(`${address}/loki/api/v1/tail/stream?query={app="shop"}`)
  t.equal(sockets[0]?.timeout, 60_000)
  await response.body?.cancel()
})

t.test('credentials of a tenant do not show the process', async (t) => {
  const { app } = await buildTestApp(t, {
    MILLRACE_USERS: JSON.stringify([
      { name: 'b', password: 'b', tenant: 'b' },
      { name: 'all', password: 'all' },
    ]),
  })
  const rows = [
    ['b', '/metrics', 403],
    ['b', '/config', 403],
    ['b', '/config/tenant/v1/limits', 200],
    ['all', '/metrics', 200],
    ['all', '/config', 200],
  ] as const
  for (const [user, url, status] of rows) {
    const authorization = `Basic ${Buffer.from(`${user}:${user}`).toString('base64')}`
    const response = await app.inject({ url, headers: { authorization } })
    t.equal(response.statusCode, status, `${user} ${url}`)
    if (status === 403) t.match(response.body, /shows the whole process/)
  }
})

t.test("behind a trusted proxy the client's address is the one that it forwards", async (t) => {
  const env = {
    MILLRACE_USERS: 'ann:secret',
    MILLRACE_AUTH_FAILURES_PER_MINUTE: '1',
    MILLRACE_TRUSTED_PROXIES: '10.0.0.0/8,::1',
  }
  const { app } = await buildTestApp(t, env)
  const statusOf = async (forwardedFor: string, remoteAddress: string): Promise<number> => {
    const headers = {
      authorization: `Basic ${Buffer.from('ann:x').toString('base64')}`,
      'x-forwarded-for': forwardedFor,
    }
    return (await app.inject({ url: '/loki/api/v1/labels', headers, remoteAddress })).statusCode
  }
  t.same([await statusOf('192.0.2.1', '10.0.0.1'), await statusOf('192.0.2.1', '10.9.9.9')], [401, 429])
  t.equal(await statusOf('192.0.2.2', '10.0.0.1'), 401, 'another client')
  t.equal(await statusOf('192.0.2.3', '192.0.2.1'), 429, 'who is no proxy cannot choose an address')
})
