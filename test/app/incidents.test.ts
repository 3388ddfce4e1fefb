import fc from 'fast-check'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { type Environment, readConfig } from '../../src/config/read-config.ts'
import { openIncidentToken, sealIncidentToken } from '../../src/protocol/incidents/incident-token.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { registerAuth } from '../../src/transport/http/auth/auth.ts'
import { registerErrors } from '../../src/transport/http/errors.ts'
import { registerIncidents } from '../../src/transport/http/incident-routes.ts'
import { registerKnownParameters } from '../../src/transport/http/known-parameters.ts'
import { incidentIdOf, report } from '../contract/incident-store.ts'
import { openFlow } from '../flows/incidents/incident-flow.ts'
import { FixedClock } from '../support/helper.ts'

const KEY = new Uint8Array(32).fill(7)
const LINKS = { publicUrl: undefined, grafanaUrl: 'http://grafana', grafanaDataSource: 'millrace', region: undefined }

async function open(t: Test, env: Environment = {}) {
  const clock = new FixedClock()
  const flow = openFlow(t, clock)
  const app = Fastify()
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  registerErrors(app, new Metrics())
  registerKnownParameters(app)
  const auth = await registerAuth(app, { config: readConfig(env), clock })
  registerIncidents(app, { store: flow.store, desk: flow.desk, auth, tokenKey: KEY, links: LINKS })
  t.teardown(() => app.close())
  const ask = async (method: 'GET' | 'POST', url: string, headers: Record<string, string> = {}) => {
    const response = await app.inject({ method, url, headers })
    return { status: response.statusCode, body: response.json() }
  }
  const raise = async (key: string, tenant = 'fake', more: object = {}) => {
    clock.ms += 1000
    const { id } = await flow.desk.raise(report(clock, { tenant, key, title: key, query: '{app="x"}', ...more }))
    return id
  }
  return { ...flow, app, ask, raise, clock }
}

t.test('an incident is listed, shown, acknowledged and closed', async (t) => {
  const { ask, raise } = await open(t)
  const labels = [{ name: '__proto__', value: 'x' }]
  const id = await raise('payments down', 'fake', { labels })
  const { status, body } = await ask('GET', '/incidents')
  t.equal(status, 200)
  t.match(body, { hasMore: false, items: [{ id, state: 'open', title: 'payments down', count: 1, kind: 'line' }] })
  t.same(Object.entries(body.items[0].labels), [['__proto__', 'x']])
  t.match(body.items[0].links, {
    query: /^\/loki\/api\/v1\/query_range\?query=/,
    explore: /^http:\/\/grafana\/explore\?/,
  })
  t.match(body.items[0].samples, [{ line: 'payments down' }])
  t.match(await ask('GET', `/incidents/${id}`), { status: 200, body: { id } })
  t.match(await ask('POST', `/incidents/${id}/ack`), { body: { state: 'acknowledged', changedBy: 'anonymous' } })
  t.match(await ask('POST', `/incidents/${id}/close`), { body: { state: 'closed' } })
  const again = await ask('POST', `/incidents/${id}/close`)
  t.match(again, { status: 200, body: { state: 'closed' } })
  t.match(again.body.history, [
    { at: /^\d{4}-/, what: 'opened' },
    { what: 'acknowledged', by: 'anonymous' },
    { what: 'closed', by: 'anonymous' },
  ])
  t.match(await ask('POST', `/incidents/${id}/ack`), { status: 409, body: { error: { code: 'state_conflict' } } })
})

t.test('a parameter that a route does not have is rejected, and the incident does not change', async (t) => {
  const { ask, raise } = await open(t)
  const id = await raise('payments down')
  const rows: readonly (readonly [method: 'GET' | 'POST', url: string, message: string])[] = [
    ['GET', '/incidents?label={a="b"}', 'unknown parameter "label"; did you mean labels?'],
    ['GET', `/incidents/${id}?samples=no`, 'unknown parameter "samples"; this route has no parameters; leave it out'],
    ['POST', `/incidents/${id}/ack?by=ann`, 'unknown parameter "by"; this route has no parameters; leave it out'],
  ]
  for (const [method, url, message] of rows) {
    t.match(await ask(method, url), { status: 400, body: { error: { code: 'parameter_invalid', message } } }, url)
  }
  t.match(await ask('GET', `/incidents/${id}`), { body: { state: 'open' } })
})

t.test('a page token is valid for the same filters', async (t) => {
  const { ask, raise } = await open(t)
  for (let i = 0; i < 7; i++) await raise(`failure ${i}`)
  const seen: string[] = []
  let token = ''
  for (let page = 0; page < 10; page++) {
    const { body } = await ask('GET', `/incidents?limit=3&state=open${token && `&nextToken=${token}`}`)
    seen.push(...body.items.map(({ title }: { title: string }) => title))
    if (!body.hasMore) break
    token = body.nextToken
  }
  t.same(
    seen,
    [6, 5, 4, 3, 2, 1, 0].map((i) => `failure ${i}`),
  )
  const other = await ask('GET', `/incidents?limit=3&state=closed&nextToken=${token}`)
  t.match(other, { status: 400, body: { error: { code: 'page_token_invalid' } } })
  t.equal((await ask('GET', `/incidents?state=open&nextToken=${token}`, { 'x-scope-orgid': 'other' })).status, 400)
})

t.test('filters by state, time and labels', async (t) => {
  const { ask, raise, clock } = await open(t)
  const first = await raise('one', 'fake', { labels: [{ name: 'app', value: 'shop' }] })
  const since = new Date(clock.ms + 1).toISOString()
  await raise('two')
  await ask('POST', `/incidents/${first}/ack`)
  const titles = async (query: string) =>
    (await ask('GET', `/incidents?${query}`)).body.items.map(({ title }: { title: string }) => title)
  t.same(await titles('state=acknowledged,closed'), ['one'])
  t.same(await titles(`since=${since}`), ['two'])
  await raise('one', 'fake', { labels: [{ name: 'app', value: 'shop' }], eventId: 'later' })
  t.same(await titles(`since=${since}`), ['one', 'two'], 'seen again')
  t.same(await titles(`firstSince=${since}`), ['two'])
  t.same(await titles(`labels=${encodeURIComponent('{app="shop"}')}`), ['one'])
})

const REFUSED: readonly (readonly [name: string, method: 'GET' | 'POST', url: string, status: number, code: string])[] =
  [
    ['an invalid state', 'GET', '/incidents?state=open,gone', 400, 'parameter_invalid'],
    ['a limit of none', 'GET', '/incidents?limit=0', 400, 'parameter_invalid'],
    ['a limit beyond', 'GET', '/incidents?limit=101', 400, 'parameter_invalid'],
    ['an invalid time', 'GET', '/incidents?since=yesterday', 400, 'parameter_invalid'],
    ['an invalid time of the first', 'GET', '/incidents?firstSince=now', 400, 'parameter_invalid'],
    ['labels that are none', 'GET', '/incidents?labels=app', 400, 'parameter_invalid'],
    ['an invalid token', 'GET', '/incidents?nextToken=abc', 400, 'page_token_invalid'],
    ['an invalid id', 'GET', '/incidents/1', 404, 'not_found'],
    ['an id of nothing', 'GET', `/incidents/${'0'.repeat(32)}`, 404, 'not_found'],
    ['to acknowledge nothing', 'POST', `/incidents/${'0'.repeat(32)}/ack`, 404, 'not_found'],
    ['to close nothing', 'POST', `/incidents/${'0'.repeat(32)}/close`, 404, 'not_found'],
  ]
for (const [name, method, url, status, code] of REFUSED) {
  t.test(`refuses ${name}`, async (t) => {
    const { ask } = await open(t)
    t.match(await ask(method, url), { status, body: { error: { code } } })
  })
}

t.test('a tenant sees, acknowledges and closes only its own incidents', async (t) => {
  const basic = (user: string) => ({ authorization: `Basic ${Buffer.from(user).toString('base64')}` })
  const users = JSON.stringify([
    { name: 'ann', password: 'ann-password', tenant: 'a' },
    { name: 'bob', password: 'bob-password', tenant: 'b' },
  ])
  const { ask, raise } = await open(t, { MILLRACE_USERS: users })
  const id = await raise('of a', 'a')
  const ann = basic('ann:ann-password')
  const bob = basic('bob:bob-password')
  for (const [method, url] of [
    ['GET', '/incidents'],
    ['GET', `/incidents/${id}`],
    ['POST', `/incidents/${id}/ack`],
    ['POST', `/incidents/${id}/close`],
  ] as const) {
    t.equal((await ask(method, url)).status, 401, `${url} wants credentials`)
    t.equal((await ask(method, url, { ...bob, 'x-scope-orgid': 'a' })).status, 403)
    if (url !== '/incidents') t.equal((await ask(method, url, bob)).status, 404)
  }
  t.same((await ask('GET', '/incidents', bob)).body.items, [])
  t.match(await ask('POST', `/incidents/${id}/ack`, ann), { body: { state: 'acknowledged', changedBy: 'ann' } })
  t.equal(id, incidentIdOf({ tenant: 'a', kind: 'line', key: 'of a' }))
})

t.test('any request gets JSON, and never a 5xx', async (t) => {
  const { app, raise } = await open(t)
  await raise('one')
  const text = fc.string({ unit: 'binary', maxLength: 60 })
  const query = fc.record(
    { state: text, since: text, labels: text, limit: text, nextToken: text, other: text },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(query, text, async (asked, id) => {
      const pairs = Object.entries(asked).map(([name, value]): [string, string] => [name, value.toWellFormed()])
      const params = new URLSearchParams(pairs)
      const path = encodeURIComponent(id.toWellFormed())
      for (const url of [`/incidents?${params}`, `/incidents/${path}`]) {
        const { statusCode, body } = await app.inject({ method: 'GET', url })
        JSON.parse(body)
        if (statusCode >= 500) throw new Error(`${url} gave ${statusCode}`)
      }
    }),
    { numRuns: 200 },
  )
  t.pass()
})

t.test('a sealed token can be opened, and any other text is rejected', async (t) => {
  const place = fc.record({
    lastSeenMs: fc.integer({ min: 0, max: 8.64e15 }),
    id: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  })
  const filters = fc.record({ tenant: fc.string(), state: fc.option(fc.string(), { nil: undefined }) })
  fc.assert(
    fc.property(place, filters, fc.string({ maxLength: 100 }), (at, asked, text) => {
      const token = sealIncidentToken(KEY, at, asked)
      t.same(openIncidentToken(KEY, token, asked), at)
      t.throws(() => openIncidentToken(KEY, token, { ...asked, since: '1' }), { code: 'page_token_invalid' })
      t.throws(() => openIncidentToken(KEY, text, asked), { code: 'page_token_invalid' })
    }),
    { numRuns: 100 },
  )
})
