import t, { type Test } from 'tap'
import type { Environment } from '../../src/config/read-config.ts'
import { ask, buildTestApp, pushJson, type TestApp } from '../support/test-app.ts'

const ON = { MILLRACE_MULTI_TENANT_QUERIES: 'true' }
const SEVERAL = { 'x-scope-orgid': 'b|a' }

async function openWithLines(t: Test, env: Environment = ON): Promise<TestApp> {
  const parts = await buildTestApp(t, { MILLRACE_DISCOVER_SERVICE_NAME: 'false', ...env })
  for (const [i, tenant] of ['a', 'b', 'c'].entries()) {
    const stream = { app: 'shop', [`only_${tenant}`]: 'x' }
    const values = [1, 2].map((n) => [String(parts.clock.nowNs - BigInt(n * 10 - i)), `${tenant}${n}`])
    await pushJson(parts.app, [{ stream, values }], { 'x-scope-orgid': tenant })
  }
  return parts
}

t.test('a query of several tenants returns the lines of all, each with its tenant, within one limit', async (t) => {
  const { app } = await openWithLines(t)
  const answer = await ask(app, 'query_range', { query: '{app="shop"}', limit: '3' }, SEVERAL)
  t.equal(answer.statusCode, 200)
  const { result } = answer.json().data
  t.strictSame(
    result.map(({ stream, values }: { stream: object; values: string[][] }) => [
      stream,
      values.map(([, line]) => line),
    ]),
    [
      [{ __tenant_id__: 'a', app: 'shop', detected_level: 'unknown', only_a: 'x' }, ['a1']],
      [{ __tenant_id__: 'b', app: 'shop', detected_level: 'unknown', only_b: 'x' }, ['b1', 'b2']],
    ],
  )
})

t.test('aggregations are over all tenants, or by tenant', async (t) => {
  const { app } = await openWithLines(t)
  const count = async (query: string) => (await ask(app, 'query', { query }, SEVERAL)).json().data.result
  t.match(await count('sum(count_over_time({app="shop"}[1m]))'), [{ metric: {}, value: [Number, '4'] }])
  t.match(await count('sum by (__tenant_id__) (count_over_time({app="shop", __tenant_id__="b"}[1m]))'), [
    { metric: { __tenant_id__: 'b' }, value: [Number, '2'] },
  ])
})

t.test('labels, values, series and volumes are merged', async (t) => {
  const { app } = await openWithLines(t)
  const data = async (path: string, query = {}) => (await ask(app, path, query, SEVERAL)).json().data
  t.strictSame(await data('labels'), ['__tenant_id__', 'app', 'only_a', 'only_b'])
  t.strictSame(await data('label/__tenant_id__/values'), ['a', 'b'])
  t.strictSame(await data('label/app/values', { query: '{__tenant_id__="a"}' }), ['shop'])
  t.strictSame(await data('series', { match: '{__tenant_id__="a"}' }), [
    { __tenant_id__: 'a', app: 'shop', only_a: 'x' },
  ])
  t.match((await data('index/volume', { query: '{app="shop"}' })).result, [{ value: [Number, '8'] }])
  t.match((await ask(app, 'index/stats', {}, SEVERAL)).json(), { streams: 2, entries: 4 })
  const { detectedLabels } = (await ask(app, 'detected_labels', {}, SEVERAL)).json()
  t.match(detectedLabels, [{ label: '__tenant_id__', cardinality: 2 }, { label: 'app' }])
  t.equal((await ask(app, 'detected_fields', { query: '{app="shop"}' }, SEVERAL)).statusCode, 200)
})

t.test('one tenant, named once or twice, is read as usual', async (t) => {
  const { app } = await openWithLines(t)
  for (const tenant of ['a', 'a|a']) {
    const { data } = (await ask(app, 'labels', {}, { 'x-scope-orgid': tenant })).json()
    t.strictSame(data, ['app', 'only_a'], tenant)
  }
})

t.test('deleted lines are hidden of their tenant only', async (t) => {
  const { app, clock } = await openWithLines(t)
  const deletion = new URLSearchParams({ query: '{app="shop"}', start: '0', end: String(clock.nowNs) })
  const url = `/loki/api/v1/delete?${deletion}`
  const answer = await app.inject({ method: 'POST', url, headers: { 'x-scope-orgid': 'a' } })
  t.equal(answer.statusCode, 204)
  const { streams, entries } = (await ask(app, 'index/stats', {}, SEVERAL)).json()
  t.strictSame({ streams, entries }, { streams: 1, entries: 2 })
})

const BOUND = JSON.stringify([{ name: 'bob', password: 'pw', tenant: 'a' }])
const basic = (name: string) => `Basic ${Buffer.from(`${name}:pw`).toString('base64')}`

const REFUSED: readonly (readonly [
  name: string,
  env: Environment,
  tenants: string,
  status: number,
  text: RegExp,
  headers?: Readonly<Record<string, string>>,
])[] = [
  ['several tenants where that is off', {}, 'a|b', 400, /multiple org IDs present/],
  ['more tenants than one query may read', ON, Array.from({ length: 17 }, (_, i) => `t${i}`).join('|'), 400, /16/],
  ['an empty name among several', ON, 'a||b', 400, /empty/],
  [
    'a tenant that the credentials are not bound to',
    { ...ON, MILLRACE_USERS: BOUND },
    'a|b',
    403,
    /"a" only/,
    {
      authorization: basic('bob'),
    },
  ],
]
for (const [name, env, tenants, status, text, headers = {}] of REFUSED) {
  t.test(`refuses ${name}`, async (t) => {
    const { app } = await buildTestApp(t, env)
    for (const path of ['labels', 'series', 'index/stats', 'query', 'query_range', 'detected_labels']) {
      const answer = await ask(app, path, { query: '{a="b"}' }, { 'x-scope-orgid': tenants, ...headers })
      t.equal(answer.statusCode, status, path)
      t.match(answer.body, text, path)
    }
  })
}

t.test('pushes, deletions and tails accept only one tenant', async (t) => {
  const { app } = await buildTestApp(t, ON)
  const push = await pushJson(app, [{ stream: { a: 'b' }, values: [] }], SEVERAL)
  t.equal(push.statusCode, 400)
  t.match(push.body, /multiple org IDs present/)
  for (const url of ['/loki/api/v1/delete', '/config/tenant/v1/limits']) {
    const answer = await app.inject({ url, headers: SEVERAL })
    t.equal(answer.statusCode, 400, url)
  }
})
