import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Context } from 'aws-lambda'
import t, { type Test } from 'tap'
import { type Environment, readConfig } from '../../../src/config/read-config.ts'
import { openEmbedded } from '../../../src/homes/embedded-home.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { buildApp } from '../../../src/transport/http/app.ts'
import { buildPushApp } from '../../../src/transport/http/push-app.ts'
import { buildLambdaHandler, type LambdaAnswer } from '../../../src/transport/lambda/http-handler.ts'
import { type EventParts, eventV2 } from '../../lambda/events.ts'
import { FixedClock } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

const USERS = { MILLRACE_USERS: 'agent:secret' }
const basic = (password: string) => `Basic ${Buffer.from(`agent:${password}`).toString('base64')}`
const HEADERS = { host: 'localhost', authorization: basic('secret') }
const OTLP = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}'
const JSON_HEADERS = { ...HEADERS, 'content-type': 'application/json' }

function pushOf(app: string, path = '/loki/api/v1/push'): EventParts {
  const values = [[String(new FixedClock().nowNs - 1n), 'hello']]
  return {
    method: 'POST',
    path,
    headers: JSON_HEADERS,
    body: JSON.stringify({ streams: [{ stream: { app }, values }] }),
  }
}

/** Both applications over one store, as in the function, and the whole application alone. */
async function openFunction(t: Test, env: Environment = USERS) {
  const config = readConfig({ MILLRACE_DATA_DIR: testFolder(t), ...env })
  const clock = new FixedClock()
  const metrics = new Metrics()
  const home = openEmbedded(config, clock, metrics.storeEvents({ error: () => undefined }))
  t.teardown(() => home.close())
  const parts = { ports: home.ports, config, keys: home.keys, version: '0.0.0-test' }
  const pushes = await buildPushApp({ ...parts, metrics })
  const calls = { opened: 0, failures: 0 }
  const handler = await buildLambdaHandler(pushes.app, {
    isOther: (method, path) => !pushes.hasRoute(method, path),
    open: async () => {
      calls.opened++
      if (calls.failures-- > 0) throw new Error('the disk is gone')
      return buildApp({ ...parts, metrics }, pushes.state)
    },
  })
  const alone = await buildLambdaHandler(await buildApp({ ...parts, metrics: new Metrics() }))
  const ask = (given: EventParts) => handler(eventV2(given), {} as Context)
  return { pushes, calls, ask, askAlone: (given: EventParts) => alone(eventV2(given), {} as Context) }
}

/** Without the parts that depend on the time. */
const shown = ({ statusCode, headers, body }: LambdaAnswer) => ({ statusCode, type: headers?.['content-type'], body })

t.test('pushes and health checks do not load the whole application', async (t) => {
  const { calls, ask } = await openFunction(t)
  const pushes: readonly EventParts[] = [
    pushOf('a'),
    { ...pushOf('b'), query: 'debug=true' },
    { method: 'POST', path: '/logs', headers: JSON_HEADERS, body: '{"message":"hello"}' },
    { method: 'POST', path: '/otlp/v1/logs', headers: JSON_HEADERS, body: OTLP },
  ]
  for (const given of pushes) t.match((await ask(given)).statusCode, /^20/, `${given.path}`)
  for (const path of ['/ready', '/healthz']) t.equal((await ask({ path, headers: HEADERS })).statusCode, 200, path)
  t.equal(calls.opened, 0)
})

t.test('the first request for another route loads the whole application, once', async (t) => {
  const { calls, ask } = await openFunction(t)
  await ask(pushOf('a'))
  const query = 'query=%7Bapp%3D%22a%22%7D'
  const asked = await Promise.all([1, 2].map(() => ask({ path: '/loki/api/v1/query_range', query, headers: HEADERS })))
  for (const { body } of asked) t.match(body, '"hello"')
  t.equal(calls.opened, 1)
})

t.test('the next request retries a failed load', async (t) => {
  const { calls, ask } = await openFunction(t)
  calls.failures = 1
  const given = { path: '/loki/api/v1/labels', headers: HEADERS }
  await t.rejects(ask(given), { message: 'the disk is gone' })
  t.equal((await ask(given)).statusCode, 200)
})

t.test('every request is answered as the whole application answers it', async (t) => {
  const { ask, askAlone } = await openFunction(t)
  const table: readonly (readonly [name: string, given: EventParts])[] = [
    ['no such route', { path: '/nothing', headers: HEADERS }],
    ['a method that push routes do not have', { path: '/loki/api/v1/push', headers: HEADERS }],
    ['a method of no route', { method: 'PATCH', path: '/logs', headers: HEADERS }],
    ['HEAD', { method: 'HEAD', path: '/ready', headers: HEADERS }],
    ['a slash at the end', { path: '/ready/', headers: HEADERS }],
    ['a path that is percent-encoded', { path: '/%72eady', headers: HEADERS }],
    ['a path that is not', { path: '/%zz', headers: HEADERS }],
    ['a path like a pattern', { path: '/logs/:a(', headers: HEADERS }],
    ['GET of a path that takes pushes, too', { path: '/logs', query: 'limit=0', headers: HEADERS }],
    ['no credentials', { ...pushOf('a'), headers: { host: 'localhost' } }],
    ['an invalid push', { ...pushOf('a'), body: '{' }],
    ['an invalid log', { method: 'POST', path: '/logs', headers: JSON_HEADERS, body: '[]' }],
    ['invalid OTLP', { method: 'POST', path: '/v1/logs', headers: JSON_HEADERS, body: '{' }],
    ['the routes’ description', { path: '/openapi.json', headers: HEADERS }],
  ]
  for (const [name, given] of table) t.same(shown(await ask(given)), shown(await askAlone(given)), name)
})

t.test('wrong passwords count wherever they are sent', async (t) => {
  const { ask } = await openFunction(t, { ...USERS, MILLRACE_AUTH_FAILURES_PER_MINUTE: '2' })
  const headers = { ...JSON_HEADERS, authorization: basic('wrong') }
  t.equal((await ask({ ...pushOf('a'), headers })).statusCode, 401)
  t.equal((await ask({ path: '/loki/api/v1/labels', headers })).statusCode, 401)
  t.equal((await ask({ ...pushOf('a'), headers })).statusCode, 429)
  t.equal((await ask({ path: '/loki/api/v1/labels', headers })).statusCode, 429)
})

t.test('streams of both applications count together, and are in the metrics', async (t) => {
  const { ask, calls } = await openFunction(t, { ...USERS, MILLRACE_ACTIVE_STREAMS_MAX: '2' })
  t.equal((await ask(pushOf('a'))).statusCode, 200)
  t.equal((await ask(pushOf('b', '/loki/api/v1/push/'))).statusCode, 200)
  t.equal(calls.opened, 1, 'the slash leads to the whole application')
  t.equal((await ask(pushOf('c'))).statusCode, 429)
  const { body } = await ask({ path: '/metrics', headers: HEADERS })
  t.match(body, 'millrace_active_streams 2\n')
  t.match(body, 'millrace_entries_accepted_total{protocol="loki_json"} 2\n')
  t.match(body, 'route="/loki/api/v1/push"')
})

t.test('a function starts without the query language', async (t) => {
  const loaded = staticImports('src/entry/gateway-lambda.ts')
  t.ok(loaded.has('src/transport/http/push-app.ts'))
  const unwanted = /^src\/(logql|transport\/http\/(app|loki-query-routes))\b|^re2js$|^@sinclair|^@aws-sdk/
  t.same(
    [...loaded].filter((name) => unwanted.test(name)),
    [],
  )
})

/** The modules that a file loads statically, packages by name. */
function staticImports(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  if (!file.endsWith('.ts')) return seen
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b(?! type\b)[^'=(;]*?\bfrom '([^']+)'/gm)
  for (const [, target = ''] of imports) {
    staticImports(target.startsWith('.') ? join(dirname(file), target) : target, seen)
  }
  return seen
}
