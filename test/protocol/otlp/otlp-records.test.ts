import t from 'tap'
import { BatchBuilder } from '../../../src/domain/entries/batch-builder.ts'
import { NS_MAX } from '../../../src/domain/time.ts'
import { decodeOtlpProtobuf } from '../../../src/protocol/otlp/otlp-protobuf.ts'
import { OTLP_INDEX_ATTRIBUTES, type OtlpOptions } from '../../../src/protocol/otlp/otlp-records.ts'
import { FixedClock, openAdmission } from '../../support/helper.ts'
import { encode, SeeingSink } from './otlp-cases.ts'

const clock = new FixedClock()
const text = (stringValue: string) => ({ stringValue })
const pair = (key: string, value: object) => ({ key, value })

/** The entries of a request with one resource and one scope. */
function see(logs: { resource?: object; scope?: object; records: object[] }, options: Partial<OtlpOptions> = {}) {
  const scopeLogs = [{ scope: logs.scope ?? {}, logRecords: logs.records }]
  const sink = new SeeingSink()
  const request = { resourceLogs: [{ resource: logs.resource ?? {}, scopeLogs }] }
  decodeOtlpProtobuf(encode('ExportLogsServiceRequest', request), sink, { nowMs: clock.nowMs(), ...options })
  t.equal(sink.texts, 1, 'the text is named once')
  return sink.entries
}

t.test('makes labels of the 18 resource attributes and metadata of all others', async (t) => {
  const attributes = [...OTLP_INDEX_ATTRIBUTES, 'host.name', 'k8s.pod.uid'].map((name) =>
    pair(name, text(`of ${name}`)),
  )
  const [entry] = see({ resource: { attributes }, records: [{}] })
  t.equal(OTLP_INDEX_ATTRIBUTES.length, 18)
  t.strictSame(
    entry?.labels,
    Object.fromEntries(OTLP_INDEX_ATTRIBUTES.map((name) => [name.replaceAll('.', '_'), `of ${name}`])),
  )
  t.strictSame(entry?.metadata, ['host.name=of host.name', 'k8s.pod.uid=of k8s.pod.uid'])
})

t.test('lets the operator choose the labels', async (t) => {
  const attributes = [pair('service.name', text('shop')), pair('team', { intValue: 7 })]
  const [entry] = see({ resource: { attributes }, records: [{}] }, { indexAttributes: ['team'] })
  t.strictSame(entry?.labels, { team: '7' })
  t.strictSame(entry?.metadata, ['service.name=shop'])
})

t.test('names fields of a record like Loki', async (t) => {
  const [entry] = see({
    resource: { droppedAttributesCount: 1 },
    scope: { name: 'lib', version: '1.2', droppedAttributesCount: 2, attributes: [pair('a', text('1'))] },
    records: [
      {
        timeUnixNano: '1763724815000000001',
        observedTimeUnixNano: '1763724815999999999',
        severityNumber: 17,
        severityText: 'ERROR',
        droppedAttributesCount: 3,
        flags: 1,
        traceId: Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex'),
        spanId: Buffer.from('b7ad6b7169203331', 'hex'),
        eventName: 'paid',
        body: text('line'),
      },
    ],
  })
  t.strictSame(entry, {
    labels: {},
    time: [1763724815, 1],
    line: 'line',
    metadata: [
      'a=1',
      'dropped_attributes_count=3',
      'event_name=paid',
      'flags=1',
      'observed_timestamp=1763724815999999999',
      'resource_dropped_attributes_count=1',
      'scope_dropped_attributes_count=2',
      'scope_name=lib',
      'scope_version=1.2',
      'severity_number=17',
      'severity_text=ERROR',
      'span_id=b7ad6b7169203331',
      'trace_id=0af7651916cd43dd8448eb211c80319c',
    ],
  })
})

t.test('omits absent fields of a record', async (t) => {
  const [entry] = see({
    records: [{ traceId: Buffer.alloc(16), spanId: Buffer.alloc(8), attributes: [pair('x', {})] }],
  })
  t.strictSame(entry, { labels: {}, time: [clock.nowMs() / 1000, 0], line: '', metadata: [] })
})

t.test('takes the time of the record, else when it was observed, else now', async (t) => {
  const rows: [name: string, record: object, time: [number, number]][] = [
    ['its own', { timeUnixNano: '1763724815123456789', observedTimeUnixNano: '5' }, [1763724815, 123456789]],
    ['observed', { observedTimeUnixNano: '1763724815123456789' }, [1763724815, 123456789]],
    ['now', {}, [1763724815, 250_000_000]],
    ['the last nanosecond of 64 bits', { timeUnixNano: String(2n ** 64n - 1n) }, [18446744073, 709551615]],
  ]
  for (const [name, record, time] of rows) {
    t.strictSame(see({ records: [record] }, { nowMs: 1763724815250 })[0]?.time, time, name)
  }
})

t.test('converts any body to a line', async (t) => {
  const list = (...values: object[]) => ({ arrayValue: { values } })
  const map = (...values: object[]) => ({ kvlistValue: { values } })
  const rows: [name: string, body: object, line: string][] = [
    ['text', text('é "quoted"\n'), 'é "quoted"\n'],
    ['empty text', text(''), ''],
    ['nothing', {}, ''],
    ['true', { boolValue: true }, 'true'],
    ['false', { boolValue: false }, 'false'],
    ['an integer', { intValue: '-9223372036854775808' }, '-9223372036854775808'],
    ['a double', { doubleValue: 0.1 }, '0.1'],
    ['no number', { doubleValue: Number.NaN }, 'NaN'],
    ['bytes', { bytesValue: Buffer.from([0, 255]) }, 'AP8='],
    ['an array', list(text('a'), { intValue: 1 }, {}, list()), '["a",1,null,[]]'],
    ['a map', map(pair('__proto__', { boolValue: true }), pair('k', map())), '{"__proto__":true,"k":{}}'],
    ['no number in an array', list({ doubleValue: Number.NEGATIVE_INFINITY }), '["-Infinity"]'],
  ]
  for (const [name, body, line] of rows) t.equal(see({ records: [{ body }] })[0]?.line, line, name)
  t.strictSame(
    see({ records: rows.map(([, body]) => ({ body })) }).map((entry) => entry.line),
    rows.map(([, , line]) => line),
    'all in one request',
  )
})

t.test('flattens maps, writes arrays as JSON and keeps names for the sink to clean', async (t) => {
  const deep = {
    kvlistValue: { values: [pair('b.c', text('1')), pair('d', { kvlistValue: { values: [pair('e', text('2'))] } })] },
  }
  const array = { arrayValue: { values: [text('x'), { kvlistValue: { values: [pair('y', { intValue: 1 })] } }] } }
  const attributes = [
    pair('a', deep),
    pair('list', array),
    pair('none', {}),
    pair('empty', text('')),
    pair('log.level', text('warn')),
  ]
  const [entry] = see({ records: [{ attributes }] })
  t.strictSame(entry?.metadata, ['a_b.c=1', 'a_d_e=2', 'empty=', 'list=["x",{"y":1}]', 'log.level=warn'])
})

t.test('the value nearest to the record takes precedence', async (t) => {
  const of = (where: string) => [pair('a.b', text(where)), pair(`only.${where}`, text('1'))]
  const entries = see({
    resource: { attributes: of('resource') },
    scope: { attributes: of('scope') },
    records: [{ attributes: of('record') }, { attributes: [pair('a_b', text('1')), pair('a.b', text('2'))] }, {}],
  })
  t.strictSame(
    entries.map(({ metadata }) => metadata.filter((text) => text.startsWith('a'))),
    [['a.b=record'], ['a.b=2'], ['a_b=scope']],
  )
  t.strictSame(entries[0]?.metadata.slice(1), ['only.record=1', 'only_resource=1', 'only_scope=1'])
})

t.test('stores levels, names and labels as Loki would', async (t) => {
  const builder = new BatchBuilder({ ...openAdmission(clock), discoverLevels: true, discoverServiceName: true })
  const record = { timeUnixNano: String(clock.nowNs), body: text('x') }
  const request = {
    resourceLogs: [
      {
        resource: { attributes: [pair('k8s.job.name', text('nightly')), pair('host.name', text('hé'))] },
        scopeLogs: [
          {
            logRecords: [
              { ...record, severityNumber: 13 },
              { ...record, attributes: [pair('log.level', text('dbg'))] },
            ],
          },
          { logRecords: [{ ...record, severityText: 'Critical', severityNumber: 9 }, record] },
        ],
      },
    ],
  }
  decodeOtlpProtobuf(encode('ExportLogsServiceRequest', request), builder, { nowMs: clock.nowMs() })
  const batch = builder.build()
  t.equal(batch.streams[0]?.key, '{k8s_job_name="nightly", service_name="nightly"}')
  t.strictSame([...batch.levels.subarray(0, batch.count)], [5, 3, 7, 1])
  t.match(new TextDecoder().decode(batch.metadata), /host_name.hé/)
})

t.test('accepts a request without records', async (t) => {
  const requests = [
    {},
    { resourceLogs: [{}] },
    { resourceLogs: [{ resource: {}, scopeLogs: [{}, { logRecords: [] }] }] },
  ]
  for (const request of requests) {
    const body = encode('ExportLogsServiceRequest', request)
    const sink = new SeeingSink()
    decodeOtlpProtobuf(body, sink, { nowMs: clock.nowMs() })
    t.same(sink.entries, [])
  }
})

t.test('starts no stream for a resource without records', async (t) => {
  const labels: number[] = []
  const sink = new SeeingSink()
  sink.beginStream = (given) => void labels.push(given.length)
  const resource = { attributes: [pair('service.name', text('shop'))] }
  const resourceLogs = [{ resource, scopeLogs: [{}] }, { scopeLogs: [{ logRecords: [{}] }] }]
  decodeOtlpProtobuf(encode('ExportLogsServiceRequest', { resourceLogs }), sink, { nowMs: clock.nowMs() })
  t.strictSame(labels, [0])
})

t.test('limits records that multiply the attributes of their resource', async (t) => {
  const attributes = Array.from({ length: 1000 }, (_, i) => pair(`a${i}`, text('')))
  const records = Array.from({ length: 1000 }, () => ({ timeUnixNano: String(NS_MAX) }))
  const spread = (metadataBytesMax: number) => see({ resource: { attributes }, records }, { metadataBytesMax })
  t.throws(() => spread(1_000_000), { code: 'body_too_large', message: /records expand to more than 1000000 bytes/ })
  t.equal(spread(100_000_000).length, 1000)
})

t.test('limits maps that multiply their names', async (t) => {
  const leaves = Array.from({ length: 1000 }, (_, i) => pair(String(i), text('')))
  const attributes = [pair('n'.repeat(10_000), { kvlistValue: { values: leaves } })]
  const spread = (metadataBytesMax: number) => see({ records: [{ attributes }] }, { metadataBytesMax })
  t.throws(() => spread(5_000_000), { code: 'body_too_large', message: /records expand to more than 5000000 bytes/ })
  t.equal(spread(50_000_000)[0]?.metadata.length, 1000)
})
