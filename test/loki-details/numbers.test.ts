import t from 'tap'
import { LokiClient, NOON } from './loki-client.ts'

const APP = { app: 'a' }

t.test(
  'the window of a range aggregation is open on the left and closed on the right, the range of a log query the reverse',
  async (t) => {
    const client = await LokiClient.start(t, [
      [
        APP,
        [
          [-60, 'first'],
          [-30, 'second'],
          [0, 'third'],
        ],
      ],
    ])
    const count = 'count_over_time({app="a"}[1m])'
    t.strictSame(await client.instant(count), [[APP, '2']])
    t.strictSame(await client.instant(count, -1e-9), [[APP, '2']], 'a nanosecond before')
    t.strictSame(await client.instant(count, -30), [[APP, '2']])
    t.strictSame(await client.instant(count, 60), [], 'the third is out')
    t.strictSame(await client.instant('count_over_time({app="a"}[1m] offset 1m)'), [[APP, '1']])
    const range = { start: String(NOON - 60), end: String(NOON) }
    t.strictSame(await client.lines('{app="a"}', range), [
      [
        APP,
        [
          [-60, 'first'],
          [-30, 'second'],
        ],
      ],
    ])
  },
)

t.test(
  'the times of a range query, its ends included, are multiples of its step since 1970; an instant is unchanged',
  async (t) => {
    const client = await LokiClient.start(t, [[APP, [[-100, 'x']]]])
    const count = 'count_over_time({app="a"}[10m])'
    t.strictSame(await client.range(count, -110, -5, '60'), [
      [
        APP,
        [
          [-60, '1'],
          [0, '1'],
        ],
      ],
    ])
    t.strictSame(
      await client.range('vector(1)', -7, 7, '7'),
      [[{}, [-8, -1, 6, 13].map((seconds) => [seconds, '1'])]],
      'noon is no multiple of seven seconds',
    )
    t.strictSame(await client.instant(count, 7.123), [[APP, '1']])
  },
)

t.test('division and remainder by zero are NaN; the sign of a number binds tighter than any operator', async (t) => {
  const client = await LokiClient.start(t)
  const rows = [
    ['1 / 0', 'NaN'],
    ['-1 / 0', 'NaN'],
    ['0 / 0', 'NaN'],
    ['1 % 0', 'NaN'],
    ['-2 ^ 2', '4'],
    ['2 ^ 3 ^ 2', '512'],
    ['1 - 2 - 3', '-4'],
    ['2 + 3 * 4', '14'],
    ['1e21 + 0', '1000000000000000000000'],
    ['1 / 10000000', '0.0000001'],
  ] as const
  for (const [query, value] of rows) t.equal(await client.instant(query), value, query)
  t.strictSame(await client.instant('vector(1) / vector(0)'), [[{}, 'NaN']])
  t.strictSame(await client.instant('vector(1) % 0'), [[{}, 'NaN']])
})

t.test('a comparison filters and keeps the left value; with bool it is 0 or 1', async (t) => {
  const client = await LokiClient.start(t, [
    [
      { app: 'a' },
      [
        [-3, 'x'],
        [-2, 'y'],
        [-1, 'z'],
      ],
    ],
    [{ app: 'b' }, [[-1, 'x']]],
  ])
  const count = 'count_over_time({app=~"a|b"}[1m])'
  t.strictSame(await client.instant(`${count} > 1`), [[{ app: 'a' }, '3']])
  t.strictSame(await client.instant(`2 < ${count}`), [[{ app: 'a' }, '3']], 'of a number and a series, the series')
  t.strictSame(await client.instant(`${count} > bool 1`), [
    [{ app: 'a' }, '1'],
    [{ app: 'b' }, '0'],
  ])
  t.strictSame(await client.instant(`${count} >= on (app) (${count} * 1)`), [
    [{ app: 'a' }, '3'],
    [{ app: 'b' }, '1'],
  ])
  t.equal(await client.instant('1 > bool 2'), '0')
})

t.test('by and without are only allowed for some range aggregations', async (t) => {
  const client = await LokiClient.start(t, [
    [
      APP,
      [
        [-2, 'v=1 p=/x'],
        [-1, 'v=3 p=/y'],
      ],
    ],
  ])
  for (const name of ['avg', 'min', 'max', 'stddev', 'stdvar', 'first', 'last']) {
    const found = await client.instant(`${name}_over_time({app="a"} | logfmt | unwrap v [1m]) by (app)`)
    t.match(found, [[APP, String]], name)
  }
  t.strictSame(await client.instant('quantile_over_time(1, {app="a"} | logfmt | unwrap v [1m]) without (p)'), [
    [APP, '3'],
  ])
  for (const query of [
    'sum_over_time({app="a"} | logfmt | unwrap v [1m]) by (app)',
    'rate({app="a"}[1m]) by (app)',
    'count_over_time({app="a"}[1m]) by (app)',
    'bytes_rate({app="a"}[1m]) without (app)',
    'absent_over_time({app="a"}[1m]) by (app)',
  ]) {
    t.match(await client.instant(query), [400, /^parse error.* grouping not allowed for \w+ aggregation/], query)
  }
})

t.test(
  'rate of unwrapped values is their sum per second; rate_counter handles resets and extrapolates like Prometheus',
  async (t) => {
    const values = [1, 3, 1, 2, 5].map((v, i) => [-50 + 10 * i, `v=${v}`] as const)
    const client = await LokiClient.start(t, [[APP, values]])
    t.strictSame(await client.instant('rate({app="a"} | logfmt | unwrap v [1m])'), [[APP, '0.2']])
    // 5 - 1 plus 3 after the reset; the samples cover 40 s, 10 s are missing at the end, and 40 / 7 s before the first
    // the counter would be zero.
    const found = (await client.instant('rate_counter({app="a"} | logfmt | unwrap v [1m])')) as [[object, string]]
    t.strictSame(found[0][0], APP)
    t.ok(Math.abs(Number(found[0][1]) - (7 * (40 + 10 + 40 / 7)) / 40 / 60) < 1e-12, found[0][1])
  },
)

t.test('a quantile is interpolated linearly; above 1 it is infinite', async (t) => {
  const values = [4, 1, 3, 2].map((v, i) => [-50 + 10 * i, `v=${v}`] as const)
  const client = await LokiClient.start(t, [[APP, values]])
  for (const [quantile, value] of [
    ['0', '1'],
    ['0.5', '2.5'],
    ['0.25', '1.75'],
    ['1', '4'],
    ['1.1', '+Inf'],
    ['0x1p1', '+Inf'],
    ['0x1p-1', '2.5'],
  ] as const) {
    const query = `quantile_over_time(${quantile}, {app="a"} | logfmt | unwrap v [1m])`
    t.strictSame(await client.instant(query), [[APP, value]], quantile)
  }
})

t.test('absent_over_time has the labels of the equality matchers', async (t) => {
  const client = await LokiClient.start(t, [[{ app: 'a', x: 'y1' }, [[-90, 'x']]]])
  const query = 'absent_over_time({app="a", x=~"y.*", z!="q"}[1m])'
  t.strictSame(await client.instant(query), [[APP, '1']])
  t.strictSame(await client.instant(query, -60), [])
})

t.test(
  'the unwrapped label is not in the result; a value that does not convert fails the query unless filtered out',
  async (t) => {
    const client = await LokiClient.start(t, [
      [
        APP,
        [
          [-9, 'v=2 p=/x'],
          [-8, 'v=many p=/x'],
        ],
      ],
    ])
    const refused = await client.instant('sum_over_time({app="a"} | logfmt | unwrap v [1m])')
    t.match(refused, [400, /^pipeline error: 'SampleExtractionErr' for series: '\{.*p="\/x".*\}'\./])
    t.strictSame(await client.instant('sum_over_time({app="a"} | logfmt | unwrap v | __error__="" [1m])'), [
      [{ app: 'a', p: '/x' }, '2'],
    ])
    t.strictSame(await client.instant('sum_over_time({app="a"} | logfmt | v!="many" | unwrap v [1m])'), [
      [{ app: 'a', p: '/x' }, '2'],
    ])
  },
)

t.test('without a sum by, each combination of structured metadata is a series', async (t) => {
  const client = await LokiClient.start(
    t,
    [
      [
        APP,
        [
          [-9, 'level=error x', { trace: '1' }],
          [-8, 'level=error y', { trace: '2' }],
          [-7, 'level=info z', { trace: '2' }],
          [-6, 'level=info w', { trace: '2' }],
        ],
      ],
    ],
    {},
  )
  const labels = (detected_level: string, trace: string) => ({ app: 'a', detected_level, service_name: 'a', trace })
  t.strictSame(await client.instant('count_over_time({app="a"}[1m])'), [
    [labels('error', '1'), '1'],
    [labels('error', '2'), '1'],
    [labels('info', '2'), '2'],
  ])
  t.strictSame(await client.instant('sum by (detected_level) (count_over_time({app="a"}[1m]))'), [
    [{ detected_level: 'error' }, '2'],
    [{ detected_level: 'info' }, '2'],
  ])
})

t.test('a vector is sorted by labels unless the query sorts it; topk of a range selects at each step', async (t) => {
  const times = (...seconds: number[]) => seconds.map((second) => [second, 'x'] as const)
  const client = await LokiClient.start(t, [
    [{ app: 'c' }, times(-119, -59)],
    [{ app: 'a' }, times(-118, -117, -58)],
    [{ app: 'b' }, times(-57, -56, -55)],
  ])
  const count = 'count_over_time({app=~".+"}[1m])'
  const a = [{ app: 'a' }, '1'] as const
  const b = [{ app: 'b' }, '3'] as const
  const c = [{ app: 'c' }, '1'] as const
  t.strictSame(await client.instant(count), [a, b, c])
  t.strictSame(((await client.instant(`sort_desc(${count})`)) as unknown[])[0], b)
  t.strictSame(((await client.instant(`sort(${count})`)) as unknown[])[2], b)
  t.strictSame(await client.instant(`topk(1, ${count})`), [b])
  t.strictSame(await client.range(`topk(1, ${count})`, -60, 0, '60'), [
    [{ app: 'a' }, [[-60, '2']]],
    [{ app: 'b' }, [[0, '3']]],
  ])
})

t.test('vectors that do not match are rejected with Loki’s text', async (t) => {
  const client = await LokiClient.start(t, [
    [{ app: 'a', pod: '1' }, [[-1, 'x']]],
    [{ app: 'a', pod: '2' }, [[-1, 'x']]],
  ])
  const count = 'count_over_time({app="a"}[1m])'
  t.match(await client.instant(`${count} / on (app) ${count}`), [400, /many-to-many matching not allowed/])
  t.match(await client.instant(`${count} / on (app) sum by (app) (${count})`), [400, /multiple matches for labels/])
  t.strictSame(await client.instant(`${count} / on (app) group_left sum by (app) (${count})`), [
    [{ app: 'a', pod: '1' }, '0.5'],
    [{ app: 'a', pod: '2' }, '0.5'],
  ])
})
