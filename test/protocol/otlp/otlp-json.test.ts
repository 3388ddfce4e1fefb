import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { decodeOtlpJson } from '../../../src/protocol/otlp/otlp-json.ts'
import { decodeOtlpProtobuf } from '../../../src/protocol/otlp/otlp-protobuf.ts'
import { encode, SeeingSink } from './otlp-cases.ts'

const options = { nowMs: 1_763_724_815_000 }

function see(text: string): SeeingSink['entries'] {
  const sink = new SeeingSink()
  decodeOtlpJson(new TextEncoder().encode(text), sink, options)
  return sink.entries
}

/** The entry of a record with these members, as JSON text. */
const seeRecord = (members: string) => see(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{${members}}]}]}]}`)[0]

t.test('reads the form of the specification', async (t) => {
  const [entry] =
    see(`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
    "scopeLogs":[{"scope":{"name":"lib","version":"1.0.0","attributes":[{"key":"s","value":{"boolValue":true}}]},
    "logRecords":[{"timeUnixNano":"1544712660300000001","observedTimeUnixNano":"1544712660300000002",
    "severityNumber":10,"severityText":"Information","traceId":"5B8EFFF798038103D269B633813FC60C",
    "spanId":"eee19b7ec3c1b174","body":{"stringValue":"Example log record"},"flags":1,"eventName":"e",
    "attributes":[{"key":"map.attribute","value":{"kvlistValue":{"values":[{"key":"k","value":{"intValue":"10"}}]}}}]}]}]}]}`)
  t.strictSame(entry, {
    labels: { service_name: 'shop' },
    time: [1544712660, 300000001],
    line: 'Example log record',
    metadata: [
      'event_name=e',
      'flags=1',
      'map.attribute_k=10',
      'observed_timestamp=1544712660300000002',
      's=true',
      'scope_name=lib',
      'scope_version=1.0.0',
      'severity_number=10',
      'severity_text=Information',
      'span_id=eee19b7ec3c1b174',
      'trace_id=5b8efff798038103d269b633813fc60c',
    ],
  })
})

t.test('accepts the forms that senders use', async (t) => {
  const rows: [name: string, members: string, wanted: object][] = [
    ['time as a number', '"timeUnixNano":1544712660300000001', { time: [1544712660, 300000001] }],
    ['time in snake case', '"time_unix_nano":"1544712660300000001"', { time: [1544712660, 300000001] }],
    ['no time', '"timeUnixNano":null,"observedTimeUnixNano":"0"', { time: [1763724815, 0] }],
    ['empty time', '"timeUnixNano":""', { time: [1763724815, 0] }],
    ['a severity by name', '"severityNumber":"SEVERITY_NUMBER_FATAL4"', { metadata: ['severity_number=24'] }],
    ['a severity by first name', '"severity_number":"SEVERITY_NUMBER_TRACE"', { metadata: ['severity_number=1'] }],
    ['a severity as text', '"severityNumber":"9"', { metadata: ['severity_number=9'] }],
    ['no severity by name', '"severityNumber":"SEVERITY_NUMBER_UNSPECIFIED"', { metadata: [] }],
    ['nulls', '"severityText":null,"attributes":null,"body":null,"traceId":null', { metadata: [], line: '' }],
    ['unknown keys', '"no":{"such":[1,"key"]},"body":{"stringValue":"x","no":1}', { line: 'x' }],
    ['a body in snake case', '"body":{"string_value":"x"}', { line: 'x' }],
    ['a bare text for a body', '"body":"x"', { line: 'x' }],
    ['an empty body', '"body":{}', { line: '' }],
    ['a variant that we do not know', '"body":{"dateValue":1}', { line: '{"dateValue":1}' }],
    ['a variant that is null', '"body":{"stringValue":null}', { line: '' }],
    ['a bare object for a body', '"body":{"message":"x","n":[1]}', { line: '{"message":"x","n":[1]}' }],
    ['a bare array for a body', '"body":["x"]', { line: '["x"]' }],
    ['attributes as an object', '"attributes":{"a":1,"b":{"stringValue":"c"}}', { metadata: ['a=1', 'b=c'] }],
    ['an attribute without a value', '"attributes":[{"key":"a"}]', { metadata: [] }],
    ['an integer as a number', '"body":{"intValue":-9223372036854775808}', { line: '-9223372036854775808' }],
    ['an integer as text', '"body":{"intValue":"007"}', { line: '7' }],
    ['a double', '"body":{"doubleValue":1.50}', { line: '1.50' }],
    [
      'a double as text',
      '"body":{"arrayValue":{"values":[{"doubleValue":"2.5"},{"doubleValue":"NaN"}]}}',
      { line: '[2.5,"NaN"]' },
    ],
    ['bytes', '"body":{"bytesValue":"AP8="}', { line: 'AP8=' }],
    ['an empty array', '"body":{"arrayValue":{}}', { line: '[]' }],
    ['an array in snake case', '"body":{"array_value":{"values":[{"bool_value":false}]}}', { line: '[false]' }],
    [
      'keys that objects have',
      '"body":{"kvlistValue":{"values":[{"key":"__proto__","value":{"intValue":1}}]}}',
      { line: '{"__proto__":1}' },
    ],
    ['a pair without a value', '"attributes":[{"key":"a"}]', { metadata: [] }],
    ['a zero id', '"traceId":"00000000000000000000000000000000","spanId":""', { metadata: [] }],
  ]
  for (const [name, members, wanted] of rows) t.match(seeRecord(members), wanted, name)
  t.equal(see('{"resource_logs":[{"scope_logs":[{"log_records":[{}]}]}]}').length, 1)
})

t.test('rejects an invalid request with the position', async (t) => {
  const rows: [name: string, text: string, message: RegExp][] = [
    ['no JSON', '{"resourceLogs":', /^body is not JSON: expected a value at line 1, column 17$/],
    ['an array', '[]', /^OTLP JSON: body is an array; send an object with resourceLogs$/],
    ['resourceLogs of a wrong kind', '{"resourceLogs":{}}', /resourceLogs is an object; send an array$/],
    ['an item of a wrong kind', '{"resourceLogs":["secret"]}', /an item of resourceLogs is a string; send an object$/],
    ['a resource of a wrong kind', '{"resourceLogs":[{"resource":[]}]}', /resource is an array; send an object$/],
  ]
  for (const [name, text, message] of rows) t.throws(() => see(text), { code: 'body_malformed', message }, name)
  const members: [name: string, members: string, message: RegExp][] = [
    ['a time with a fraction', '"timeUnixNano":1.5', /timeUnixNano is a number; send nanoseconds/],
    ['a time as a date', '"timeUnixNano":"2025-01-01T00:00:00Z"', /timeUnixNano is a string; send nanoseconds/],
    ['a time before 1970', '"timeUnixNano":"-1"', /timeUnixNano is a string/],
    ['a time beyond 64 bits', `"timeUnixNano":"${2n ** 64n}"`, /timeUnixNano is a string/],
    ['an unknown severity', '"severityNumber":"INFO"', /severityNumber is a string; send a whole number of 32 bits/],
    ['a count beyond 32 bits', '"flags":4294967296', /flags is a number/],
    ['a number for a text', '"severityText":5', /severityText is a number; send a string/],
    ['an invalid text', '"body":{"stringValue":{}}', /stringValue is an object; send a string/],
    ['an invalid integer', '"body":{"intValue":1.5}', /intValue is a number; send a whole number/],
    ['a word for an integer', '"body":{"intValue":"secret"}', /intValue is a string; send a whole number/],
    ['a word for true', '"body":{"boolValue":"true"}', /boolValue is a string; send true or false/],
    ['a list for a double', '"body":{"doubleValue":[]}', /doubleValue is an array; send a number/],
    ['attributes as text', '"attributes":"a"', /attributes is a string; send an array/],
    ['an attribute under a name', '"attributes":[{"name":"a","value":{}}]', /an attribute has no "key"; found "name"/],
    [
      'an attribute without its AnyValue',
      '"attributes":[{"key":"a","stringValue":"x"}]',
      /an attribute has no "value"; found "stringValue"/,
    ],
    ['an invalid key', '"attributes":[{"key":1}]', /key is a number; send a string/],
  ]
  for (const [name, text, message] of members)
    t.throws(() => seeRecord(text), { code: 'body_malformed', message }, name)
})

t.test('accepts an export without records', async (t) => {
  const bodies = [
    '',
    '{}',
    '{"resourceLogs":[]}',
    '{"resourceLogs":null}',
    '{"resourceLogs":[{}]}',
    '{"resourceLogs":[{"scopeLogs":[{"scope":{},"schemaUrl":"x"}]}]}',
    '{"resource_logs":[{"scope_logs":[{"log_records":[]}]}],"x":1}',
  ]
  for (const text of bodies) t.same(see(text), [], text)
})

t.test('rejects misspelt keys in place of the records', async (t) => {
  const rows: [text: string, message: string][] = [
    ['{"x":1}', 'the body has no "resourceLogs"; found "x"'],
    ['{"resourceSpans":[]}', 'the body has no "resourceLogs"; found "resourceSpans"'],
    ['{"ResourceLogs":[]}', 'the body has no "resourceLogs"; found "ResourceLogs"'],
    ['{"resourceLogs":[{"scopelogs":[]}]}', 'an item of resourceLogs has no "scopeLogs"; found "scopelogs"'],
    ['{"resourceLogs":[{"scopeLogs":[{"records":[]}]}]}', 'an item of scopeLogs has no "logRecords"; found "records"'],
  ]
  for (const [text, message] of rows) {
    t.throws(() => see(text), { code: 'body_malformed', message: `OTLP JSON: ${message}` }, text)
  }
})

t.test('reads scopes under their former name', async (t) => {
  const text = `{"resourceLogs":[{"instrumentationLibraryLogs":[{"instrumentationLibrary":{"name":"lib"},"logs":[{"body":"x"}]}]}]}`
  t.match(see(text), [{ line: 'x', metadata: ['scope_name=lib'] }])
})

t.test('rejects an invalid record and keeps the others', async (t) => {
  const rows: [members: string, fault: string][] = [
    ['"traceId":"xyz"', 'log record has a traceId of 3 characters; send 16 bytes, or 32 hex digits in JSON'],
    ['"spanId":"eee19b7e"', 'log record has a spanId of 8 characters; send 8 bytes, or 16 hex digits in JSON'],
    ['"traceId":7', 'log record has a traceId of the wrong kind (a number); send 16 bytes, or 32 hex digits in JSON'],
    ['"message":"x"', 'log record has no "body"; found "message"'],
    ['"Body":{"stringValue":"x"}', 'log record has no "body"; found "Body"'],
    ['"body":"x","timestamp":"1"', 'log record has no "timeUnixNano"; found "timestamp"'],
  ]
  for (const [members, fault] of rows) {
    const sink = new SeeingSink()
    const body = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{${members}},{"body":"kept"}]}]}]}`
    decodeOtlpJson(new TextEncoder().encode(body), sink, options)
    t.same(sink.refused, [fault])
    t.match(sink.entries, [{ line: 'kept', metadata: [] }])
  }
})

t.test('reads the same from JSON as from protobuf', async (t) => {
  const text = fc.string({ unit: 'grapheme' })
  const { value } = fc.letrec<{ value: object }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'value' },
      text.map((stringValue) => ({ stringValue })),
      fc.boolean().map((boolValue) => ({ boolValue })),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ({ intValue: String(value) })),
      fc.uint8Array().map((bytes) => ({ bytesValue: Buffer.from(bytes).toString('base64') })),
      fc.array(tie('value'), { maxLength: 3 }).map((values) => ({ arrayValue: { values } })),
      fc
        .array(fc.record({ key: text, value: tie('value') }), { maxLength: 3 })
        .map((values) => ({ kvlistValue: { values } })),
    ),
  }))
  const attributes = fc.array(fc.record({ key: text, value }), { maxLength: 3 })
  const record = fc.record({
    timeUnixNano: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
    severityText: text,
    body: value,
    attributes,
  })
  const scope = fc.record({ name: text, attributes })
  const scopeLogs = fc.array(fc.record({ scope, logRecords: fc.array(record, { minLength: 1, maxLength: 3 }) }), {
    minLength: 1,
    maxLength: 2,
  })
  fc.assert(
    fc.property(fc.record({ resource: fc.record({ attributes }), scopeLogs }), (resourceLogs) => {
      const request = { resourceLogs: [resourceLogs] }
      const sink = new SeeingSink()
      decodeOtlpProtobuf(encode('ExportLogsServiceRequest', request), sink, options)
      return JSON.stringify(see(JSON.stringify(request))) === JSON.stringify(sink.entries)
    }),
  )
  t.pass('for every request')
})

t.test('gives entries or a GatewayError for any JSON and any bytes', async (t) => {
  const check = (bytes: Uint8Array) => {
    try {
      decodeOtlpJson(bytes, new SeeingSink(), options)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
    }
  }
  const names = [
    'resourceLogs',
    'resource',
    'scopeLogs',
    'logRecords',
    'attributes',
    'key',
    'value',
    'body',
    'timeUnixNano',
  ]
  const variants = [
    'arrayValue',
    'kvlistValue',
    'values',
    'intValue',
    'severityNumber',
    'flags',
    'traceId',
    '__proto__',
  ]
  const key = fc.constantFrom(...names, ...variants)
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 8, depthIdentifier: 'tree' },
      fc.constantFrom(null, 1, '1', 'x', true, 1.5),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.array(fc.tuple(key, tie('tree')), { maxLength: 4 }).map((pairs) => Object.fromEntries(pairs)),
    ),
  }))
  fc.assert(
    fc.property(tree, (value) => check(new TextEncoder().encode(JSON.stringify({ resourceLogs: value })))),
    { numRuns: 2000 },
  )
  const head = '{"resourceLogs":[{"scopeLogs":[{"logRecords":['
  fc.assert(
    fc.property(tree, (value) => check(new TextEncoder().encode(`${head}${JSON.stringify(value)}]}]}]}`))),
    { numRuns: 2000 },
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 50 }), check))
  t.pass('no other error')
})
