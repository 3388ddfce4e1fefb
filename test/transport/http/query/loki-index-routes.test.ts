import t from 'tap'
import { type FixedClock, makeBatch, openAdmission, type PlainStream } from '../../../support/helper.ts'
import { buildTestApp } from '../../../support/test-app.ts'

const STREAMS = (clock: FixedClock): PlainStream[] => [
  {
    labels: { app: 'shop', pod: '1' },
    entries: Array.from({ length: 300 }, (_, i) => ({
      ns: clock.nowNs - BigInt(i + 1) * 1_000_000_000n,
      line: `order ${i} placed by anna`,
      metadata: { detected_level: i % 3 === 0 ? 'error' : 'odd' },
    })),
  },
  {
    labels: { app: 'mail', id: '7f1c1e5e-21f1-4a4a-9a90-3a4f5b6c7d8e' },
    entries: [{ ns: clock.nowNs - 1n, line: 'sent' }],
  },
]

async function open(t: Parameters<typeof buildTestApp>[0]) {
  const parts = await buildTestApp(t)
  await parts.store.append(makeBatch(STREAMS(parts.clock), openAdmission(parts.clock)))
  const get = (path: string, params: Record<string, string> = {}) =>
    parts.app.inject({ url: `/loki/api/v1/${path}?${new URLSearchParams(params)}` })
  return { ...parts, get }
}

const REFUSED: readonly (readonly [name: string, path: string, params: Record<string, string>, text: string])[] = [
  ['an incomplete selector', 'index/stats', { query: '{a' }, 'parse error'],
  ['a pipeline in a selector', 'index/volume', { query: '{a="b"} | json' }, 'parse error : only label matchers'],
  ['no bytes per shard', 'index/shards', { query: '{a="b"}' }, "parameter 'targetBytesPerShard' is missing"],
  ['zero bytes per shard', 'index/shards', { targetBytesPerShard: '0' }, 'targetBytesPerShard must be'],
  ['an unknown aggregation', 'index/volume', { aggregateBy: 'x' }, 'invalid aggregateBy'],
  ['a step of zero', 'index/volume_range', { step: '0' }, 'zero or negative query resolution'],
  ['too many steps', 'index/volume_range', { step: '1ms' }, 'exceeded maximum resolution of 11,000 points'],
  ['fields of a metric', 'detected_fields', { query: 'rate({a="b"}[1m])' }, 'parse error : only log queries'],
  ['fields of nothing', 'detected_fields', {}, "parameter 'query' is missing"],
  ['too many lines', 'detected_fields', { query: '{a="b"}', line_limit: '5001' }, 'max entries limit per query'],
  ['a limit that is not a number', 'detected_fields', { query: '{a="b"}', limit: 'x' }, 'limit must be a whole number'],
  ['patterns of nothing', 'patterns', {}, "parameter 'query' is missing"],
  ['patterns of all streams', 'patterns', { query: '{}' }, 'parse error'],
]

t.test('invalid requests are rejected', async (t) => {
  const { get } = await open(t)
  for (const [name, path, params, text] of REFUSED) {
    const answer = await get(path, params)
    t.equal(answer.statusCode, 400, name)
    t.ok(answer.body.startsWith(text), `${name}: ${answer.body}`)
  }
})

t.test('statistics count streams, entries and bytes', async (t) => {
  const { get } = await open(t)
  const { body } = await get('index/stats', { query: '{app="shop"}' })
  const bytes = Array.from({ length: 300 }, (_, i) => `order ${i} placed by anna`.length).reduce((a, b) => a + b)
  t.equal(body, `{"streams":1,"chunks":1,"bytes":${bytes},"entries":300}\n`)
})

t.test('a volume of all streams has all their labels', async (t) => {
  const { get } = await open(t)
  for (const params of [{}, { query: '{}' }]) {
    const { data } = (await get('index/volume', params)).json()
    t.strictSame(
      data.result.map(({ metric }: { metric: object }) => metric),
      [
        { app: 'shop', pod: '1' },
        { app: 'mail', id: '7f1c1e5e-21f1-4a4a-9a90-3a4f5b6c7d8e' },
      ],
    )
  }
})

t.test('a volume by target labels omits streams without them', async (t) => {
  const { get } = await open(t)
  const { data } = (await get('index/volume', { query: '{app=~".+"}', targetLabels: 'pod' })).json()
  t.strictSame(
    data.result.map(({ metric }: { metric: object }) => metric),
    [{ pod: '1' }],
  )
})

t.test('the steps of a volume add up to the total', async (t) => {
  const { get } = await open(t)
  const params = { query: '{app="shop"}', step: '7s' }
  const { data } = (await get('index/volume_range', params)).json()
  const whole = (await get('index/volume', params)).json().data.result[0].value[1]
  const sum = data.result[0].values.reduce((total: number, [, bytes]: [number, string]) => total + Number(bytes), 0)
  t.equal(String(sum), whole)
  t.equal(data.result[0].values.at(-1)[0], Date.UTC(2026, 10, 21, 12) / 1000, 'the last step ends with the range')
})

t.test('labels of UUIDs are not detected, pods are', async (t) => {
  const { get } = await open(t)
  const response = await get('detected_labels')
  t.equal(response.headers['millrace-looked'], 'whole=yes')
  t.strictSame(response.json(), {
    detectedLabels: [
      { label: 'app', cardinality: 2 },
      { label: 'pod', cardinality: 1 },
    ],
  })
})

t.test('patterns are listed by level, with their lines over time', async (t) => {
  const { get } = await open(t)
  const { data } = (await get('patterns', { query: '{app="shop"}', step: '60s' })).json()
  t.strictSame(
    data.map(({ pattern, level }: Record<string, unknown>) => [pattern, level]),
    [
      ['order <_> placed by anna', 'unknown'],
      ['order <_> placed by anna', 'error'],
    ],
    'an unrecognised level is unknown',
  )
  const counts = data.map(({ samples }: { samples: number[][] }) =>
    samples.reduce((sum, [, count]) => sum + (count ?? 0), 0),
  )
  t.strictSame(counts, [200, 100])
  t.ok(data[0].samples.every(([seconds]: [number]) => seconds % 60 === 0))
})

t.test('a line filter is applied before fields are detected', async (t) => {
  const { get } = await open(t)
  const { fields } = (await get('detected_fields', { query: '{app="mail"} |= "nothing"' })).json()
  t.strictSame(fields, [])
})

t.test('patterns and detected fields say how far they looked', async (t) => {
  const { get, clock } = await open(t)
  const looked = async (path: string, params: Record<string, string>): Promise<unknown> =>
    (await get(path, { query: '{app="shop"}', ...params })).headers['millrace-looked']
  const oldest = clock.nowNs - 300n * 1_000_000_000n
  t.equal(await looked('patterns', {}), `lines=300; from=${oldest}; whole=yes`)
  t.equal(await looked('detected_fields', { line_limit: '1000' }), `lines=300; from=${oldest}; whole=yes`)
  const tenth = clock.nowNs - 10n * 1_000_000_000n
  t.equal(await looked('detected_fields', { line_limit: '10' }), `lines=10; from=${tenth}; whole=no`)
  t.equal(
    await looked('detected_field/detected_level/values', { line_limit: '10' }),
    `lines=10; from=${tenth}; whole=no`,
  )
  t.equal(await looked('patterns', { query: '{app="none"}' }), 'lines=0; whole=yes')
})
