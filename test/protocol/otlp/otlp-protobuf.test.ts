import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { JSON_VALUES_MAX } from '../../../src/protocol/bytes/exact-json.ts'
import { decodeOtlpProtobuf } from '../../../src/protocol/otlp/otlp-protobuf.ts'
import { encode, SeeingSink } from './otlp-cases.ts'

const options = { nowMs: 1_763_724_815_000 }

function see(body: Uint8Array): SeeingSink['entries'] {
  const sink = new SeeingSink()
  decodeOtlpProtobuf(body, sink, options)
  return sink.entries
}

/** A length-delimited field. */
function field(number: number, ...parts: (Uint8Array | number[])[]): Uint8Array {
  const value = Buffer.concat(parts.map((part) => Uint8Array.from(part)))
  const head: number[] = [number * 8 + 2]
  for (let left = value.length; ; left >>>= 7) {
    head.push(left < 128 ? left : (left & 127) | 128)
    if (left < 128) return Buffer.concat([Uint8Array.from(head), value])
  }
}

const request = (...record: (Uint8Array | number[])[]) => field(1, field(2, field(2, ...record)))
const body = field(5, field(1, [0x68, 0x69]))

t.test('skips fields that it does not know', async (t) => {
  const rows: [name: string, bytes: number[]][] = [
    ['a varint', [0x98, 0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['64 bits', [0x99, 0x06, 1, 2, 3, 4, 5, 6, 7, 8]],
    ['bytes', [0x9a, 0x06, 2, 1, 2]],
    ['32 bits', [0x9d, 0x06, 1, 2, 3, 4]],
    ['a group', [0x9b, 0x06, 0x08, 1, 0x13, 0x14, 0x9c, 0x06]],
    ['the highest field number', [0xf8, 0xff, 0xff, 0xff, 0x0f, 1]],
  ]
  for (const [name, bytes] of rows) {
    t.equal(see(request(bytes, body, bytes))[0]?.line, 'hi', `${name} in a record`)
    t.equal(see(Buffer.concat([Uint8Array.from(bytes), request(body)]))[0]?.line, 'hi', `${name} in the request`)
    t.equal(see(request(field(5, bytes, field(1, [0x68, 0x69]))))[0]?.line, 'hi', `${name} in a body`)
  }
})

t.test('skips records under their name before OTLP 0.9', async (t) => {
  t.equal(see(request(field(4, [0x6e]), body))[0]?.line, 'hi')
})

t.test('rejects bytes that are not a valid message', async (t) => {
  const rows: [name: string, bytes: Uint8Array][] = [
    ['text', Buffer.from('{"resourceLogs":[]}')],
    ['a length beyond the end', request(body).subarray(0, -1)],
    ['a length beyond its message', request([0x2a, 0x7f])],
    ['a length of nearly 4 GiB', request([0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ['a varint without an end', request([0x10, 0xff])],
    ['a varint of 11 bytes', request([0x10, ...Array(10).fill(0xff), 1])],
    ['a time cut short', request([0x09, 1, 2, 3])],
    ['field number 0', request([0x00, 1])],
    ['an unknown wire type', request([0x0e, 1])],
    ['a field of a record with another wire type', request([0x28, 1])],
    ['a metric: its name has the number of the time', request(field(1, [0x63]), field(3, [0x31]))],
    ['a known field with another wire type in the request', Uint8Array.of(0x08, 1)],
    ['a known field with another wire type in a body', request(field(5, [0x08, 1]))],
    ['a group that does not end', request([0x9b, 0x06, 0x08, 1])],
    ['a group that ends as another', request([0x9b, 0x06, 0x1c])],
    ['an end without a group', request([0x9c, 0x06])],
    ['groups without end', request(Array(1000).fill(0x0b))],
  ]
  for (const [name, bytes] of rows) {
    t.throws(
      () => see(bytes),
      { code: 'body_malformed', message: /^body is not valid OTLP protobuf: .* at byte \d+$/ },
      name,
    )
  }
})

t.test('accepts values nested 62 levels deep and rejects deeper ones', async (t) => {
  const nested = (depth: number) => {
    let value = field(1, [0x78])
    for (let i = 0; i < depth; i++) value = field(5, field(1, value))
    return request(field(5, value))
  }
  t.equal(see(nested(62))[0]?.line, `${'['.repeat(62)}"x"${']'.repeat(62)}`)
  t.throws(() => see(nested(63)), { code: 'body_malformed', message: /nested deeper/ })
  t.throws(() => see(nested(5000)), { code: 'body_malformed', message: /nested deeper/ })
})

t.test('keeps the bytes of a text as they are', async (t) => {
  let seen: Uint8Array | undefined
  const sink = new SeeingSink()
  let text = new Uint8Array(0)
  sink.useText = (bytes) => {
    text = bytes as typeof text
  }
  sink.addEntry = (_seconds, _nanos, start, end) => {
    seen = text.slice(start, end)
  }
  decodeOtlpProtobuf(request(field(5, field(1, [0xff, 0x00, 0xc3]))), sink, options)
  t.strictSame([...(seen ?? [])], [0xff, 0x00, 0xc3])
})

t.test('uses the last of several values of a body', async (t) => {
  t.equal(see(request(field(5, field(1, [0x68]), [0x10, 1])))[0]?.line, 'true')
  t.equal(see(request(field(5, [0x10, 1], field(1, [0x68]))))[0]?.line, 'h')
})

t.test('stops at more messages than its limit', async (t) => {
  const records = Buffer.alloc((JSON_VALUES_MAX + 1) * 2)
  for (let i = 0; i < records.length; i += 2) records[i] = 0x12
  t.throws(() => see(field(1, field(2, records))), { code: 'body_too_large' })
})

t.test('decodes messages encoded with the schema', async (t) => {
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)
  const text = fc.string({ unit: 'grapheme' })
  const scalar = fc.oneof(
    text.map((value) => [{ stringValue: value }, value] as const),
    fc.boolean().map((value) => [{ boolValue: value }, String(value)] as const),
    int64.map((value) => [{ intValue: value }, value] as const),
    fc.double().map((value) => [{ doubleValue: value }, String(value)] as const),
  )
  const time = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n })
  const record = fc.record({ time, body: scalar, value: scalar, severity: fc.integer({ min: 1, max: 24 }) })
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 4 }), (records) => {
      const logRecords = records.map(({ time, body, value, severity }) => ({
        timeUnixNano: String(time),
        severityNumber: severity,
        body: body[0],
        attributes: [{ key: 'a', value: value[0] }],
      }))
      const entries = see(encode('ExportLogsServiceRequest', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] }))
      const expected = records.map(({ time, body, value, severity }) => ({
        labels: {},
        time: [Number(time / 1_000_000_000n), Number(time % 1_000_000_000n)],
        line: body[1],
        metadata: [`a=${value[1]}`, `severity_number=${severity}`],
      }))
      return JSON.stringify(entries) === JSON.stringify(expected)
    }),
  )
  t.pass('for every request')
})

t.test('gives entries or a GatewayError for any bytes', async (t) => {
  const check = (bytes: Uint8Array) => {
    try {
      see(bytes)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), check), { numRuns: 1000 })
  const good = Buffer.from(
    request(
      body,
      field(6, field(1, [0x61]), field(2, field(6, field(1, field(1, [0x62]))))),
      [9, 1, 2, 3, 4, 5, 6, 7, 8],
    ),
  )
  const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255))
  const changed = fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const bytes = Buffer.from(good)
    for (const [at, byte] of changes) bytes[at] = byte
    return bytes
  })
  fc.assert(fc.property(changed, check), { numRuns: 5000 })
  t.pass('no other error')
})
