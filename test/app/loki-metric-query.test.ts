import t, { type Test } from 'tap'
import { ask, buildTestApp, pushJson, type TestApp } from '../support/test-app.ts'

/** Noon, the time of the tests' clock, in seconds. */
const NOON = Date.UTC(2026, 10, 21, 12) / 1000

/** A line every ten seconds of the last five minutes: all with `app="a"`, every third with `app="b"`. */
async function appWithLines(t: Test): Promise<TestApp> {
  const testApp = await buildTestApp(t)
  const { app, clock } = testApp
  const values = (every: number): string[][] =>
    Array.from({ length: 30 / every }, (_, i) => [
      String(clock.nowNs - BigInt(i * every) * 10_000_000_000n),
      `level=info n=${i}`,
    ])
  const response = await pushJson(app, [
    { stream: { app: 'a' }, values: values(1) },
    { stream: { app: 'b' }, values: values(3) },
  ])
  if (response.statusCode !== 200) throw new Error(response.body)
  return testApp
}

t.test('what Grafana asks on "Save & test": one sample of 2, in a future far away, without any data', async (t) => {
  const { app } = await buildTestApp(t)
  const query = { query: 'vector(1)+vector(1)', direction: '', time: '4000000000' }
  const response = await ask(app, 'query', query, { 'x-loki-response-encoding-flags': 'categorize-labels' })
  t.equal(response.statusCode, 200)
  t.match(response.json(), {
    status: 'success',
    data: { resultType: 'vector', result: [{ metric: {}, value: [4000000000, '2'] }] },
  })
})

t.test('an instant query counts the window that ends at its time, the end with it', async (t) => {
  const { app } = await appWithLines(t)
  const rows = [
    ['at the clock', {}, '6'],
    ['at a second', { time: String(NOON) }, '6'],
    ['at a nanosecond before', { time: `${NOON - 1}999999999` }, '6'],
    ['in nanoseconds', { time: `${NOON}000000000` }, '6'],
    ['in RFC 3339', { time: '2026-11-21T12:00:00Z' }, '6'],
    ['a second later', { time: String(NOON + 1) }, '6'],
    ['ten seconds later', { time: String(NOON + 10) }, '5'],
  ] as const
  for (const [name, params, count] of rows) {
    await t.test(name, async (t) => {
      const response = await ask(app, 'query', { query: 'count_over_time({app="a"}[1m])', ...params })
      t.match(response.json(), { data: { resultType: 'vector', result: [{ value: [Number, count] }] } })
    })
  }
})

t.test('a range query gives a matrix on whole steps, both ends with it', async (t) => {
  const { app } = await appWithLines(t)
  const query = 'sum by (app) (count_over_time({app=~"a|b"}[1m]))'
  for (const step of ['60', '60000ms', '1m', '60.0']) {
    await t.test(`with a step of ${step}`, async (t) => {
      const range = { start: String(NOON - 110), end: String(NOON - 5), step }
      const response = await ask(app, 'query_range', { query, ...range })
      t.equal(response.headers['content-type'], 'application/json; charset=UTF-8')
      t.match(response.json(), {
        data: {
          resultType: 'matrix',
          result: [
            {
              metric: { app: 'a' },
              values: [
                [NOON - 120, '6'],
                [NOON - 60, '6'],
                [NOON, '6'],
              ],
            },
            {
              metric: { app: 'b' },
              values: [
                [NOON - 120, '2'],
                [NOON - 60, '2'],
                [NOON, '2'],
              ],
            },
          ],
        },
      })
    })
  }
})

t.test('the histogram of levels that Grafana draws', async (t) => {
  const { app } = await appWithLines(t)
  const query = 'sum by (level, detected_level) (count_over_time({app="a"} | drop __error__ [1m]))'
  const response = await ask(app, 'query_range', {
    query,
    start: String(NOON - 60),
    end: String(NOON),
    step: '60000ms',
  })
  t.match(response.json(), { data: { result: [{ metric: { detected_level: 'info' } }] } })
})

t.test('a metric query of nothing is empty', async (t) => {
  const { app } = await buildTestApp(t)
  const response = await ask(app, 'query', { query: 'sum(rate({app="nobody"}[5m]))' })
  t.match(response.body, /"resultType":"vector","result":\[\]/)
})

t.test('errors are plain text', async (t) => {
  const { app } = await appWithLines(t)
  const rows = [
    [
      'lines at an instant',
      'query',
      { query: '{app="a"}' },
      /^log queries are not supported as an instant query type, please change your query to a range query type/,
    ],
    ['a step of nothing', 'query_range', { query: 'rate({app="a"}[1m])', step: '0' }, /step/],
    [
      'too many points',
      'query_range',
      { query: 'rate({app="a"}[1m])', start: String(NOON - 86_400), end: String(NOON), step: '1' },
      /^exceeded maximum resolution of 11,000 points per time series/,
    ],
    [
      'a line that a stage could not read',
      'query',
      { query: 'sum_over_time({app="a"} | logfmt | unwrap level [5m])' },
      /^pipeline error: 'SampleExtractionErr' for series: /,
    ],
    ['an invalid query', 'query', { query: 'rate({app="a"})' }, /^parse error/],
  ] as const
  for (const [name, path, params, text] of rows) {
    await t.test(name, async (t) => {
      const response = await ask(app, path, params)
      t.equal(response.statusCode, 400)
      t.match(response.body, text)
      t.equal(response.headers['content-type'], 'text/plain; charset=utf-8')
    })
  }
})
