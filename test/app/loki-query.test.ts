import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { ask, buildTestApp, type JsonStream, pushJson, type TestApp } from '../support/test-app.ts'

interface StreamsAnswer {
  readonly status: string
  readonly data: {
    readonly resultType: string
    readonly encodingFlags?: readonly string[]
    readonly result: readonly { readonly stream: Record<string, string>; readonly values: readonly unknown[][] }[]
    readonly stats: { readonly summary: Record<string, number> }
  }
}

/** An application with these streams; `at(n)` is n nanoseconds after the clock's time. */
async function appWith(t: Test, streams: (at: (ns: number) => string) => readonly JsonStream[]): Promise<TestApp> {
  const testApp = await buildTestApp(t)
  const response = await pushJson(
    testApp.app,
    streams((ns) => String(testApp.clock.nowNs + BigInt(ns))),
  )
  if (response.statusCode !== 200) throw new Error(response.body)
  return testApp
}

async function linesOf(app: FastifyInstance, query: Record<string, string>): Promise<unknown[]> {
  const response = await ask(app, 'query_range', query)
  if (response.statusCode !== 200) return [response.statusCode, response.body]
  return response.json<StreamsAnswer>().data.result.flatMap(({ values }) => values.map(([, line]) => line))
}

t.test('an answer has the keys of Loki in their order, and ends with a newline', async (t) => {
  const { app } = await appWith(t, (at) => [{ stream: { app: 'a' }, values: [[at(-1), 'one']] }])
  const response = await ask(app, 'query_range', { query: '{app="a"}' })
  t.equal(response.statusCode, 200)
  t.equal(response.headers['content-type'], 'application/json; charset=UTF-8')
  t.match(
    response.body,
    /^\{"status":"success","data":\{"resultType":"streams","result":\[\{"stream":\{.*\},"values":\[\["\d{19}","one"\]\]\}\],"stats":\{"summary":\{.*\}\}\}\}\n$/,
  )
  t.match(response.json<StreamsAnswer>().data.stats.summary, { totalEntriesReturned: 1, queueTime: 0, splits: 0 })
})

t.test('an empty answer has an empty list', async (t) => {
  const { app } = await buildTestApp(t)
  const response = await ask(app, 'query_range', { query: '{app="nobody"}' })
  t.match(response.body, /"resultType":"streams","result":\[\]/)
})

t.test('nanoseconds come back as they were sent', async (t) => {
  const { app, clock } = await buildTestApp(t)
  const times = [1n, 999n, 1_000_001n, 123_456_789n].map((ns) => String(clock.nowNs - ns))
  await pushJson(app, [{ stream: { app: 'a' }, values: times.map((time) => [time, `x${time}`]) }])
  const { data } = (await ask(app, 'query_range', { query: '{app="a"}' })).json<StreamsAnswer>()
  t.strictSame(
    data.result.flatMap(({ values }) => values.map(([ns]) => ns)),
    times,
  )
})

t.test('lines of one nanosecond keep the order of arrival, reversed for backward', async (t) => {
  const testApp = await appWith(t, (at) => [
    { stream: { app: 'a' }, values: ['one', 'two', 'three'].map((line) => [at(-5), line]) },
  ])
  const { app, clock } = testApp
  await pushJson(app, [{ stream: { app: 'a' }, values: [[String(clock.nowNs - 5n), 'four']] }])
  const query = '{app="a"}'
  t.strictSame(await linesOf(app, { query, direction: 'forward' }), ['one', 'two', 'three', 'four'])
  t.strictSame(await linesOf(app, { query, direction: 'BACKWARD' }), ['four', 'three', 'two', 'one'])
})

t.test('structured metadata', async (t) => {
  const streams = (at: (ns: number) => string): JsonStream[] => [
    {
      stream: { app: 'a' },
      values: [
        [at(-3), 'level=warn x', { 'trace.id': 't1' }],
        [at(-2), 'level=warn y', { 'trace.id': 't2' }],
        [at(-1), 'plain'],
      ],
    },
  ]

  await t.test('joins the labels where the client does not ask for categories', async (t) => {
    const { app } = await appWith(t, streams)
    const { data } = (await ask(app, 'query_range', { query: '{app="a"}' })).json<StreamsAnswer>()
    t.equal(data.encodingFlags, undefined)
    t.strictSame(
      data.result.map(({ stream, values }) => [stream, values.map((tuple) => tuple.slice(1))]),
      [
        [{ app: 'a', detected_level: 'unknown', service_name: 'a' }, [['plain']]],
        [{ app: 'a', detected_level: 'warn', service_name: 'a', trace_id: 't1' }, [['level=warn x']]],
        [{ app: 'a', detected_level: 'warn', service_name: 'a', trace_id: 't2' }, [['level=warn y']]],
      ],
    )
  })

  for (const flags of ['categorize-labels', 'unknown, categorize-labels']) {
    await t.test(`comes in a third element under the flags "${flags}"`, async (t) => {
      const { app } = await appWith(t, streams)
      const headers = { 'x-loki-response-encoding-flags': flags }
      const response = await ask(app, 'query_range', { query: '{app="a"}' }, headers)
      t.match(response.body, /"resultType":"streams","encodingFlags":\["categorize-labels"\],"result":/)
      const { data } = response.json<StreamsAnswer>()
      t.strictSame(
        data.result.map(({ stream, values }) => [stream, values.map((tuple) => tuple.slice(1))]),
        [
          [
            { app: 'a', service_name: 'a' },
            [
              ['plain', { structuredMetadata: { detected_level: 'unknown' } }],
              ['level=warn y', { structuredMetadata: { detected_level: 'warn', trace_id: 't2' } }],
              ['level=warn x', { structuredMetadata: { detected_level: 'warn', trace_id: 't1' } }],
            ],
          ],
        ],
      )
    })
  }

  await t.test('is an empty object where there is none', async (t) => {
    const { app, clock } = await buildTestApp(t, { MILLRACE_DISCOVER_LEVELS: 'false' })
    await pushJson(app, [{ stream: { app: 'a' }, values: [[String(clock.nowNs - 1n), 'one']] }])
    const headers = { 'x-loki-response-encoding-flags': 'categorize-labels' }
    const { data } = (await ask(app, 'query_range', { query: '{app="a"}' }, headers)).json<StreamsAnswer>()
    t.strictSame(data.result[0]?.values[0]?.slice(1), ['one', {}])
  })

  await t.test('may be called __proto__', async (t) => {
    const { app, clock } = await buildTestApp(t)
    const body = `{"streams":[{"stream":{"__proto__":"l"},"values":[["${clock.nowNs - 1n}","one",{"constructor":"m"}]]}]}`
    const headers = { 'content-type': 'application/json' }
    t.equal((await app.inject({ method: 'POST', url: '/loki/api/v1/push', headers, payload: body })).statusCode, 200)
    const response = await ask(app, 'query_range', { query: '{__proto__="l"}' })
    t.match(response.body, /"__proto__":"l".*"constructor":"m"/)
  })
})

t.test('the range', async (t) => {
  const testApp = await appWith(t, (at) => [
    { stream: { app: 'a' }, values: [1, 2, 3, 4].map((n) => [at(-10 + n), `${n}`]) },
  ])
  const { app, clock } = testApp
  const at = (n: number): string => String(clock.nowNs - 10n + BigInt(n))
  const rows = [
    ['takes its start and not its end', { start: at(2), end: at(4) }, ['3', '2']],
    ['takes its start even where it is the end', { start: at(2), end: at(2) }, ['2']],
    ['gives the newest of more than the limit', { start: at(0), end: at(9), limit: '2' }, ['4', '3']],
    ['gives the oldest forward', { start: at(0), end: at(9), limit: '2', direction: 'forward' }, ['1', '2']],
  ] as const
  for (const [name, params, lines] of rows) {
    await t.test(name, async (t) => {
      t.strictSame(await linesOf(app, { query: '{app="a"}', ...params }), lines)
    })
  }
})

t.test('times', async (t) => {
  const { app, clock } = await buildTestApp(t)
  const second = BigInt(clock.ms / 1000)
  const ns = String(second * 1_000_000_000n - 500_000_000n)
  await pushJson(app, [{ stream: { app: 'a' }, values: [[ns, 'one']] }])
  const rows = [
    ['seconds', { start: String(second - 1n), end: String(second) }],
    ['seconds with a fraction', { start: `${second - 1n}.499`, end: `${second - 1n}.501` }],
    ['nanoseconds', { start: ns, end: String(BigInt(ns) + 1n) }],
    ['RFC 3339', { start: '2026-11-21T11:59:59.5Z', end: '2026-11-21T13:00:00+01:00' }],
    ['since', { since: '1m' }],
    ['since of several units', { since: '1h30m' }],
    ['nothing: the last hour', {}],
    ['empty parameters: the last hour', { start: '', end: '', limit: '', direction: '', step: '', interval: '' }],
  ] as const
  for (const [name, params] of rows) {
    await t.test(`are read as ${name}`, async (t) => {
      t.strictSame(await linesOf(app, { query: '{app="a"}', ...params }), ['one'])
    })
  }
  const refused = [
    ['a word', { start: 'yesterday' }],
    ['an end before the start', { start: '200', end: '100' }],
    ['a duration of Go', { since: '1.5h' }],
  ] as const
  for (const [name, params] of refused) {
    await t.test(`refuses ${name}`, async (t) => {
      t.equal((await ask(app, 'query_range', { query: '{app="a"}', ...params })).statusCode, 400)
    })
  }
})

t.test('a form is read like the URL, and both together', async (t) => {
  const { app } = await appWith(t, (at) => [
    {
      stream: { app: 'a' },
      values: [
        [at(-2), 'one'],
        [at(-1), 'two'],
      ],
    },
  ])
  const response = await app.inject({
    method: 'POST',
    url: '/loki/api/v1/query_range?limit=1',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: String(new URLSearchParams({ query: '{app="a"}', direction: 'forward' })),
  })
  t.equal(response.statusCode, 200)
  t.match(response.json(), { data: { result: [{ values: [[/^\d+$/, 'one']] }] } })
})

t.test('errors are plain text', async (t) => {
  const { app } = await buildTestApp(t)
  const rows = [
    ['no query', {}, /^parameter 'query' is missing/],
    ['an invalid query', { query: '{app="a"' }, /^parse error/],
    ['a selector that takes everything', { query: '{}' }, /^parse error/],
    ['a selector that takes the empty value', { query: '{app=~".*"}' }, /^parse error/],
    ['a limit of nothing', { query: '{app="a"}', limit: '0' }, /^limit must be a positive value\n$/],
    [
      'a limit of too much',
      { query: '{app="a"}', limit: '5001' },
      /^max entries limit per query exceeded, limit > max_entries_limit_per_query \(5001 > 5000\)\n$/,
    ],
    ['an invalid direction', { query: '{app="a"}', direction: 'up' }, /^invalid direction 'up'/],
    [
      'a range longer than 721 h',
      { query: '{app="a"}', start: '1700000000', end: '1800000000' },
      /^the query time range exceeds the limit \(query length: .*, limit: .*\)\n$/,
    ],
  ] as const
  for (const [name, query, text] of rows) {
    await t.test(name, async (t) => {
      const response = await ask(app, 'query_range', query)
      t.equal(response.statusCode, 400)
      t.match(response.body, text)
      t.equal(response.headers['content-type'], 'text/plain; charset=utf-8')
      t.equal(response.headers['x-content-type-options'], 'nosniff')
    })
  }
})

t.test('labels, their values and series', async (t) => {
  const build = (t: Test): Promise<TestApp> =>
    appWith(t, (at) => [
      { stream: { app: 'b', env: 'prod' }, values: [[at(-1), 'x', { meta: 'm' }]] },
      { stream: { app: 'a', env: 'dev' }, values: [[at(-1), 'x']] },
    ])
  const rows = [
    ['names', 'labels', {}, { status: 'success', data: ['app', 'env', 'service_name'] }],
    ['names by the alias', 'label', {}, { status: 'success', data: ['app', 'env', 'service_name'] }],
    ['values', 'label/app/values', {}, { status: 'success', data: ['a', 'b'] }],
    ['values of chosen streams', 'label/app/values', { query: '{env="dev"}' }, { status: 'success', data: ['a'] }],
    ['no data where there are no values', 'label/__stream_shard__/values', {}, { status: 'success' }],
    ['no data where there are no names', 'labels', { query: '{app="none"}' }, { status: 'success' }],
    ['metadata is no label', 'label/meta/values', {}, { status: 'success' }],
    [
      'series of a selector',
      'series',
      { match: '{app="a"}' },
      { status: 'success', data: [{ app: 'a', env: 'dev', service_name: 'a' }] },
    ],
    ['no series where none matches', 'series', { 'match[]': '{app="none"}' }, { status: 'success', data: [] }],
  ] as const
  for (const [name, path, query, answer] of rows) {
    await t.test(name, async (t) => {
      const { app } = await build(t)
      const response = await ask(app, path, query)
      t.equal(response.statusCode, 200)
      t.strictSame(response.json(), answer)
      t.match(response.body, /\}\n$/)
    })
  }

  await t.test('series of several selectors, of {} and of none', async (t) => {
    const { app } = await build(t)
    const several = 'match[]=%7Bapp%3D%22a%22%7D&match[]=%7Bapp%3D%22b%22%7D'
    for (const query of [several, 'match=%7B%7D', '']) {
      const { data } = (await ask(app, 'series', query)).json<{ data: unknown[] }>()
      t.equal(data.length, 2, query)
    }
  })

  await t.test('{} chooses no labels', async (t) => {
    const { app } = await build(t)
    t.equal((await ask(app, 'labels', { query: '{}' })).statusCode, 400)
  })

  await t.test('a name may come encoded, and any question as a form', async (t) => {
    const { app } = await build(t)
    t.strictSame((await ask(app, 'label/%61pp/values')).json<{ data: unknown }>().data, ['a', 'b'])
    const response = await app.inject({
      method: 'POST',
      url: '/loki/api/v1/series',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'match=%7Bapp%3D%22a%22%7D',
    })
    t.equal(response.json<{ data: unknown[] }>().data.length, 1)
  })
})

t.test('a large response is compressed if the client accepts that', async (t) => {
  const { app } = await appWith(t, (at) => [
    { stream: { app: 'a' }, values: Array.from({ length: 100 }, (_, i) => [at(-i - 1), `line ${i}`]) },
  ])
  const gzipped = await ask(app, 'query_range', { query: '{app="a"}' }, { 'accept-encoding': 'gzip' })
  t.equal(gzipped.headers['content-encoding'], 'gzip')
  const plain = await ask(app, 'query_range', { query: '{app="a"}' })
  t.equal(plain.headers['content-encoding'], undefined)
})

t.test('paging by time returns every line once, forward and backward', async (t) => {
  const { app, clock } = await appWith(t, (at) => [
    { stream: { app: 'a' }, values: Array.from({ length: 50 }, (_, i) => [at(-50 + i), `a${i}`]) },
    { stream: { app: 'b' }, values: Array.from({ length: 50 }, (_, i) => [at(-50 + i), `b${i}`]) },
  ])
  for (const direction of ['forward', 'backward'] as const) {
    const seen = new Set<unknown>()
    let [start, end] = [clock.nowNs - 100n, clock.nowNs]
    for (let page = 0; page < 40; page++) {
      const query = { query: '{app=~"a|b"}', direction, limit: '7', start: String(start), end: String(end) }
      const { data } = (await ask(app, 'query_range', query)).json<StreamsAnswer>()
      const times = data.result.flatMap(({ values }) => values.map(([ns]) => BigInt(String(ns))))
      for (const { values } of data.result) for (const [, line] of values) seen.add(line)
      if (times.length < 7) break
      const edge = times.reduce((a, b) => ((direction === 'forward') === a > b ? a : b))
      if (direction === 'forward') start = edge
      else end = edge + 1n
    }
    t.equal(seen.size, 100, direction)
  }
})
