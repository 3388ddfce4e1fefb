/** The worst bodies within the limits of a push, in every form: large, of many small parts, and hard to compress. */

import { gzipSync, zstdCompressSync } from 'node:zlib'
import { encodePush, type PushStream } from '../src/protocol/loki/loki-push-encode.ts'
import { Random } from '../test/support/random.ts'

export interface LargeBody {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface NamedBody {
  readonly name: string
  /** Makes the body; each round has other lines. */
  make(round: number): LargeBody
}

const MIB = 1024 * 1024
const ENTRIES_MAX = 100_000
const STREAMS_MAX = 5000
const LOGS_MAX = 10_000

interface Entry {
  readonly ms: number
  readonly line: string
  readonly metadata?: Readonly<Record<string, string>>
}

interface Stream {
  readonly labels: Readonly<Record<string, string>>
  readonly entries: readonly Entry[]
}

/** What a body holds, independent of its form. */
type Content = (random: Random, endMs: number) => readonly Stream[]

/** Lines like those of programs, `bytes` in all. */
function usualLines(bytes: number): Content {
  return (random, endMs) => {
    const streams = Array.from({ length: 20 }, (_, i) => ({
      labels: { app: `app-${i}`, pod: random.hex(10) },
      entries: [] as Entry[],
    }))
    for (let sum = 0, i = 0; sum < bytes; i++) {
      const line = `level=${random.pick(['info', 'warn', 'error'])} msg="order ${random.hex(16)} was taken" took=${random.integer(9000)} trace=${random.hex(16)} path=/api/${random.hex(4)} user=${random.integer(100_000)}`
      const metadata = random.chance(0.3) ? { trace_id: random.hex(32) } : undefined
      random.pick(streams).entries.push({ ms: endMs - 600_000 + i, line, ...(metadata && { metadata }) })
      sum += line.length
    }
    return streams
  }
}

function entriesOf(count: number, entry: (i: number, endMs: number, random: Random) => Entry): Content {
  return (random, endMs) => [
    { labels: { app: 'worst' }, entries: Array.from({ length: count }, (_, i) => entry(i, endMs, random)) },
  ]
}

const CONTENTS: readonly (readonly [name: string, content: Content])[] = [
  ['1 MiB of usual lines', usualLines(MIB)],
  ['10 MiB of usual lines', usualLines(10 * MIB)],
  ['100,000 short lines', entriesOf(ENTRIES_MAX, (i, ms) => ({ ms: ms - i, line: `${i}` }))],
  [
    '100,000 errors of many kinds',
    entriesOf(ENTRIES_MAX, (i, ms, random) => ({ ms: ms - i, line: kindOfError(random) })),
  ],
  [
    '100,000 lines with 5 pairs of metadata',
    entriesOf(ENTRIES_MAX, (i, ms, random) => {
      return { ms: ms - i, line: 'x', metadata: { a: random.hex(8), b: `${i}`, c: 'c', d: 'd', e: 'e' } }
    }),
  ],
  [
    '100,000 lines in any order of time',
    entriesOf(ENTRIES_MAX, (i, ms, random) => ({ ms: ms - random.integer(3_600_000), line: `${i}` })),
  ],
  ['100,000 lines of one time', entriesOf(ENTRIES_MAX, (i, ms) => ({ ms, line: `${i} ${'x'.repeat(40)}` }))],
  [
    '5,000 streams of 20 lines',
    (random, endMs) =>
      Array.from({ length: STREAMS_MAX }, (_, i) => ({
        labels: { app: 'worst', pod: `pod-${i}`, node: random.hex(8), container: 'server' },
        entries: Array.from({ length: 20 }, (_, j) => ({ ms: endMs - j, line: random.hex(16) })),
      })),
  ],
  ['40 lines of 250 KiB', entriesOf(40, (i, ms, random) => ({ ms: ms - i, line: random.hex(250 * 1024) }))],
  ['10 MiB of escapes', entriesOf(50, (i, ms) => ({ ms: ms - i, line: '\n"\\é'.repeat(40_000) }))],
]

const WORDS = 'payment cart order session disk queue worker token upstream reply index cache'.split(' ')

function kindOfError(random: Random): string {
  return `level=error msg="${Array.from({ length: 6 }, () => random.pick(WORDS)).join(' ')} failed"`
}

const nsOf = (ms: number): string => `${ms}000000`

function toJson(streams: readonly Stream[]): string {
  return JSON.stringify({
    streams: streams.map(({ labels, entries }) => ({
      stream: labels,
      values: entries.map(({ ms, line, metadata }) => (metadata ? [nsOf(ms), line, metadata] : [nsOf(ms), line])),
    })),
  })
}

function toOldJson(streams: readonly Stream[]): string {
  return JSON.stringify({
    streams: streams.map(({ labels, entries }) => ({
      labels: labelText(labels),
      entries: entries.map(({ ms, line }) => ({ ts: new Date(ms).toISOString(), line })),
    })),
  })
}

function labelText(labels: Stream['labels']): string {
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(', ')}}`
}

function toSnappy(streams: readonly Stream[]): Uint8Array {
  return encodePush(
    streams.map(
      ({ labels, entries }): PushStream => ({
        labels: labelText(labels),
        entries: entries.map(({ ms, line, metadata }) => {
          const entry = { ns: BigInt(ms) * 1_000_000n, line }
          return metadata === undefined ? entry : { ...entry, metadata: Object.entries(metadata) }
        }),
      }),
    ),
  )
}

function toOtlp(streams: readonly Stream[]): string {
  const attributes = (pairs: Readonly<Record<string, string>>): unknown[] =>
    Object.entries(pairs).map(([key, stringValue]) => ({ key, value: { stringValue } }))
  return JSON.stringify({
    resourceLogs: streams.map(({ labels, entries }) => ({
      resource: { attributes: attributes({ 'service.name': labels['app'] ?? '', ...labels }) },
      scopeLogs: [
        {
          logRecords: entries.map(({ ms, line, metadata = {} }) => ({
            timeUnixNano: nsOf(ms),
            body: { stringValue: line },
            attributes: attributes(metadata),
          })),
        },
      ],
    })),
  })
}

/** The same in protobuf: messages are written from the inside. */
function toOtlpProtobuf(streams: readonly Stream[]): Uint8Array {
  return Buffer.concat(
    streams.map(({ labels, entries }) => {
      const resource = Buffer.concat(
        Object.entries({ 'service.name': 'worst', ...labels }).map((pair) => field(1, keyValue(pair))),
      )
      const records = entries.map(({ ms, line, metadata = {} }) => {
        const time = Buffer.alloc(9, 0x09)
        time.writeBigUInt64LE(BigInt(ms) * 1_000_000n, 1)
        const pairs = Object.entries(metadata).map((pair) => field(6, keyValue(pair)))
        return field(2, Buffer.concat([time, field(5, field(1, Buffer.from(line))), ...pairs]))
      })
      return field(1, Buffer.concat([field(1, resource), field(2, Buffer.concat(records))]))
    }),
  )
}

function keyValue([key, value]: [string, string]): Buffer {
  return Buffer.concat([field(1, Buffer.from(key)), field(2, field(1, Buffer.from(value)))])
}

function field(number: number, bytes: Buffer): Buffer {
  const length: number[] = []
  for (let rest = bytes.length; rest > 0 || length.length === 0; rest >>>= 7)
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes])
}

/** As many of the lines as a request of POST /logs may have. */
function toLogs(streams: readonly Stream[]): string[] {
  return streams
    .flatMap(({ labels, entries }) => entries.map(({ line, metadata }) => ({ message: line, ...labels, ...metadata })))
    .slice(0, LOGS_MAX)
    .map((log) => JSON.stringify(log))
}

const PUSH = '/loki/api/v1/push'
const JSON_TYPE = { 'content-type': 'application/json' }
const PROTOBUF_TYPE = { 'content-type': 'application/x-protobuf' }

interface Form {
  readonly name: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly write: (streams: readonly Stream[]) => Uint8Array | string
}

const FORMS: readonly Form[] = [
  { name: 'protobuf', path: PUSH, headers: PROTOBUF_TYPE, write: toSnappy },
  { name: 'JSON', path: PUSH, headers: JSON_TYPE, write: toJson },
  {
    name: 'JSON in gzip',
    path: PUSH,
    headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
    write: (streams) => gzipSync(toJson(streams), { level: 1 }),
  },
  { name: 'old JSON', path: PUSH, headers: JSON_TYPE, write: toOldJson },
  { name: 'OTLP in JSON', path: '/otlp/v1/logs', headers: JSON_TYPE, write: toOtlp },
  { name: 'OTLP in protobuf', path: '/otlp/v1/logs', headers: PROTOBUF_TYPE, write: toOtlpProtobuf },
  {
    name: 'OTLP in protobuf in zstd',
    path: '/otlp/v1/logs',
    headers: { ...PROTOBUF_TYPE, 'content-encoding': 'zstd' },
    write: (streams) => zstdCompressSync(toOtlpProtobuf(streams)),
  },
  { name: 'logs', path: '/logs', headers: JSON_TYPE, write: (streams) => `[${toLogs(streams).join(',')}]` },
  {
    name: 'logs, one a line',
    path: '/logs',
    headers: { 'content-type': 'application/x-ndjson' },
    write: (streams) => toLogs(streams).join('\n'),
  },
]

/** Bodies that are mostly nothing, which a decoder has to pass all the same. */
const EMPTY_BODIES: readonly (readonly [
  name: string,
  form: Pick<LargeBody, 'path' | 'headers'>,
  write: () => Uint8Array,
])[] = [
  [
    '200 MiB of blanks',
    { path: PUSH, headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } },
    () => gzipSync(Buffer.alloc(200 * MIB, 0x20), { level: 1 }),
  ],
  ['1,000,000 tiny entries', { path: PUSH, headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } }, tinyEntries],
  ['60 MiB of zeros in OTLP', { path: '/otlp/v1/logs', headers: PROTOBUF_TYPE }, () => Buffer.alloc(60 * MIB)],
  ['60 MiB of brackets', { path: PUSH, headers: JSON_TYPE }, () => Buffer.alloc(60 * MIB, '[')],
]

function tinyEntries(): Uint8Array {
  const values = `["${Date.now()}000000",""],`.repeat(1_000_000).slice(0, -1)
  return gzipSync(`{"streams":[{"stream":{"a":"b"},"values":[${values}]}]}`, { level: 1 })
}

/** Every content in every form, the last line at `endMs`. */
export function largeBodies(endMs: number): NamedBody[] {
  const bodies = CONTENTS.flatMap(([content, make]) =>
    FORMS.map(({ name, path, headers, write }) => ({
      name: `${content}, ${name}`,
      make: (round: number) => {
        const bytes = write(make(new Random(round + 1), endMs + round))
        return { path, headers, bytes: new Uint8Array(typeof bytes === 'string' ? Buffer.from(bytes) : bytes) }
      },
    })),
  )
  const empty = EMPTY_BODIES.map(([name, form, write]) => ({
    name,
    make: () => ({ ...form, bytes: new Uint8Array(write()) }),
  }))
  return [...bodies, ...empty]
}
