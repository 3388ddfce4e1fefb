/**
 * Measures the decoding of push bodies to entries, compared with packages: node bench/decode.bench.ts
 *
 * Prints MB of line bytes per second on one thread, the median of the rounds.
 */

import protobuf from 'protobufjs/light.js'
import snappyjs from 'snappyjs'
import type { PushSink } from '../src/domain/entries/push-sink.ts'
import { decodeSnappy } from '../src/protocol/bytes/snappy.ts'
import { encodePushProtobuf, type PushStream } from '../src/protocol/loki/loki-push-encode.ts'
import { decodePushJson } from '../src/protocol/loki/loki-push-json.ts'
import { decodePushProtobuf } from '../src/protocol/loki/loki-push-protobuf.ts'
import { PUSH_SCHEMA } from '../src/protocol/loki/push-schema.ts'

const WARM_UP_ROUNDS = 50
const ROUNDS = 200
const LINES = 5000
const LIMIT = 256 * 1024 * 1024

/** Counts, so that nothing is optimised away. */
class CountingSink implements PushSink {
  bytes = 0
  useText(): void {}
  beginStream(): void {}
  beginUnreadableStream(): void {}
  addMetadata(): void {}
  refuseEntry(): void {}
  addMetadataBytes(_: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    this.bytes += nameEnd - nameStart + valueEnd - valueStart
  }
  addEntry(_: number, nanos: number, start: number, end: number): void {
    this.bytes += end - start + (nanos & 1)
  }
}

/** The same numbers on every machine, from a linear congruential generator. */
let state = 1
function random(below: number): number {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0
  return (state >>> 8) % below
}
const hex = (): string => random(0x1000000).toString(16).padStart(6, '0')

/** A third each of JSON, logfmt and access log lines; metadata on every third. */
function makeLine(i: number): string {
  const path = `/api/v1/items/${random(100_000)}?page=${random(50)}`
  switch (i % 3) {
    case 0:
      return `{"level":"info","ts":"2026-11-21T10:00:00.${random(1000)}Z","msg":"request \\"handled\\"","path":"${path}","status":${200 + random(300)},"trace":"${hex()}${hex()}${hex()}","user":"${hex()}"}`
    case 1:
      return `level=warn ts=2026-11-21T10:00:00.${random(1000)}Z caller=server.go:${random(900)} msg="slow request" path=${path} duration=${random(9000)}ms trace=${hex()}${hex()}${hex()} peer=10.0.${random(255)}.${random(255)}`
    default:
      return `10.1.${random(255)}.${random(255)} - - [21/Nov/2026:10:00:00 +0000] "GET ${path} HTTP/1.1" 200 ${random(99_999)} "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"`
  }
}

function makeStreams(): PushStream[] {
  const entries = Array.from({ length: LINES }, (_, i) => ({
    ns: 1_795_255_200_000_000_000n + BigInt(i) * 1_234_567n,
    line: makeLine(i),
    metadata: i % 3 === 0 ? ([['trace_id', hex() + hex()]] as const) : [],
  }))
  return Array.from({ length: 20 }, (_, i) => ({
    labels: `{cluster="eu-1", namespace="shop", pod="shop-${i}", container="web"}`,
    entries: entries.filter((_, k) => k % 20 === i),
  }))
}

function toJson(streams: readonly PushStream[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      streams: streams.map(({ entries }, i) => ({
        stream: { cluster: 'eu-1', namespace: 'shop', pod: `shop-${i}`, container: 'web' },
        values: entries.map(({ ns, line, metadata = [] }) =>
          metadata.length === 0 ? [String(ns), line] : [String(ns), line, Object.fromEntries(metadata)],
        ),
      })),
    }),
  )
}

/** The contents of a batch, with JSON.parse: times as bigints, lines as bytes of one buffer. */
function parseToBytes(body: Buffer): number {
  const { streams } = JSON.parse(body.toString()) as { streams: { values: [string, string][] }[] }
  const text = Buffer.allocUnsafe(body.length)
  let end = 0
  for (const { values } of streams) {
    for (const [ns, line] of values) end += text.write(line, end) + (BigInt(ns) < 0n ? 1 : 0)
  }
  return end
}

function measure(name: string, lineBytes: number, run: (body: Buffer) => unknown, original?: Buffer): void {
  const times: number[] = []
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    // Some decoders overwrite their body.
    const body = Buffer.from(original ?? '')
    const start = performance.now()
    run(body)
    if (round >= WARM_UP_ROUNDS) times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  const median = times[ROUNDS / 2] as number
  console.log(`${name.padEnd(40)} ${(lineBytes / 1000 / median).toFixed(0).padStart(6)} MB/s`)
}

const streams = makeStreams()
const lineBytes = streams.flatMap(({ entries }) => entries).reduce((sum, { line }) => sum + Buffer.byteLength(line), 0)
const message = encodePushProtobuf(streams)
const packed = snappyjs.compress(message)
const json = toJson(streams)
const reference = protobuf.Root.fromJSON(PUSH_SCHEMA).lookupType('logproto.PushRequest')
const sink = new CountingSink()
const limits = { labelTextBytesMax: LIMIT }

console.log(
  `${LINES} lines, ${lineBytes} bytes; protobuf ${message.length}, snappy ${packed.length}, JSON ${json.length}`,
)
measure('snappy', lineBytes, () => decodeSnappy(packed, LIMIT))
measure('snappy: snappyjs', lineBytes, () => snappyjs.uncompress(packed))
measure('protobuf', lineBytes, () => decodePushProtobuf(message, sink, limits))
measure('protobuf: protobufjs', lineBytes, () => reference.decode(message))
measure('snappy and protobuf', lineBytes, () => decodePushProtobuf(decodeSnappy(packed, LIMIT), sink, limits))
measure('snappy and protobuf: snappyjs, protobufjs', lineBytes, () => reference.decode(snappyjs.uncompress(packed)))
measure('JSON', lineBytes, (body) => decodePushJson(body, sink), json)
measure('JSON: JSON.parse', lineBytes, (body) => JSON.parse(body.toString()), json)
measure('JSON: JSON.parse, lines to bytes', lineBytes, parseToBytes, json)
