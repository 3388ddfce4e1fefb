import { deflateRawSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib'
import type { LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import type { LogStore } from '../../src/ports/log-store.ts'
import { encodePush, type PushStream } from '../../src/protocol/loki/loki-push-encode.ts'
import { buildTestApp } from '../support/test-app.ts'
import { LokiClient, NOON, ns, PLAIN } from './loki-client.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const PROTOBUF = { 'content-type': 'application/x-protobuf' }
const CATEGORIZED = { 'x-loki-response-encoding-flags': 'categorize-labels' }
/** The labels that a gateway derives. */
const FOUND = { MILLRACE_DISCOVER_SERVICE_NAME: 'true', MILLRACE_DISCOVER_LEVELS: 'true' }

type Headers = Readonly<Record<string, string>>

function post(
  { app }: Pick<LokiClient, 'app'>,
  payload: Uint8Array | string,
  headers: Headers,
): Promise<LightMyRequestResponse> {
  return app.inject({ method: 'POST', url: '/loki/api/v1/push', headers, payload: Buffer.from(payload) })
}

/** A push with an entry a second before noon for each label text. */
function protobuf(...labels: readonly string[]): Uint8Array {
  return encodePush(labels.map((each): PushStream => ({ labels: each, entries: [{ ns: BigInt(ns(-1)), line: 'x' }] })))
}

const jsonPush = (...values: readonly unknown[]): string =>
  JSON.stringify({ streams: [{ stream: { app: 'a' }, values }] })

t.test('protobuf in a snappy block is accepted with and without Content-Encoding: snappy', async (t) => {
  const client = await LokiClient.start(t)
  for (const [name, headers] of [
    ['a', {}],
    ['b', { 'content-encoding': 'snappy' }],
  ] as const) {
    const response = await post(client, protobuf(`{app="${name}"}`), { ...PROTOBUF, ...headers })
    t.equal(response.statusCode, 204, name)
    t.strictSame(await client.lines(`{app="${name}"}`), [[{ app: name }, [[-1, 'x']]]])
  }
})

t.test('stored, duplicate and empty pushes get 204 without a body', async (t) => {
  const client = await LokiClient.start(t)
  for (const [name, body] of [
    ['new', protobuf('{app="a"}')],
    ['nothing but duplicates', protobuf('{app="a"}')],
    ['a stream without entries', encodePush([{ labels: '{app="a"}', entries: [] }])],
  ] as const) {
    const response = await post(client, body, PROTOBUF)
    t.strictSame([response.statusCode, response.body], [204, ''], name)
  }
  t.strictSame(await client.lines('{app=~".+"}'), [[{ app: 'a' }, [[-1, 'x']]]])
})

t.test('400 is permanent; 429 and 5xx can be retried', async (t) => {
  const client = await LokiClient.start(t, [], { MILLRACE_AGE_MAX: '7d' })
  for (const [name, body, headers] of [
    ['no JSON', '{', JSON_TYPE],
    ['no protobuf', 'x', PROTOBUF],
    ['a coding that nobody has', jsonPush([ns(-1), 'x']), { ...JSON_TYPE, 'content-encoding': 'compress' }],
    ['a type that nobody has is protobuf', jsonPush([ns(-1), 'x']), { 'content-type': 'text/csv' }],
    ['a line that is too old', jsonPush([ns(-8 * 86_400), 'x']), JSON_TYPE],
    ['a time that is a number', jsonPush([NOON, 'x']), JSON_TYPE],
  ] as const) {
    t.equal((await post(client, body, headers)).statusCode, 400, name)
  }
  t.equal((await post(client, '{"streams":[]}', JSON_TYPE)).statusCode, 422, 'no stream at all')
  const slow = await LokiClient.start(t, [], { MILLRACE_TENANT_RATE: '10B:10B' })
  t.equal((await post(slow, jsonPush([ns(-1), 'x'.repeat(11)]), JSON_TYPE)).statusCode, 429, 'a rate')
  for (const [code, status] of [
    ['store_unavailable', 503],
    ['overloaded', 503],
  ] as const) {
    t.equal(await statusOfFailure(t, new GatewayError(code, 'come back later')), status, code)
  }
  t.equal(await statusOfFailure(t, new Error('BUG')), 500, 'a fault of our own')
})

/** The status of a push whose append fails. */
async function statusOfFailure(t: Test, error: Error): Promise<number> {
  const wrapStore = (store: LogStore): LogStore => ({
    append: () => Promise.reject(error),
    read: (request) => store.read(request),
    streams: (range) => store.streams(range),
    version: (range) => store.version(range),
    trouble: () => store.trouble(),
    figures: () => store.figures(),
    close: () => store.close(),
  })
  const { app } = await buildTestApp(t, {}, { wrapStore })
  return (await post({ app }, jsonPush([ns(-1), 'x']), JSON_TYPE)).statusCode
}

t.test('the valid part of a push is stored, and its response groups the refusals', async (t) => {
  const client = await LokiClient.start(t, [], { ...PLAIN, MILLRACE_AGE_MAX: '7d' })
  const old = ns(-8 * 86_400)
  const response = await post(client, jsonPush([old, 'a'], [old, 'b'], [ns(-1), 'good'], [ns(3600), 'new']), JSON_TYPE)
  t.equal(response.statusCode, 400)
  t.equal(
    response.body,
    '2 errors like: entry for stream \'{app="a"}\' has timestamp too old: 2026-11-13T12:00:00Z, oldest acceptable ' +
      'timestamp is: 2026-11-14T12:00:00Z; 1 errors like: entry for stream \'{app="a"}\' has timestamp too new: ' +
      '2026-11-21T13:00:00Z\n',
  )
  t.strictSame(await client.lines('{app="a"}'), [[{ app: 'a' }, [[-1, 'good']]]])
})

t.test('Grafana’s "Save & test" gets one sample of 2 in the year 2096', async (t) => {
  const client = await LokiClient.start(t)
  const asked = { query: 'vector(1)+vector(1)', direction: '', time: '4000000000' }
  const { body } = await client.ask('query', asked, CATEGORIZED)
  t.match(
    body,
    /^\{"status":"success","data":\{"resultType":"vector","result":\[\{"metric":\{\},"value":\[4000000000,"2"\]\}\],"stats":\{"summary":\{.*\}\}\}\}\n$/,
  )
})

t.test('nanoseconds are kept from end to end, and a repeated push changes nothing', async (t) => {
  const client = await LokiClient.start(t)
  const times = [9n, 7n, 8n].map((each) => String(BigInt(ns(-1)) + each))
  const push = jsonPush(...times.map((time) => [time, `line ${time}`]))
  for (const count of [3, 0]) {
    t.equal((await post(client, push, JSON_TYPE)).body, `{"status":"success","count":3}`, `${count} are new`)
  }
  const { body } = await client.ask('query_range', { query: '{app="a"}', direction: 'forward' })
  t.match(
    body,
    `"values":[${times
      .toSorted()
      .map((time) => `["${time}","line ${time}"]`)
      .join(',')}]`,
  )
})

t.test('entries are pairs; with the categorize-labels flag, triples', async (t) => {
  const client = await LokiClient.start(t, [
    [
      { app: 'a' },
      [
        [-2, 'x=1', { trace: 't' }],
        [-1, 'plain'],
      ],
    ],
  ])
  const asked = { query: '{app="a"} | logfmt', direction: 'forward' }
  const pairs = (await client.ask('query_range', asked)).body
  t.match(
    pairs,
    `{"status":"success","data":{"resultType":"streams","result":[{"stream":{"app":"a","trace":"t","x":"1"},"values":[["${ns(-2)}","x=1"]]},{"stream":{"app":"a"},"values":[["${ns(-1)}","plain"]]}],"stats":{`,
  )
  const triples = (await client.ask('query_range', asked, CATEGORIZED)).body
  t.match(
    triples,
    `{"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[{"stream":{"app":"a"},"values":[["${ns(-2)}","x=1",{"structuredMetadata":{"trace":"t"},"parsed":{"x":"1"}}],["${ns(-1)}","plain",{}]]}],"stats":{`,
  )
})

t.test(
  'times are seconds of up to ten characters, longer nanoseconds, floats or RFC 3339; steps have three forms; forms may be POSTed',
  async (t) => {
    const client = await LokiClient.start(t, [[{ app: 'a' }, [[-60, 'x']]]])
    const wanted = [[{ app: 'a' }, [[-60, 'x']]]]
    for (const [start, end] of [
      [`${NOON - 60}`, `${NOON}`],
      [`${NOON - 60}000000000`, `${NOON}000000000`],
      [`${NOON - 60}.0`, `${NOON}.5`],
      ['2026-11-21T11:59:00Z', '2026-11-21T13:00:00.000000001+01:00'],
    ] as const) {
      t.strictSame(await client.lines('{app="a"}', { start, end }), wanted, start)
      const inForm = await client.app.inject({
        method: 'POST',
        url: `/loki/api/v1/query_range?start=${encodeURIComponent(start)}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: String(new URLSearchParams({ query: '{app="a"}', end })),
      })
      t.match(inForm.body, `"values":[["${ns(-60)}","x"]]`, `${end} in a form`)
    }
    for (const step of ['60', '60.0', '60000ms', '1m']) {
      t.strictSame(
        await client.range('vector(1)', -60, 0, step),
        [
          [
            {},
            [
              [-60, '1'],
              [0, '1'],
            ],
          ],
        ],
        step,
      )
    }
    t.match(await client.lines('{app="a"}', { start: `${NOON}000` }), [], 'there is no form in milliseconds')
  },
)

t.test(
  'a log query has its limit over all streams, a metric query has aligned steps; values are strings, times numbers',
  async (t) => {
    const client = await LokiClient.start(t, [
      [
        { app: 'a' },
        [
          [-60, 'first'],
          [-20, 'second'],
        ],
      ],
      [
        { app: 'b' },
        [
          [-40, 'third'],
          [0, 'fourth'],
        ],
      ],
    ])
    const range = { start: ns(-60), end: ns(0) }
    t.strictSame(await client.lines('{app=~".+"}', { ...range, limit: '2' }), [
      [{ app: 'a' }, [[-60, 'first']]],
      [{ app: 'b' }, [[-40, 'third']]],
    ])
    t.strictSame(await client.lines('{app=~".+"}', { ...range, limit: '2', direction: 'BACKWARD' }), [
      [{ app: 'a' }, [[-20, 'second']]],
      [{ app: 'b' }, [[-40, 'third']]],
    ])
    t.strictSame(await client.lines('{app=~".+"}', { start: ns(0), end: ns(0) }), [[{ app: 'b' }, [[0, 'fourth']]]])
    const query = 'sum(count_over_time({app=~".+"}[1m]))'
    const { body } = await client.ask('query_range', { query, start: ns(-30), end: ns(0), step: '60' })
    t.match(
      body,
      `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[${NOON - 60},"1"],[${NOON},"3"]]}],"stats":{`,
    )
  },
)

t.test(
  'label texts may have Go’s escapes, back-quotes and any order; an invalid one does not affect the others',
  async (t) => {
    const client = await LokiClient.start(t)
    const texts = ['{b="\\xc3\\xa9\\u00e9\\t", app=`a\\n`, }', '{app="b", gone=""}', '{app="c" x}', "{app='d'}"]
    const response = await post(client, protobuf(...texts), PROTOBUF)
    t.equal(response.statusCode, 400)
    t.match(response.body, /^error parsing labels '\{app="c" x\}' with error: /)
    const { body } = await client.ask('series', { 'match[]': '{app=~".+"}' })
    t.equal(body, '{"status":"success","data":[{"app":"a\\\\n","b":"éé\\t"},{"app":"b"},{"app":"d"}]}\n')
  },
)

t.test('service_name and detected_level are derived when a line is pushed, and are its labels', async (t) => {
  const client = await LokiClient.start(
    t,
    [
      [
        { container: 'shop' },
        [
          [-2, 'level=warn x'],
          [-1, 'plain'],
        ],
      ],
      [{ pod: '7' }, [[-1, 'x', { level: 'ERROR' }]]],
    ],
    FOUND,
  )
  t.strictSame(await client.lines('{service_name=~".+"}'), [
    [{ container: 'shop', detected_level: 'unknown', service_name: 'shop' }, [[-1, 'plain']]],
    [{ container: 'shop', detected_level: 'warn', service_name: 'shop' }, [[-2, 'level=warn x']]],
    [{ detected_level: 'error', level: 'ERROR', pod: '7', service_name: 'unknown_service' }, [[-1, 'x']]],
  ])
  t.strictSame(
    await client.instant('sum by (level, detected_level) (count_over_time({container="shop"} | drop __error__ [1m]))'),
    [
      [{ detected_level: 'unknown' }, '1'],
      [{ detected_level: 'warn' }, '1'],
    ],
  )
})

t.test('Logs Drilldown’s endpoints have their own response formats', async (t) => {
  const client = await LokiClient.start(t, [
    [{ app: 'a' }, [[-2, 'took=12ms', { trace: 'abc' }]]],
    [{ app: 'b' }, [[-1, '{"n":{"id":4}} and more']]],
    [{ app: 'c' }, [[-1, '{"n":{"id":4}}']]],
  ])
  const range = { start: ns(-3600), end: ns(0) }
  const body = async (path: string, query: string, params: Headers = {}): Promise<string> =>
    (await client.ask(path, { query, ...range, ...params })).body
  t.match(
    await body('index/volume', '{app=~".+"}'),
    `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"app":"b"},"value":[${NOON},"23"]},{"metric":{"app":"c"},"value":[${NOON},"14"]},{"metric":{"app":"a"},"value":[${NOON},"9"]}],"stats":{`,
  )
  t.match(await body('index/volume', '{app="a"}', { aggregateBy: 'labels' }), '"result":[{"metric":{"app":""},')
  t.equal(await body('index/stats', '{app="a"}'), '{"streams":1,"chunks":1,"bytes":9,"entries":1}\n')
  t.equal(await body('detected_labels', ''), '{"detectedLabels":[{"label":"app","cardinality":3}]}\n')
  t.equal(
    await body('detected_fields', '{app="a"}'),
    '{"fields":[{"label":"took","type":"duration","cardinality":1,"parsers":["logfmt"]},{"label":"trace","type":"string","cardinality":1,"parsers":null}],"limit":1000}\n',
  )
  t.equal(
    await body('detected_fields', '{app="c"}'),
    '{"fields":[{"label":"n_id","type":"int","cardinality":1,"parsers":["json"],"jsonPath":["n","id"]}],"limit":1000}\n',
  )
  t.equal(await body('detected_field/n_id/values', '{app="c"}'), '{"values":["4"],"limit":1000}\n')
  t.match(
    await body('patterns', '{app="a"}'),
    /^\{"status":"success","data":\[\{"pattern":"took=.*","level":".*","samples":\[\[\d+,1\]\]\}\]\}\n$/,
  )
  t.match(await body('index/volume', '{app="a"'), /^parse error at line 1, col \d+: /)
})

t.test('errors, conflicting names and absent labels have their categories', async (t) => {
  const client = await LokiClient.start(t, [
    [
      { app: 'a' },
      [
        [-2, '{"app":"parsed","x":"1"}'],
        [-1, 'no json'],
      ],
    ],
  ])
  const { body } = await client.ask(
    'query_range',
    { query: '{app="a"} | json | y="" | keep app, app_extracted', direction: 'forward' },
    CATEGORIZED,
  )
  t.match(
    body,
    `"values":[["${ns(-2)}","{\\"app\\":\\"parsed\\",\\"x\\":\\"1\\"}",{"parsed":{"app_extracted":"parsed"}}],["${ns(-1)}","no json",{"parsed":{"__error__":"JSONParserErr","__error_details__":`,
  )
  t.strictSame(await client.instant('sum(count_over_time({app="a"} | json [1m]))'), [[{}, '2']], 'no label is wanted')
  t.match(await client.instant('sum by (x) (count_over_time({app="a"} | json [1m]))'), [
    400,
    /^pipeline error: 'JSONParserErr'/,
  ])
})

t.test('errors are plain text that starts with what clients match', async (t) => {
  const client = await LokiClient.start(t, [], { MILLRACE_QUERY_BYTES_MAX: '200B' })
  const rows = [
    ['query_range', { query: '{app="a"' }, 400, /^parse error at line 1, col \d+: syntax error: /],
    [
      'query_range',
      { query: '{app=~".*"}' },
      400,
      /^parse error : queries require at least one regexp or equality matcher/,
    ],
    [
      'query',
      { query: '{app="a"}' },
      400,
      /^log queries are not supported as an instant query type, please change your query to a range query type/,
    ],
    [
      'query_range',
      { query: '{app="a"}', limit: '5001' },
      400,
      /^max entries limit per query exceeded, limit > max_entries_limit_per_query \(5001 > 5000\)/,
    ],
    ['query_range', { query: '{app="a"}', limit: '0' }, 400, /^limit must be a positive value/],
    ['query_range', { query: '{app="a"}', direction: 'up' }, 400, /^invalid direction 'up'/],
    ['query_range', { query: '{app="a"}', start: '2', end: '1' }, 400, /^end timestamp must not be before/],
    [
      'query_range',
      { query: 'vector(1)', step: '1ms' },
      400,
      /^exceeded maximum resolution of 11,000 points per time series\. /,
    ],
    [
      'query_range',
      { query: '{app="a"}', start: '0' },
      400,
      /^the query time range exceeds the limit \(query length: .*, limit: .*\)/,
    ],
    ['labels', { query: '{}' }, 400, /^parse error : queries require at least one regexp or equality matcher/],
    ['nothing', {}, 404, /./],
  ] as const
  for (const [path, params, status, text] of rows) {
    const response = await client.ask(path, params)
    t.equal(response.statusCode, status, String(text))
    t.match(response.body, text)
    if (path === 'nothing') continue
    t.match(response.headers, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' })
    t.notMatch(response.body, /^\{/, 'no envelope')
  }
})

t.test('/ready, compression both ways, typed parameters, tenants', async (t) => {
  const client = await LokiClient.start(t)
  const ready = await client.app.inject('/ready')
  t.strictSame([ready.statusCode, ready.body.trim()], [200, 'ready'])
  const body = (name: string): string =>
    JSON.stringify({ streams: [{ stream: { app: name, n: 1 }, values: [[ns(-1), 'x']] }] })
  const bodies = [
    ['gzip', gzipSync(body('gzip')), { ...JSON_TYPE, 'content-encoding': 'gzip' }],
    ['raw', deflateRawSync(body('raw')), { ...JSON_TYPE, 'content-encoding': 'deflate' }],
    ['zlib', deflateSync(body('zlib')), { ...JSON_TYPE, 'content-encoding': 'deflate' }],
    ['charset', Buffer.from(body('charset')), { 'content-type': 'application/json; charset=utf-8' }],
    ['nested', gzipSync(protobuf('{app="nested", n="1"}')), { ...PROTOBUF, 'content-encoding': 'gzip' }],
  ] as const
  for (const [name, payload, headers] of bodies) {
    t.match((await post(client, payload, headers)).statusCode, name === 'nested' ? 204 : 200, name)
    t.strictSame(await client.lines(`{app="${name}"}`), [[{ app: name, n: '1' }, [[-1, 'x']]]], name)
  }
  t.strictSame(await client.lines('{app="raw"}', {}, { 'x-scope-orgid': 'fake' }), await client.lines('{app="raw"}'))
  t.strictSame(await client.lines('{app="raw"}', {}, { 'x-scope-orgid': 'other' }), [])
  await client.load([[{ app: 'long' }, [[-1, 'x'.repeat(4096)]]]])
  const zipped = await client.ask('query_range', { query: '{app="long"}' }, { 'accept-encoding': 'gzip' })
  t.equal(zipped.headers['content-encoding'], 'gzip')
  t.match(gunzipSync(zipped.rawPayload).toString(), /^\{"status":"success",.*x{4096}/)
})
