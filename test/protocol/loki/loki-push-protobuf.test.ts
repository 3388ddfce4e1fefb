import fc from 'fast-check'
import protobuf from 'protobufjs/light.js'
import snappyjs from 'snappyjs'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { decodeSnappy } from '../../../src/protocol/bytes/snappy.ts'
import { encodePush, encodePushProtobuf, type PushStream } from '../../../src/protocol/loki/loki-push-encode.ts'
import { decodePushProtobuf } from '../../../src/protocol/loki/loki-push-protobuf.ts'
import { PUSH_SCHEMA } from '../../../src/protocol/loki/push-schema.ts'
import { type RecordedStream, RecordingSink } from '../../support/recording-sink.ts'

const LIMITS = { labelTextBytesMax: 1000 }
const NS = 1_700_000_000_123_456_789n

/** The bytes of a message, from varints, texts and messages. */
type Part = number | string | Uint8Array
const join = (...parts: Part[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? varint(BigInt(part)) : Buffer.from(part))))
/** A length-delimited field. */
const field = (number: number, ...parts: Part[]): Buffer => {
  const inside = join(...parts)
  return join((number << 3) | 2, inside.length, inside)
}
const varint = (value: bigint): Buffer => {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Buffer.from([...bytes, Number(rest)])
}
const labels = field(1, '{a="b"}')
const time = field(1, 0x08, 1_700_000_000, 0x10, 123_456_789)
const line = field(2, 'text')
const pair = field(3, field(1, 'trace'), field(2, '7'))
const entry = field(2, time, line)
/** An unknown field of each wire type. */
const unknown = join(
  ...[join(99 << 3, varint(-1n)), join((99 << 3) | 1, '12345678'), field(99, 'x'), join((99 << 3) | 5, '1234')],
)
const taken = { ns: NS, line: 'text', metadata: [] }

t.test('decodes a message', async (t) => {
  const one = (given: object): RecordedStream[] => [{ labels: '{a="b"}', entries: [{ ...taken, ...given }] }]
  const stream = (...parts: Part[]): Buffer => field(1, labels, field(2, ...parts))
  const rows: [name: string, body: Buffer, wanted: RecordedStream[]][] = [
    ['of one entry', stream(time, line), one({})],
    ['with metadata', stream(time, line, pair), one({ metadata: [['trace', '7']] })],
    [
      'with metadata before the line',
      stream(pair, pair, line, time),
      one({
        metadata: [
          ['trace', '7'],
          ['trace', '7'],
        ],
      }),
    ],
    [
      'with a pair whose value comes first',
      stream(time, line, field(3, field(2, '7'), field(1, 'trace'))),
      one({ metadata: [['trace', '7']] }),
    ],
    ['with an empty pair', stream(time, line, field(3)), one({ metadata: [['', '']] })],
    ['with fields only answers have', stream(time, line, field(4, field(1, 'parsed'))), one({})],
    ['without a line', stream(time), one({ line: '' })],
    ['without a timestamp, which is the year 1', stream(line), one({ ns: -62_135_596_800_000_000_000n })],
    ['with an empty timestamp', stream(line, field(1)), one({ ns: 0n })],
    ['with a timestamp in two parts', stream(line, field(1, 8, 5), field(1, 16, 7)), one({ ns: 5_000_000_007n })],
    ['with negative seconds', stream(line, field(1, 8, varint(-3n), 16, 5)), one({ ns: -2_999_999_995n })],
    ['with the least seconds', stream(line, field(1, 8, varint(-(2n ** 63n)))), one({ ns: -(2n ** 63n) * 10n ** 9n })],
    ['with negative nanoseconds', stream(line, field(1, 16, varint(-1n))), one({ ns: -1n })],
    ['with a line of UTF-8', stream(time, field(2, 'héllo €😀')), one({ line: 'héllo €😀' })],
    ['with a line given twice', stream(time, field(2, 'first'), line), one({})],
    [
      'with a length in more bytes than needed',
      field(1, labels, field(2, time, join(0x12, Buffer.from([0x84, 0x80, 0x00]), 'text'))),
      one({}),
    ],
    ['with labels behind the entries', field(1, entry, labels), one({})],
    ['with labels given twice', field(1, field(1, '{x="y"}'), entry, labels), one({})],
    [
      'with labels that Go escaped',
      field(1, field(1, '{a="\\xc3\\xa9"}'), entry),
      [{ labels: '{a="é"}', entries: [taken] }],
    ],
    ['with a format and a hash', join(field(2, 'loki'), field(1, labels, 0x18, varint(-1n), entry)), one({})],
    [
      'with unknown fields',
      join(
        unknown,
        field(
          1,
          unknown,
          labels,
          unknown,
          field(2, unknown, field(1, unknown, 8, 1_700_000_000, 16, 123_456_789, unknown), line, unknown),
          unknown,
        ),
        unknown,
      ),
      one({}),
    ],
    ['with a stream without entries', join(field(1, labels), stream(time, line)), one({})],
    ['of streams without entries only', join(field(1, labels), field(1)), []],
    [
      'of two streams',
      join(field(1, labels, entry), field(1, field(1, '{}'), entry, entry)),
      [
        { labels: '{a="b"}', entries: [taken] },
        { labels: '{}', entries: [taken, taken] },
      ],
    ],
  ]
  for (const [name, body, wanted] of rows) t.same(decode(body), wanted, name)
})

t.test('rejects only the stream whose labels are invalid', async (t) => {
  const rows: [name: string, text: string][] = [
    ['no labels', ''],
    ['an unescaped quote', '{a="b"c"}'],
    ['no closing brace', '{a="b"'],
    ['an invalid name', '{1="b"}'],
  ]
  for (const [name, text] of rows) {
    const streams = decode(join(field(1, field(1, text), entry), field(1, labels, entry)))
    t.match(streams, [{ labels: text, error: /parse error/, entries: [taken] }, { labels: '{a="b"}' }], name)
  }
  t.match(decode(field(1, entry)), [{ labels: '', error: /parse error/, entries: [taken] }], 'no labels at all')
})

t.test('keeps a line of any bytes', async (t) => {
  const bytes = Buffer.from([0xff, 0xfe, 0x00, 0xc3])
  const sink = new RecordingSink()
  decodePushProtobuf(field(1, labels, field(2, time, field(2, bytes))), sink, LIMITS)
  t.same(Buffer.from(sink.lineBytes(0, 0)), bytes)
})

t.test('refuses a message', async (t) => {
  const inEntry = (...parts: Part[]): Buffer => field(1, labels, field(2, ...parts))
  const rows: [name: string, body: Buffer, code: string][] = [
    ['of no bytes', Buffer.alloc(0), 'streams_missing'],
    ['without streams', field(2, 'loki'), 'streams_missing'],
    ['that is text', Buffer.from('{"streams":[]}'), 'body_malformed'],
    ['that ends within a tag', Buffer.from([0x80]), 'body_malformed'],
    ['that ends within a length', Buffer.from([0x0a, 0x80]), 'body_malformed'],
    ['that ends within a stream', field(1, labels, entry).subarray(0, -1), 'body_malformed'],
    ['with field 0', join(field(1, labels), 0x02, 0), 'body_malformed'],
    ['with a tag beyond 32 bits', Buffer.from([0x82, 0x80, 0x80, 0x80, 0x10, 0]), 'body_malformed'],
    ['with a length beyond 31 bits', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), 'body_malformed'],
    ['with a length beyond 32 bits', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x1f]), 'body_malformed'],
    ['with a varint of eleven bytes', join(99 << 3, Buffer.alloc(10, 0xff), 0), 'body_malformed'],
    ['with a group', Buffer.from([0x9b, 0x06, 0x9c, 0x06]), 'body_malformed'],
    ['with wire type 6', Buffer.from([0x9e, 0x06]), 'body_malformed'],
    ['with wire type 7', Buffer.from([0x9f, 0x06]), 'body_malformed'],
    ['with a 64-bit field that ends early', join((99 << 3) | 1, '1234567'), 'body_malformed'],
    ['with a 32-bit field that ends early', join((99 << 3) | 5, '123'), 'body_malformed'],
    ['with streams of another wire type', join(0x08, 1), 'body_malformed'],
    ['with labels of another wire type', field(1, 0x08, 1), 'body_malformed'],
    ['with a line of another wire type', inEntry(0x10, 1), 'body_malformed'],
    ['with seconds of another wire type', inEntry(field(1, field(1, 'x'))), 'body_malformed'],
    ['with a name of another wire type', inEntry(field(3, 0x08, 1)), 'body_malformed'],
    ['with an entry that passes its stream', join(0x0a, 4, 0x12, 9, 'ab', entry), 'body_malformed'],
    ['with a line that passes its entry', join(field(1, labels, 0x12, 4, 0x12, 3, 'ab', line)), 'body_malformed'],
    [
      'with a varint beyond its message',
      join(field(1, labels, field(2, field(1, 8, Buffer.from([0x80])))), entry),
      'body_malformed',
    ],
    ['with a label text over the limit', field(1, field(1, `{a="${'x'.repeat(1000)}"}`), entry), 'body_too_large'],
    ['with too many streams', Buffer.alloc(6 * 100_001, join(0x0a, 2, 0x12, 0)), 'body_too_large'],
    ['with too many entries', field(1, labels, Buffer.alloc(2 * 5_000_001, join(0x12, 0))), 'body_too_large'],
  ]
  for (const [name, body, code] of rows) t.throws(() => decode(body), { code }, name)
  t.throws(() => decode(field(1, field(1, 'x'.repeat(1001)))), {
    message: /^request body too large: .* 1001 bytes, the limit is 1000/,
  })
})

const text = fc.string({ unit: 'binary', maxLength: 12 }).map((some) => some.toWellFormed())
const stream: fc.Arbitrary<PushStream> = fc.record({
  labels: fc.constantFrom('{a="b"}', '{}', '{job="x", app=`y`}', '{not labels', ''),
  entries: fc.array(
    fc.record({
      ns: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      line: text,
      metadata: fc.array(fc.tuple(text, text), { maxLength: 3 }),
    }),
    { maxLength: 4 },
  ),
})

t.test('decodes what was encoded', async (t) => {
  const property = fc.property(fc.array(stream, { minLength: 1, maxLength: 4 }), (streams) => {
    const found = decode(decodeSnappy(encodePush(streams), 1_000_000))
    const wanted = streams.filter(({ entries }) => entries.length > 0)
    t.same(
      found.map(({ entries }) => entries),
      wanted.map(({ entries }) => entries),
    )
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }))
})

t.test('agrees with protobufjs on a changed message', async (t) => {
  const change = fc.tuple(fc.nat(), fc.nat({ max: 255 }))
  const property = fc.property(stream, fc.array(change, { maxLength: 2 }), (given, changes) => {
    const body = Buffer.from(encodePushProtobuf([given]))
    for (const [at, byte] of changes) body[at % body.length] = byte
    const wanted = attempt(() => reference(body))
    const found = attempt(() => decode(body).map(({ entries }) => entries))
    // protobufjs ignores a known field with another wire type; Go, and so Loki, rejects it.
    if (found instanceof GatewayError && /has wire type/.test(found.message)) return true
    if (found instanceof GatewayError && found.code === 'streams_missing') return true
    if (found instanceof Error) t.type(wanted, Error, found.message)
    else t.same(found, wanted)
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('encodes one snappy block', async (t) => {
  const streams = [{ labels: '{a="b"}', entries: [{ ns: NS, line: 'text' }] }]
  t.same(Buffer.from(snappyjs.uncompress(encodePush(streams))), field(1, labels, entry))
})

function decode(body: Uint8Array): RecordedStream[] {
  const sink = new RecordingSink()
  decodePushProtobuf(body, sink, LIMITS)
  return sink.streams
}

function attempt<T>(run: () => T): T | Error {
  try {
    return run()
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
}

// protobufjs rejects text that is not UTF-8, so text has the type bytes here.
const BYTES_SCHEMA = JSON.stringify(PUSH_SCHEMA).replaceAll('"type":"string"', '"type":"bytes"')
const BYTES_REQUEST = protobuf.Root.fromJSON(JSON.parse(BYTES_SCHEMA)).lookupType('logproto.PushRequest')

/** The entries of each stream as decoded by protobufjs. */
/** The time of an entry without a timestamp, as in Go: the first moment of the year 1. */
const GO_ZERO_TIME_NS = -62_135_596_800_000_000_000n

function reference(body: Uint8Array): unknown {
  const message = BYTES_REQUEST.toObject(BYTES_REQUEST.decode(body), { longs: String, defaults: true })
  const streams = message['streams'] as { entries: ReferenceEntry[] }[]
  return streams
    .filter(({ entries }) => entries.length > 0)
    .map(({ entries }) =>
      entries.map(({ timestamp, line, structuredMetadata }) => ({
        // A timestamp beyond 2^53 seconds is approximate, and refused by every sink.
        ns: timestamp ? BigInt(Number(timestamp.seconds)) * 1_000_000_000n + BigInt(timestamp.nanos) : GO_ZERO_TIME_NS,
        line: String(line),
        metadata: structuredMetadata.map(({ name, value }) => [String(name), String(value)]),
      })),
    )
}

interface ReferenceEntry {
  readonly timestamp: { readonly seconds: string; readonly nanos: number } | null
  readonly line: Buffer
  readonly structuredMetadata: readonly { readonly name: Buffer; readonly value: Buffer }[]
}
