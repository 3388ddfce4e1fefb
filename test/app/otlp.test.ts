import { gzipSync } from 'node:zlib'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t from 'tap'
import { FixedClock } from '../support/helper.ts'
import { ask, buildTestApp, storedLines } from '../support/test-app.ts'

const NS = String(new FixedClock().nowNs)

interface LogRecord {
  readonly timeUnixNano?: string
  readonly body?: object
  readonly [name: string]: unknown
}

function logs(records: readonly LogRecord[], attributes: readonly object[] = []): object {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }, ...attributes] }
  return { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 'lib' }, logRecords: records }] }] }
}

const ONE = logs([{ timeUnixNano: NS, severityNumber: 17, body: { stringValue: 'one' } }])
const OTHER_ATTRIBUTE = [{ key: 'host.name', value: { stringValue: 'h1' } }]

function send(
  app: FastifyInstance,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  url = '/otlp/v1/logs',
): Promise<LightMyRequestResponse> {
  const payload = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return app.inject({ method: 'POST', url, headers: { 'content-type': 'application/json', ...headers }, payload })
}

/** A length-delimited protobuf field shorter than 128 bytes. */
function field(number: number, ...parts: readonly (string | Uint8Array)[]): Buffer {
  const value = Buffer.concat(parts.map((part) => Buffer.from(part)))
  return Buffer.concat([Buffer.of(number * 8 + 2, value.length), value])
}

/** A record with the body `one` at the clock's time. */
function protobufOne(): Buffer {
  const time = Buffer.alloc(9)
  time[0] = 1 * 8 + 1
  time.writeBigUInt64LE(BigInt(NS), 1)
  const record = field(2, time, field(5, field(1, 'one')))
  const attribute = field(1, field(1, 'service.name'), field(2, field(1, 'shop')))
  return field(1, field(1, attribute), field(2, record))
}

for (const url of ['/otlp/v1/logs', '/v1/logs']) {
  t.test(`${url} takes JSON and protobuf`, async (t) => {
    const testApp = await buildTestApp(t)
    const json = await send(testApp.app, ONE, {}, url)
    t.equal(json.statusCode, 200)
    t.match(json.headers['content-type'], /^application\/json/)
    t.equal(json.body, '{}')
    const protobuf = await send(testApp.app, protobufOne(), { 'content-type': 'application/x-protobuf' }, url)
    t.equal(protobuf.statusCode, 200)
    t.equal(protobuf.headers['content-type'], 'application/x-protobuf')
    t.equal(protobuf.rawPayload.length, 0)
    t.strictSame(await storedLines(testApp), ['one', 'one'], 'a severity makes another entry')
  })
}

t.test('a retried push is stored once', async (t) => {
  const testApp = await buildTestApp(t)
  for (const _ of [1, 2]) t.equal((await send(testApp.app, ONE)).statusCode, 200)
  t.strictSame(await storedLines(testApp), ['one'])
})

t.test('attributes become labels and structured metadata', async (t) => {
  const { app } = await buildTestApp(t)
  const record = {
    timeUnixNano: NS,
    severityNumber: 17,
    traceId: '5B8EFFF798038103D269B633813FC60C',
    body: { stringValue: 'one' },
    attributes: [{ key: 'http.status', value: { intValue: '503' } }],
  }
  await send(app, logs([record], OTHER_ATTRIBUTE))
  const headers = { 'x-loki-response-encoding-flags': 'categorize-labels' }
  const end = String(BigInt(NS) + 1n)
  const response = await ask(app, 'query_range', { query: '{service_name="shop"}', end }, headers)
  t.match(response.json(), {
    data: {
      result: [
        {
          stream: { service_name: 'shop' },
          values: [
            [
              NS,
              'one',
              {
                structuredMetadata: {
                  detected_level: 'error',
                  host_name: 'h1',
                  http_status: '503',
                  scope_name: 'lib',
                  severity_number: '17',
                  trace_id: '5b8efff798038103d269b633813fc60c',
                },
              },
            ],
          ],
        },
      ],
    },
  })
})

t.test('18 promoted attributes are accepted, although Loki’s limit is 15 labels', async (t) => {
  const testApp = await buildTestApp(t)
  const names = [
    'service.namespace service.instance.id deployment.environment deployment.environment.name cloud.region',
    'cloud.availability_zone k8s.cluster.name k8s.namespace.name k8s.pod.name k8s.container.name container.name',
    'k8s.replicaset.name k8s.deployment.name k8s.statefulset.name k8s.daemonset.name k8s.cronjob.name k8s.job.name',
  ].flatMap((line) => line.split(' '))
  const attributes = names.map((key) => ({ key, value: { stringValue: 'x' } }))
  t.equal(
    (await send(testApp.app, logs([{ timeUnixNano: NS, body: { stringValue: 'one' } }], attributes))).statusCode,
    200,
  )
  t.strictSame(await storedLines(testApp), ['one'])
})

t.test('a record without times has the time of its arrival', async (t) => {
  const testApp = await buildTestApp(t)
  t.equal((await send(testApp.app, logs([{ body: { kvlistValue: { values: [] } } }]))).statusCode, 200)
  t.strictSame(await storedLines(testApp), ['{}'])
})

t.test('an export without a record is a success', async (t) => {
  const { app } = await buildTestApp(t)
  for (const body of [logs([]), {}, '']) {
    const response = await send(app, body)
    t.equal(response.statusCode, 200, response.body)
    t.equal(response.body, '{}')
  }
  const response = await send(app, Buffer.alloc(0), { 'content-type': 'application/x-protobuf' })
  t.equal(response.statusCode, 200)
})

t.test('ids in other forms are stored as hex, and wrong ones refused for their record', async (t) => {
  const testApp = await buildTestApp(t)
  const record = (line: string, traceId: string) => ({ timeUnixNano: NS, body: { stringValue: line }, traceId })
  const base64 = record('base64', 'W47/95gDgQPSabYzgT/GDA==')
  const response = await send(testApp.app, logs([base64, record('wrong', 'xyz')]))
  t.equal(response.statusCode, 200)
  t.match(response.json(), {
    partialSuccess: { rejectedLogRecords: '1', errorMessage: /^log record has a traceId of 3 characters/ },
  })
  t.strictSame(await storedLines(testApp), ['base64'])
})

t.test('a partly refused push has partialSuccess', async (t) => {
  const testApp = await buildTestApp(t, { MILLRACE_LINE_BYTES_MAX: '5' })
  const long = { timeUnixNano: NS, body: { stringValue: 'much too long' } }
  const response = await send(testApp.app, logs([{ timeUnixNano: NS, body: { stringValue: 'fits' } }, long]))
  t.equal(response.statusCode, 200)
  t.match(response.json(), { partialSuccess: { rejectedLogRecords: '1', errorMessage: /^max entry size '5'/ } })
  t.strictSame(await storedLines(testApp), ['fits'])
})

t.test('a completely refused push gets a google.rpc.Status', async (t) => {
  const rows = [
    ['a misspelt key', { resourceLog: [] }, {}, 400],
    ['no JSON', '{"resourceLogs":', {}, 400],
    ['only lines that are refused', logs([{ timeUnixNano: '1', body: { stringValue: 'old' } }]), {}, 400],
    ['another media type', ONE, { 'content-type': 'text/plain' }, 400],
    ['an unknown encoding', ONE, { 'content-encoding': 'br' }, 400],
  ] as const
  const { app } = await buildTestApp(t)
  for (const [name, body, headers, status] of rows) {
    await t.test(name, async (t) => {
      const response = await send(app, body, headers)
      t.equal(response.statusCode, status, response.body)
      if (!String(response.headers['content-type']).includes('json')) return
      t.match(response.json(), { message: /.+/ })
    })
  }

  await t.test('in protobuf if the request was protobuf', async (t) => {
    const response = await send(app, Buffer.from('no protobuf'), { 'content-type': 'application/x-protobuf' })
    t.equal(response.statusCode, 400)
    t.equal(response.headers['content-type'], 'application/x-protobuf')
    t.equal(response.rawPayload[0], 2 * 8 + 2, 'field 2 of google.rpc.Status is the message')
  })

  await t.test('429 for limits that a retry can pass', async (t) => {
    const limited = await buildTestApp(t, { MILLRACE_TENANT_RATE: '1:1' })
    const response = await send(limited.app, ONE)
    t.equal(response.statusCode, 429)
    t.ok(response.headers['retry-after'])
  })
})

t.test('gzip and media type parameters are accepted', async (t) => {
  const testApp = await buildTestApp(t)
  const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json; charset=utf-8' }
  t.equal((await send(testApp.app, gzipSync(JSON.stringify(ONE)), headers)).statusCode, 200)
  t.strictSame(await storedLines(testApp), ['one'])
})
