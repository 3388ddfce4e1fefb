import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { type Environment, readConfig } from '../../src/config/read-config.ts'
import { cancelDeletion, processDeletions, requestDeletion } from '../../src/flows/delete/delete-logs.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { buildApp } from '../../src/transport/http/app.ts'
import { FixedClock, makeBatch, openAdmission, openStore } from '../support/helper.ts'
import { ask, buildTestApp } from '../support/test-app.ts'
import { testFolder } from '../support/test-folder.ts'

const HOUR_MS = 3600_000
const HOUR = 3600n * 1_000_000_000n
const START = BigInt(Date.UTC(2026, 10, 18)) * 1_000_000n

/** The application with a cache, over a store that joins, expires and deletes blocks. */
async function open(t: Test, folder: string, env: Environment = {}) {
  const clock = new FixedClock(Number(START / 1_000_000n) + 30 * HOUR_MS)
  const config = readConfig({ MILLRACE_MULTI_TENANT_QUERIES: 'true', ...env })
  const settings = { dataDir: folder, blockBytes: 400, retentionMs: 60 * HOUR_MS, duplicateWindowMs: 0 }
  const store = openStore(t, clock, settings)
  const { deletions } = store
  const keys = { pageToken: new Uint8Array(32), localIssuer: undefined }
  const app = await buildApp({ ports: { clock, store, deletions }, config, keys, metrics: new Metrics(), version: '0' })
  const close = async (): Promise<void> => {
    await app.close()
    await store.close()
  }
  return { app, clock, store, deletions, close }
}

type Action =
  | { readonly kind: 'push'; readonly tenant: string; readonly app: string; readonly hours: readonly number[] }
  | { readonly kind: 'delete'; readonly tenant: string; readonly query: string; readonly hour: number }
  | { readonly kind: 'cancel' | 'process' | 'maintain' }
  | { readonly kind: 'wait'; readonly hours: number }
  | {
      readonly kind: 'ask'
      readonly tenant: string
      readonly hour: number
      readonly length: number
    }

const tenant = fc.constantFrom('a', 'b')
const hour = fc.integer({ min: 0, max: 29 })
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      tenant,
      app: fc.constantFrom('x', 'y'),
      hours: fc.array(hour, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      tenant,
      query: fc.constantFrom('{app="x"}', '{app=~".+"} |= "2"'),
      hour,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('cancel' as const, 'process' as const, 'maintain' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), hours: fc.constantFrom(1, 25) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      tenant: fc.constantFrom('a', 'b', 'a|b'),
      hour: fc.constantFrom(0, 12),
      length: fc.constantFrom(3, 30),
    }),
  },
)

const QUESTIONS: readonly (readonly [path: string, params: Readonly<Record<string, string>>])[] = [
  ['query_range', { query: 'sum by (app) (count_over_time({app=~".+"}[1h]))', step: '1h' }],
  ['query_range', { query: 'rate({app="x"} |= "1" [2h] offset 1h) / bytes_rate({app=~"x|y"}[3h])', step: '90m' }],
  ['query', { query: 'sum(count_over_time({app=~".+"}[40h]))' }],
  ['index/stats', { query: '{app=~"x|y"}' }],
  ['index/shards', { query: '{app=~".+"}', targetBytesPerShard: '1MB' }],
  ['index/volume', { query: '{app=~".+"}' }],
  ['index/volume_range', { targetLabels: 'app', step: '2h' }],
]

/** Sends every request twice, the second one bypassing the cache, and compares; returns the number of cache hits. */
async function compareAnswers(
  app: FastifyInstance,
  { tenant, hour, length }: { readonly tenant: string; readonly hour: number; readonly length: number },
  questions = QUESTIONS,
): Promise<number> {
  const start = START + BigInt(hour) * HOUR
  const end = String(start + BigInt(length) * HOUR)
  let hits = 0
  for (const [path, params] of questions) {
    const query = { ...params, start: String(start), end, time: end }
    const header = { 'x-scope-orgid': tenant }
    const given = await ask(app, path, query, header)
    const fresh = await ask(app, path, query, { ...header, 'cache-control': 'no-cache' })
    if (given.headers['x-millrace-cache'] === 'hit') hits++
    if (given.statusCode !== 200 || given.body !== fresh.body) {
      throw new Error(`${path} ${JSON.stringify(query)} of ${tenant} gave ${given.body}\nwanted ${fresh.body}`)
    }
  }
  return hits
}

async function runActions(t: Test, actions: readonly Action[], folder: string): Promise<number> {
  const { app, clock, store, deletions, close } = await open(t, folder)
  let hits = 0
  let ids = 0
  for (const action of actions) {
    clock.ms += 1
    if (action.kind === 'push') {
      const entries = action.hours.map((hour, i) => ({
        ns: START + BigInt(hour) * HOUR + BigInt(i),
        line: `line ${hour}`,
      }))
      await store.append(makeBatch([{ labels: { app: action.app }, entries }], openAdmission(clock, action.tenant)))
    } else if (action.kind === 'delete') {
      const { tenant, query } = action
      const start = START + BigInt(action.hour) * HOUR
      await requestDeletion(deletions, clock, { id: `${ids++}`, tenant, query, start, end: start + 5n * HOUR }).catch(
        isRefusal,
      )
    } else if (action.kind === 'cancel') {
      const last = deletions.list().at(-1)
      if (last !== undefined) await cancelDeletion(deletions, clock, last.tenant, last.id).catch(isRefusal)
    } else if (action.kind === 'process') await processDeletions(deletions, clock)
    else if (action.kind === 'maintain') await store.maintain()
    else if (action.kind === 'wait') clock.ms += action.hours * HOUR_MS
    else if (action.kind === 'ask') hits += await compareAnswers(app, action)
    // These results were just cached, and the change below makes them wrong.
    hits += await compareAnswers(app, { tenant: 'a|b', hour: 0, length: 30 }, QUESTIONS.slice(2, 4))
  }
  await close()
  return hits
}

/** Rejections by the rules of deletions do not matter here. */
function isRefusal(error: { code?: string }): void {
  if (!['query_refused', 'parameter_invalid'].includes(error.code ?? '')) throw error
}

t.test('cached results equal fresh ones, despite pushes, late lines, deletions, joins and expiry', async (t) => {
  let round = 0
  let hits = 0
  const property = fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 30 }), async (actions) => {
    hits += await runActions(t, actions, `${testFolder(t)}/${round++}`)
  })
  await fc.assert(property, { numRuns: 12 })
  t.ok(hits > 50, `${hits} answers were kept ones`)
})

const METRIC = { query: 'count_over_time({app="x"}[1h])', start: '1763500000', end: '1763600000', step: '60' }

async function openOne(t: Test, env: Environment = {}) {
  const { app, clock, store } = await buildTestApp(t, env)
  const outcome = async (path: string, params = {}, headers = {}): Promise<unknown> => {
    const answer = await ask(app, path, { start: '1763500000', end: '1763600000', ...params }, headers)
    t.equal(answer.statusCode, 200, `${path}: ${answer.body.slice(0, 200)}`)
    return answer.headers['x-millrace-cache']
  }
  const twice = async (path: string, params = {}, headers = {}) => [
    await outcome(path, params, headers),
    await outcome(path, params, headers),
  ]
  return { clock, store, outcome, twice }
}

const KEPT: readonly (readonly [
  name: string,
  path: string,
  params: Readonly<Record<string, string>>,
  outcomes: unknown[],
])[] = [
  ['numbers over a range', 'query_range', METRIC, ['miss', 'hit']],
  ['numbers at an instant', 'query', { query: METRIC.query, time: '1763600000' }, ['miss', 'hit']],
  ['numbers up to now, in one millisecond', 'query', { query: METRIC.query }, ['miss', 'hit']],
  ['statistics', 'index/stats', { query: '{app="x"}' }, ['miss', 'hit']],
  ['shards', 'index/shards', { query: '{app="x"}', targetBytesPerShard: '1MB' }, ['miss', 'hit']],
  ['volumes', 'index/volume', {}, ['miss', 'hit']],
  ['volumes over time', 'index/volume_range', {}, ['miss', 'hit']],
  [
    'no numbers of a template',
    'query_range',
    { ...METRIC, query: 'count_over_time({app="x"} | line_format "{{now}}" [1h])' },
    ['off', 'off'],
  ],
  [
    'no numbers of a label’s template',
    'query_range',
    { ...METRIC, query: 'count_over_time({app="x"} | label_format a=`{{.b}}` [1h])' },
    ['off', 'off'],
  ],
  [
    'numbers of a label renamed',
    'query_range',
    { ...METRIC, query: 'count_over_time({app="x"} | label_format a=b [1h])' },
    ['miss', 'hit'],
  ],
  ['no numbers that need no read', 'query', { query: '1 + 1' }, ['off', 'off']],
  ['no lines', 'query_range', { query: '{app="x"}' }, [undefined, undefined]],
  ['no names', 'labels', {}, [undefined, undefined]],
]
for (const [name, path, params, outcomes] of KEPT) {
  t.test(`keeps ${name}`, async (t) => {
    const { twice } = await openOne(t)
    t.strictSame(await twice(path, params), outcomes)
  })
}

t.test(
  'caches nothing if it is off, and never returns a cached result to a client that wants a fresh one',
  async (t) => {
    t.strictSame(await (await openOne(t, { MILLRACE_QUERY_CACHE_BYTES: 'off' })).twice('query_range', METRIC), [
      'off',
      'off',
    ])
    const { outcome, twice } = await openOne(t)
    await outcome('query_range', METRIC)
    for (const control of ['no-cache', 'max-age=0, no-store']) {
      t.strictSame(await twice('query_range', METRIC, { 'cache-control': control }), ['off', 'off'])
    }
  },
)

t.test('requests within one step share a result; another tenant has its own', async (t) => {
  const { outcome } = await openOne(t)
  const within = { ...METRIC, start: '1763500010', end: '1763599990' }
  t.equal(await outcome('query_range', METRIC), 'miss')
  t.equal(await outcome('query_range', { ...METRIC, start: '1763500000' }), 'hit')
  t.equal(await outcome('query_range', { ...METRIC, start: '1763500019', end: '1763599981' }), 'hit')
  t.equal(await outcome('query_range', { ...within, step: '30' }), 'miss')
  t.equal(await outcome('query_range', METRIC, { 'x-scope-orgid': 'other' }), 'miss')
})

t.test('a late line invalidates only the results of its time', async (t) => {
  const { outcome, clock, store } = await openOne(t)
  const old = { ...METRIC, start: '1763400000', end: '1763410000' }
  for (const params of [METRIC, old]) await outcome('query_range', params)
  const late = { labels: { app: 'x' }, entries: [{ ns: 1763550000n * 1_000_000_000n, line: 'late' }] }
  await store.append(makeBatch([late], openAdmission(clock)))
  t.equal(await outcome('query_range', METRIC), 'miss')
  t.equal(await outcome('query_range', old), 'hit')
})

t.test('deleting, cancelling and expiry invalidate results', async (t) => {
  const { app, clock, store, deletions, close } = await open(t, testFolder(t))
  const entries = Array.from({ length: 20 }, (_, i) => ({ ns: START + BigInt(i), line: `line ${i}` }))
  await store.append(makeBatch([{ labels: { app: 'x' }, entries }], openAdmission(clock, 'a')))
  const count = async (): Promise<unknown> => {
    const params = { query: 'sum(count_over_time({app="x"}[1h]))', time: String(START + 1000n) }
    const answer = await ask(app, 'query', params, { 'x-scope-orgid': 'a|b' })
    return [answer.json().data.result[0]?.value[1], answer.headers['x-millrace-cache']]
  }
  t.strictSame(
    [await count(), await count()],
    [
      ['20', 'miss'],
      ['20', 'hit'],
    ],
  )
  const order = { tenant: 'a', query: '{app="x"} |= "7"', start: START, end: START + HOUR }
  await requestDeletion(deletions, clock, { ...order, id: '1' })
  t.strictSame(
    [await count(), await count()],
    [
      ['18', 'miss'],
      ['18', 'hit'],
    ],
  )
  await cancelDeletion(deletions, clock, 'a', '1')
  t.strictSame(await count(), ['20', 'miss'])
  await requestDeletion(deletions, clock, { ...order, id: '2' })
  clock.ms += 25 * HOUR_MS
  await processDeletions(deletions, clock)
  t.strictSame(
    [await count(), await count()],
    [
      ['18', 'miss'],
      ['18', 'hit'],
    ],
  )
  clock.ms += 40 * HOUR_MS
  await store.maintain()
  t.strictSame(await count(), [undefined, 'miss'])
  await close()
})
