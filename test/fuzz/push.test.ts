/** Every push decoder returns a result or throws a GatewayError for any bytes, in bounded time. */

import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import { decompressBody } from '../../src/protocol/bytes/decompress.ts'
import { decodeLz4Frames } from '../../src/protocol/bytes/lz4-frame.ts'
import { decodeSnappy } from '../../src/protocol/bytes/snappy.ts'
import { encodePush, encodePushProtobuf, type PushStream } from '../../src/protocol/loki/loki-push-encode.ts'
import { decodePushJson } from '../../src/protocol/loki/loki-push-json.ts'
import { decodePushProtobuf } from '../../src/protocol/loki/loki-push-protobuf.ts'
import { RecordingSink } from '../support/recording-sink.ts'

/** Increase it for a longer manual run: FUZZ_RUNS=100000 node test/fuzz/push.test.ts */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 1000)
const LIMIT = 100_000

const streams: PushStream[] = [
  {
    labels: '{app="shop", env=\'dev\', raw=`x`}',
    entries: [
      {
        ns: 1_700_000_000_123_456_789n,
        line: 'héllo "quoted" \\ \n 😀',
        metadata: [
          ['trace', 'ab'],
          ['user', 'é'],
        ],
      },
      { ns: -1n, line: '' },
      { ns: 5n, line: 'plain line '.repeat(20) },
    ],
  },
  { labels: '{bad', entries: [{ ns: 0n, line: 'x' }] },
]
const json = JSON.stringify({
  streams: streams.map(({ entries }) => ({
    stream: { app: 'shop', n: 1, o: { p: [null] } },
    values: entries.map(({ ns, line, metadata = [] }) => [
      String(ns),
      line,
      { ...Object.fromEntries(metadata), n: 1.5 },
    ]),
  })),
})
const legacy = JSON.stringify({
  streams: streams.map(({ labels, entries }) => ({
    labels,
    entries: entries.map(({ line }) => ({ ts: '2026-11-21T10:00:00.5+01:00', line })),
  })),
})
const lz4 = Buffer.from('04224d18604082100000006f68656c6c6f2006000650656c6c6f0a00000000', 'hex')

type Decode = (body: Buffer) => unknown
const intoSink =
  (decode: (body: Uint8Array, sink: RecordingSink) => void): Decode =>
  (body) => {
    const sink = new RecordingSink()
    decode(body, sink)
    return sink.streams
  }
const decoders: [name: string, valid: Uint8Array, decode: Decode][] = [
  ['snappy', encodePush(streams), (body) => decodeSnappy(body, LIMIT)],
  ['lz4', lz4, (body) => decodeLz4Frames(body, LIMIT)],
  ['gzip', gzipSync(json), (body) => decompressBody(body, 'gzip', LIMIT)],
  ['deflate', deflateSync(json), (body) => decompressBody(body, 'deflate', LIMIT)],
  ['zstd', zstdCompressSync(json), (body) => decompressBody(body, 'zstd', LIMIT)],
  [
    'protobuf',
    encodePushProtobuf(streams),
    intoSink((body, sink) => decodePushProtobuf(body, sink, { labelTextBytesMax: LIMIT })),
  ],
  ['JSON', Buffer.from(json), intoSink(decodePushJson)],
  ['legacy JSON', Buffer.from(legacy), intoSink(decodePushJson)],
]

/** Changes a valid body: bytes set, removed, doubled; then possibly truncated. */
const change = fc.record({
  kind: fc.constantFrom('set', 'remove', 'repeat', 'cut'),
  at: fc.nat(),
  length: fc.integer({ min: 1, max: 40 }),
  byte: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d, 0x2c, 0x75, 0x80, 0xff)),
})

for (const [name, valid, decode] of decoders) {
  t.test(`${name} of any bytes gives a result or a GatewayError`, async (t) => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => keepsLaw(decode, Buffer.from(bytes)))
    t.doesNotThrow(() => fc.assert(property, { numRuns: RUNS }))
  })

  t.test(`${name} of a changed body gives a result or a GatewayError`, async (t) => {
    t.equal(attempt(decode, Buffer.from(valid)), undefined, 'the body is taken as it is')
    const property = fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      let body = Buffer.from(valid)
      for (const { kind, at, length, byte } of changes) {
        const place = at % (body.length + 1)
        if (kind === 'set' && place < body.length) body[place] = byte
        if (kind === 'remove') body = Buffer.concat([body.subarray(0, place), body.subarray(place + length)])
        if (kind === 'repeat') body = Buffer.concat([body.subarray(0, place + length), body.subarray(place)])
        if (kind === 'cut' && length > 30) body = body.subarray(0, place)
      }
      return keepsLaw(decode, body)
    })
    t.doesNotThrow(() => fc.assert(property, { numRuns: RUNS }))
  })
}

t.test('a body of nothing but structure ends soon', async (t) => {
  const deep = (text: string): Buffer => Buffer.from(text.repeat(1_000_000 / text.length))
  const rows: [name: string, body: Buffer, decode: Decode][] = [
    ['JSON of brackets', deep('['), intoSink(decodePushJson)],
    ['JSON of objects', deep('{"a":'), intoSink(decodePushJson)],
    ['JSON of backslashes', deep('\\'), intoSink(decodePushJson)],
    ['JSON of empty streams', deep('{"streams":[{},'), intoSink(decodePushJson)],
    [
      'protobuf of empty streams',
      deep('\n\0'),
      intoSink((body, sink) => decodePushProtobuf(body, sink, { labelTextBytesMax: LIMIT })),
    ],
    [
      'protobuf of streams in streams',
      deep('\n\x7f'),
      intoSink((body, sink) => decodePushProtobuf(body, sink, { labelTextBytesMax: LIMIT })),
    ],
  ]
  for (const [name, body, decode] of rows) {
    const start = process.cpuUsage()
    t.ok(keepsLaw(decode, body), name)
    t.ok(process.cpuUsage(start).user < 2_000_000, `${name} takes less than 2 s of processor time`)
  }
})

function keepsLaw(decode: Decode, body: Buffer): boolean {
  const error = attempt(decode, body)
  return error === undefined || (error instanceof GatewayError && error.message.length < 400)
}

function attempt(decode: Decode, body: Buffer): unknown {
  try {
    const result = decode(body)
    return result instanceof Promise ? new Error('BUG: small bodies are decoded at once') : undefined
  } catch (error) {
    return error
  }
}
