import t, { type Test } from 'tap'
import { ask, buildTestApp, pushJson, type TestApp } from '../support/test-app.ts'

const LIMITS = 'x-loki-query-limits'

/** Ten streams with one line each, a millisecond apart, the first a second before now. */
async function filled(t: Test, env: Record<string, string> = {}): Promise<TestApp> {
  const built = await buildTestApp(t, env)
  const streams = Array.from({ length: 10 }, (_, i) => ({
    stream: { app: 'shop', pod: `p${i}` },
    values: [[String(built.clock.nowNs - 1_000_000_000n + BigInt(i) * 1_000_000n + 123n), `line ${i}`]],
  }))
  await pushJson(built.app, streams)
  return built
}

const warning = 'maximum number of series (3) reached for a single query; returning partial results'

for (const path of ['query', 'query_range']) {
  t.test(`Logs Drilldown gets a part of too many series and a warning: ${path}`, async (t) => {
    const { app } = await filled(t, { MILLRACE_QUERY_SERIES_MAX: '3' })
    const query = { query: 'sum by (pod) (count_over_time({app="shop"}[1h]))' }
    const refused = await ask(app, path, query)
    t.equal(refused.statusCode, 400)
    t.match(refused.body, /maximum number of series \(3\) reached for a single query; consider/)
    for (const _ of ['made now', 'from the cache']) {
      const partial = await ask(app, path, query, { 'x-query-tags': 'Source=grafana-lokiexplore-app,Feature=patterns' })
      t.equal(partial.statusCode, 200)
      t.match(partial.body, /^\{"status":"success","warnings":\["maximum/)
      const { warnings, data } = partial.json()
      t.strictSame(warnings, [warning])
      t.equal(data.result.length, 3)
    }
    t.equal((await ask(app, path, query)).statusCode, 400, 'others are still refused')
  })
}

t.test('a result within the limit has no warning', async (t) => {
  const { app } = await filled(t)
  const query = { query: 'sum(count_over_time({app="shop"}[1h]))' }
  const { body } = await ask(app, 'query', query, { 'x-query-tags': 'Source=grafana-lokiexplore-app' })
  t.notMatch(body, /warnings/)
})

/** [limits, path, query, error] */
const LOWERED: readonly (readonly [limits: object, path: string, query: Record<string, string>, error: RegExp])[] = [
  [
    { maxQueryLength: '30m' },
    'query_range',
    { query: '{app="shop"}' },
    /exceeds the limit \(query length: 1h0m0s, limit: 30m0s\)/,
  ],
  [{ maxQueryLength: '30m' }, 'labels', {}, /exceeds the limit/],
  [
    { maxEntriesLimitPerQuery: 5 },
    'query_range',
    { query: '{app="shop"}', limit: '6' },
    /max_entries_limit_per_query \(6 > 5\)/,
  ],
  [
    { requiredLabels: ['pod'] },
    'query_range',
    { query: '{app="shop"}' },
    /missing required matchers \[pod\], labels present in the query were \[app\]/,
  ],
  [
    { minimumLabelsNumber: 2 },
    'query',
    { query: 'rate({app="shop"}[1m])' },
    /number_present: 1, required_number_label_matchers: 2/,
  ],
  [{ maxQueryInterval: '1m' }, 'query', { query: 'rate({app="shop"}[5m])' }, /\[5m0s\] > \[1m0s\]/],
  [
    { maxQueryBytesRead: '10B' },
    'query_range',
    { query: '{app="shop"}' },
    /would read too many bytes \(query: 60 B, limit: 10 B\)/,
  ],
  [{ maxQueryBytesRead: '10B' }, 'query', { query: 'rate({app="shop"}[5m])' }, /would read too many bytes/],
]
for (const [limits, path, query, error] of LOWERED) {
  t.test(`a request lowers its own limits: ${JSON.stringify(limits)} for ${path}`, async (t) => {
    const { app } = await filled(t)
    t.equal((await ask(app, path, query)).statusCode, 200)
    const response = await ask(app, path, query, { [LIMITS]: JSON.stringify(limits) })
    t.equal(response.statusCode, 400)
    t.match(response.body, error)
  })
}

t.test('a request cannot raise its limits', async (t) => {
  const { app } = await filled(t, { MILLRACE_QUERY_ENTRIES_MAX: '5', MILLRACE_QUERY_RANGE_MAX: '30m' })
  const raised = { [LIMITS]: JSON.stringify({ maxEntriesLimitPerQuery: 100, maxQueryLength: '10h' }) }
  t.match((await ask(app, 'query_range', { query: '{app="shop"}', limit: '6', since: '1m' }, raised)).body, /6 > 5/)
  t.match((await ask(app, 'query_range', { query: '{app="shop"}', limit: '5' }, raised)).body, /limit: 30m0s/)
})

t.test('data before the lookback of a request is not read', async (t) => {
  const { app } = await filled(t)
  const near = await ask(app, 'query_range', { query: '{app="shop"}' }, { [LIMITS]: '{"maxQueryLookback":"5m"}' })
  t.equal(near.json().data.result.length, 10)
  const far = await ask(app, 'query_range', { query: '{app="shop"}' }, { [LIMITS]: '{"maxQueryLookback":"500ms"}' })
  t.strictSame(far.json().data.result, [])
})

t.test('limits that cannot be read are an error, not no limits', async (t) => {
  const { app } = await filled(t)
  const response = await ask(app, 'query_range', { query: '{app="shop"}' }, { [LIMITS]: 'none' })
  t.equal(response.statusCode, 400)
  t.match(response.body, /X-Loki-Query-Limits is not a JSON object/)
})

t.test('a label policy, which is not enforced, is refused on every route that reads', async (t) => {
  const { app } = await filled(t)
  const policy = { 'x-prom-label-policy': 'fake:%7Bapp%3D%22shop%22%7D' }
  for (const url of [
    '/loki/api/v1/query_range?query={app="shop"}',
    '/loki/api/v1/labels',
    '/loki/api/v1/series',
    '/loki/api/v1/tail/stream?query={app="shop"}',
    '/api/prom/query?query={app="shop"}',
    '/logs',
    '/incidents',
    '/metrics',
  ]) {
    const response = await app.inject({ url, headers: policy })
    t.equal(response.statusCode, 400, url)
    t.match(response.body, /X-Prom-Label-Policy is not enforced here/, url)
  }
  const pushed = await pushJson(app, [{ stream: { app: 'a' }, values: [] }], policy)
  t.equal(pushed.statusCode, 200, 'it says nothing about a push')
})

t.test('Grafana’s “Show context” finds the stream of a line by the millisecond of its time', async (t) => {
  const { app, clock } = await filled(t)
  const atMs = String(clock.nowNs - 1_000_000_000n + 3_000_000n)
  const range = { start: atMs, end: atMs }
  t.strictSame((await ask(app, 'labels', range)).json().data, ['app', 'pod', 'service_name'])
  t.ok((await ask(app, 'label/pod/values', range)).json().data.includes('p3'))
  const { data } = (await ask(app, 'series', { ...range, 'match[]': '{pod="p3"}' })).json()
  t.strictSame(data, [{ app: 'shop', pod: 'p3', service_name: 'shop' }])
  const legacy = await app.inject(`/api/prom/label/pod/values?start=${atMs}&end=${atMs}`)
  t.ok(legacy.json().values.includes('p3'))
})
