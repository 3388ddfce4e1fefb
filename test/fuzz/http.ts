/** Sends random and mutated requests to every push route, and checks the responses. */

import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import snappy from 'snappyjs'
import { formatRfc3339 } from '../../src/domain/time.ts'
import { encodePushProtobuf } from '../../src/protocol/loki/loki-push-encode.ts'
import { Random } from '../support/random.ts'

export interface FuzzOptions {
  readonly app: FastifyInstance
  readonly count: number
  readonly seed: number
  /** The clock's reading: valid bodies have times near it. */
  readonly nowNs: bigint
  /** Called occasionally. */
  readonly onProgress?: (done: number) => void
}

export interface FuzzReport {
  /** Number of responses by status. */
  readonly statuses: ReadonlyMap<number, number>
  /** Undocumented responses, up to a limit. */
  readonly faults: readonly string[]
  readonly faultCount: number
  readonly seconds: number
  readonly memory: { readonly before: Memory; readonly after: Memory }
}

export interface Memory {
  readonly heapMB: number
  readonly rssMB: number
}

const PATHS = ['/loki/api/v1/push', '/api/prom/push', '/otlp/v1/logs', '/logs'] as const
/** Allowed statuses of pushes; 429 only for the number of streams, because no rate is limited here. */
const ALLOWED: ReadonlySet<number> = new Set([200, 201, 204, 400, 413, 422, 429])
const MEDIA_TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'application/x-protobuf',
  'application/x-ndjson',
  'text/plain',
  'application/json; charsetutf-8',
  '/',
  ';',
]
const CODINGS = ['gzip', 'snappy', 'deflate', 'zstd', 'lz4', 'br', 'identity', 'gzip, gzip', 'snappy, gzip', ',,']
const ACCEPTS = ['application/json', '*/*', 'text/html;q=0.1', '\u00ff']
const TENANTS = ['a', 'b', '..', 'a|b', 'x'.repeat(200), '/']
/** Concurrent requests, which share commits as in production. */
const CONCURRENCY = 32
const FAULTS_RECORDED_MAX = 10
const PROGRESS_EVERY = 50_000

export interface FuzzRequest {
  readonly url: string
  readonly headers: Record<string, string>
  readonly payload: Buffer
}

/** Requests from a seed, without end. */
export class FuzzCorpus {
  readonly #random: Random
  readonly #seeds: readonly Seed[]

  constructor(seed: number, nowNs: bigint) {
    this.#random = new Random(seed)
    this.#seeds = makeSeeds(nowNs)
  }

  next(): FuzzRequest {
    return makeRequest(this.#random, this.#seeds)
  }
}

/** Sends `count` requests. Throws only if the application itself does not respond. */
export async function fuzzHttp(options: FuzzOptions): Promise<FuzzReport> {
  const { app, count, seed, nowNs } = options
  const corpus = new FuzzCorpus(seed, nowNs)
  const statuses = new Map<number, number>()
  const faults: string[] = []
  let faultCount = 0
  let sent = 0
  const work = async (): Promise<void> => {
    while (sent < count) {
      sent++
      if (sent % PROGRESS_EVERY === 0) options.onProgress?.(sent)
      const request = corpus.next()
      const response = await app.inject({ method: 'POST', ...request })
      statuses.set(response.statusCode, (statuses.get(response.statusCode) ?? 0) + 1)
      if (ALLOWED.has(response.statusCode)) continue
      faultCount++
      if (faults.length < FAULTS_RECORDED_MAX) faults.push(describeFault(request, response.statusCode, response.body))
    }
  }
  // Memory that the first requests allocate once (compiled code, pools) is not a leak.
  const warmed = Math.min(count, 2000)
  for (let i = 0; i < warmed; i++) await app.inject({ method: 'POST', ...corpus.next() })
  const before = measureMemory()
  const startedMs = performance.now()
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  const seconds = (performance.now() - startedMs) / 1000
  return { statuses, faults, faultCount, seconds, memory: { before, after: measureMemory() } }
}

/** Heap and resident memory, after a garbage collection if Node was started with --expose-gc. */
function measureMemory(): Memory {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  return { heapMB: (heapUsed + arrayBuffers) / 1e6, rssMB: rss / 1e6 }
}

function describeFault({ url, headers, payload }: FuzzRequest, status: number, body: string): string {
  return `${status} for ${url} ${JSON.stringify(headers)} ${payload.toString('base64').slice(0, 2000)}: ${body}`
}

/** A valid push as a starting point. `pack` is applied after mutation, so that mutations reach the decoder. */
interface Seed {
  readonly url: (typeof PATHS)[number]
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly pack: (body: Buffer) => Uint8Array
}

const JSON_TYPE = { 'content-type': 'application/json' }
const PROTOBUF_TYPE = { 'content-type': 'application/x-protobuf' }
const asIs = (body: Buffer): Buffer => body
const inSnappy = (body: Buffer): Uint8Array => snappy.compress(new Uint8Array(body))

function makeSeeds(nowNs: bigint): Seed[] {
  const [push, legacy, otlp, logs] = PATHS
  const ns = String(nowNs)
  const entries = [
    { ns: nowNs, line: 'level=error msg="über" status=500', metadata: [['trace_id', 'abc'] as const] },
    { ns: nowNs - 1n, line: '{"level":"info","msg":"x"}' },
  ]
  const protobuf = Buffer.from(
    encodePushProtobuf([
      { labels: '{app="a", env="\\xc3\\xa9"}', entries },
      { labels: '{}', entries },
    ]),
  )
  const values = [
    [ns, 'one', { k: 'v' }],
    [ns, 'two\n\u00e9'],
  ]
  const json = toJson({ streams: [{ stream: { app: 'a', n: 1 }, values }] })
  const old = toJson({ streams: [{ labels: '{app="a"}', entries: [{ ts: formatRfc3339(nowNs), line: 'one' }] }] })
  const nested = { kvlistValue: { values: [{ key: 'b', value: { arrayValue: { values: [{ intValue: '1' }] } } }] } }
  const attributes = [
    { key: 'service.name', value: { stringValue: 's' } },
    { key: 'a', value: nested },
  ]
  const records = [{ timeUnixNano: ns, severityNumber: 9, traceId: 'ab'.repeat(16), body: nested, attributes }]
  const scopeLogs = [{ scope: { name: 'l' }, logRecords: records }]
  const items = [
    { id: 'i', severity: 'warn', message: 'm', n: 1.5e10 },
    { message: 'm2', o: { a: [null, true] } },
  ]
  // resource_logs { scope_logs { log_records { time_unix_nano body { string_value } } } }
  const otlpHead = [10, 22, 18, 20, 18, 18, 9, 0, 0, 0, 0, 0, 0, 0, 0, 42, 7, 10, 5]
  const otlpJson = toJson({ resourceLogs: [{ resource: { attributes }, scopeLogs }] })
  const ndjson = Buffer.from(items.map((item) => JSON.stringify(item)).join('\n'))
  const gzipped = { 'content-encoding': 'gzip' }
  return [
    { url: push, headers: PROTOBUF_TYPE, body: protobuf, pack: inSnappy },
    { url: push, headers: PROTOBUF_TYPE, body: Buffer.from(inSnappy(protobuf)), pack: asIs },
    { url: push, headers: { ...PROTOBUF_TYPE, ...gzipped }, body: protobuf, pack: (body) => gzipSync(inSnappy(body)) },
    { url: push, headers: JSON_TYPE, body: json, pack: asIs },
    { url: push, headers: { ...JSON_TYPE, ...gzipped }, body: gzipSync(json), pack: asIs },
    { url: push, headers: { ...JSON_TYPE, 'content-encoding': 'zstd' }, body: zstdCompressSync(json), pack: asIs },
    { url: push, headers: { ...JSON_TYPE, 'content-encoding': 'deflate' }, body: deflateSync(json), pack: asIs },
    { url: legacy, headers: JSON_TYPE, body: old, pack: asIs },
    { url: otlp, headers: JSON_TYPE, body: otlpJson, pack: asIs },
    { url: otlp, headers: PROTOBUF_TYPE, body: Buffer.from([...otlpHead, ...Buffer.from('hello')]), pack: asIs },
    { url: logs, headers: JSON_TYPE, body: toJson(items), pack: asIs },
    { url: logs, headers: { 'content-type': 'application/x-ndjson' }, body: ndjson, pack: asIs },
  ]
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** Most requests are valid except for a mutated body; the others are arbitrary. */
function makeRequest(random: Random, seeds: readonly Seed[]): FuzzRequest {
  const seed = random.pick(seeds)
  const payload = Buffer.from(seed.pack(makeBody(random, seed.body, seeds)))
  const headers: Record<string, string> = { ...seed.headers }
  if (random.chance(0.2)) headers['accept'] = random.pick(ACCEPTS)
  if (random.chance(0.2)) headers['x-scope-orgid'] = random.pick(TENANTS)
  if (random.chance(0.8)) return { url: seed.url, headers, payload }
  if (random.chance(0.5)) headers['content-type'] = random.pick(MEDIA_TYPES)
  if (random.chance(0.1)) delete headers['content-type']
  if (random.chance(0.5)) headers['content-encoding'] = random.pick(CODINGS)
  return { url: random.pick(PATHS), headers, payload }
}

function makeBody(random: Random, valid: Buffer, seeds: readonly Seed[]): Buffer {
  if (random.chance(0.03)) return Buffer.from(random.bytes(random.integer(300)))
  let body: Buffer = Buffer.from(valid)
  // Some are unchanged: valid pushes among the invalid ones.
  for (let n = random.integer(4); n > 0; n--) body = mutate(random, body, random.pick(seeds).body)
  return body
}

const NUMBERS = [
  '-1',
  '1e999',
  '9223372036854775808',
  '0.5',
  'null',
  '[]',
  '{}',
  '"',
  '\\u0000',
  '\\ud800',
  '__proto__',
]

function mutate(random: Random, body: Buffer, other: Buffer): Buffer {
  if (body.length === 0) return Buffer.from(random.bytes(8))
  const at = random.integer(body.length)
  const until = Math.min(body.length, at + 1 + random.integer(16))
  switch (random.integer(7)) {
    case 0:
      body[at] = random.integer(256)
      return body
    case 1:
      body[at] = (body[at] as number) ^ (1 << random.integer(8))
      return body
    case 2:
      return Buffer.concat([body.subarray(0, at), body.subarray(until)])
    case 3:
      return Buffer.concat([body.subarray(0, until), body.subarray(at)])
    case 4:
      return body.subarray(0, at)
    case 5:
      return Buffer.concat([body.subarray(0, at), Buffer.from(random.pick(NUMBERS)), body.subarray(until)])
    default:
      return Buffer.concat([body.subarray(0, at), other.subarray(random.integer(other.length))])
  }
}
