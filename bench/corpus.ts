/** The lines that benchmarks push, from a seed, so that every run and every checkout has the same ones. */

import { NS_PER_MS } from '../src/domain/time.ts'
import { encodePush, type PushEntry, type PushStream } from '../src/protocol/loki/loki-push-encode.ts'
import { Random } from '../test/support/random.ts'

export type PushForm = 'protobuf' | 'json' | 'small' | 'line'

/** A body ready to send. */
export interface PushBody {
  readonly contentType: string
  readonly bytes: Uint8Array
  readonly lines: number
  /** Bytes of its lines in UTF-8. */
  readonly lineBytes: number
}

export interface CorpusOptions {
  readonly seed: number
  readonly form: PushForm
  /** Minimum total bytes of lines of all bodies. */
  readonly lineBytes: number
  /** Maximum number of bodies, which keeps a run of one-line pushes short. */
  readonly bodiesMax?: number
  /** The time of the last line, ms since the epoch. */
  readonly endMs: number
  /**
   * The share of error lines, in bursts: a tenth of the bodies has half of them. Default: one in seven, evenly
   * distributed.
   */
  readonly errors?: number | undefined
}

const STREAMS = 200
/**
 * Approximate number of streams in a body: an agent sends what the containers of a node have written since its last
 * push.
 */
const BODY_STREAMS = 20
/** Bytes of lines in one body. One line: any line has at least 1 byte. */
const BODY_BYTES: Readonly<Record<PushForm, number>> = { protobuf: 1_050_000, json: 1_050_000, small: 10_240, line: 1 }
/** The time span of all bodies, so that blocks can be pruned by time. */
const SPAN_MS = 3_600_000

interface Source {
  readonly labels: string
  readonly stream: Readonly<Record<string, string>>
  readonly write: (random: Random, tone: Tone) => string
}

/** Whether a line is an error, and how its level is chosen. */
interface Tone {
  /** Undefined: by the shares of the levels. */
  readonly isError: boolean | undefined
}

/** Bodies in ascending time, with the last line at `endMs`. */
export function makeCorpus(options: CorpusOptions): PushBody[] {
  const random = new Random(options.seed)
  const sources = Array.from({ length: STREAMS }, (_, i) => makeSource(random, i))
  const drafts: Draft[] = []
  for (let lineBytes = 0; lineBytes < options.lineBytes && drafts.length < (options.bodiesMax ?? Infinity); ) {
    const draft = draftBody(random, sources, BODY_BYTES[options.form], shareOf(options.errors, drafts.length))
    drafts.push(draft)
    lineBytes += draft.lineBytes
  }
  const startNs = BigInt(options.endMs - SPAN_MS) * NS_PER_MS
  const spanNs = (BigInt(SPAN_MS) * NS_PER_MS) / BigInt(drafts.length)
  return drafts.map((draft, i) => encodeBody(options.form, draft, startNs + BigInt(i) * spanNs, spanNs))
}

interface Draft {
  readonly lines: readonly (readonly [source: Source, line: string, metadata: PushEntry['metadata']])[]
  readonly lineBytes: number
}

/** A burst in every tenth body. */
function shareOf(errors: number | undefined, body: number): number | undefined {
  if (errors === undefined) return undefined
  const burst = Math.min(1, 5 * errors)
  return body % 10 === 0 ? burst : (errors - burst / 10) / 0.9
}

function draftBody(random: Random, sources: readonly Source[], bytesMin: number, errors: number | undefined): Draft {
  const chosen = Array.from({ length: BODY_STREAMS }, () => random.zipf(sources))
  const lines: [Source, string, PushEntry['metadata']][] = []
  let lineBytes = 0
  while (lineBytes < bytesMin) {
    const source = random.zipf(chosen)
    const line = source.write(random, { isError: errors === undefined ? undefined : random.chance(errors) })
    lines.push([source, line, random.chance(0.3) ? makeMetadata(random) : undefined])
    lineBytes += Buffer.byteLength(line)
  }
  return { lines, lineBytes }
}

/** Spreads the lines over the body's time span, each with its own nanosecond. */
function encodeBody(form: PushForm, draft: Draft, startNs: bigint, spanNs: bigint): PushBody {
  const stepNs = spanNs / BigInt(draft.lines.length)
  const entries = new Map<Source, PushEntry[]>()
  for (const [i, [source, line, metadata]] of draft.lines.entries()) {
    const ns = startNs + stepNs * BigInt(i + 1)
    const entry = metadata === undefined ? { ns, line } : { ns, line, metadata }
    const known = entries.get(source)
    if (known === undefined) entries.set(source, [entry])
    else known.push(entry)
  }
  const facts = { lines: draft.lines.length, lineBytes: draft.lineBytes }
  if (form === 'json') return { contentType: 'application/json', bytes: encodeJson(entries), ...facts }
  const streams: PushStream[] = [...entries].map(([{ labels }, list]) => ({ labels, entries: list }))
  return { contentType: 'application/x-protobuf', bytes: encodePush(streams), ...facts }
}

function encodeJson(entries: ReadonlyMap<Source, readonly PushEntry[]>): Uint8Array {
  const streams = [...entries].map(([{ stream }, list]) => {
    const values = list.map(({ ns, line, metadata }) =>
      metadata === undefined ? [String(ns), line] : [String(ns), line, Object.fromEntries(metadata)],
    )
    return { stream, values }
  })
  return Buffer.from(JSON.stringify({ streams }))
}

const ENVIRONMENTS = ['prod', 'prod', 'prod', 'staging', 'dev']
const REGIONS = ['eu-central-1', 'eu-west-1', 'us-east-1']
const APPS = ['checkout', 'cart', 'search', 'payment', 'gateway', 'auth', 'mailer', 'inventory', 'billing', 'catalog']
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE']
const STATUSES = [200, 200, 200, 200, 201, 204, 301, 304, 400, 404, 500, 502]
const LEVELS = ['debug', 'info', 'info', 'info', 'info', 'warn', 'error']
const PATHS = ['/api/orders', '/api/cart/items', '/login', '/search', '/static/app.js', '/healthz', '/api/users/me']
const AGENTS = ['Mozilla/5.0 (X11; Linux x86_64)', 'curl/8.5.0', 'okhttp/4.12.0', 'Go-http-client/2.0']
const WORDS =
  'request order user session cache miss hit retry connection timeout upstream payload queue worker commit rolled back accepted refused token expired Zürich naïve 東京 payment déjà'.split(
    ' ',
  )
const CLASSES = ['OrderService', 'PaymentClient', 'CartRepository', 'HttpDispatcher', 'RetryTemplate']
const EXCEPTIONS = ['IllegalStateException', 'NullPointerException', 'SocketTimeoutException']

/** A container: its labels, and its log format. Of six, two write JSON, two logfmt, one access lines, one Java. */
function makeSource(random: Random, index: number): Source {
  const app = random.pick(APPS)
  const stream = {
    app,
    env: random.pick(ENVIRONMENTS),
    pod: `${app}-${random.hex(5)}-${index}`,
    region: random.pick(REGIONS),
  }
  const labels = `{${Object.entries(stream)
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')}}`
  const write = [jsonLine, logfmtLine, jsonLine, logfmtLine, accessLine, javaLine][index % 6] as Source['write']
  return { labels, stream, write }
}

function makeMetadata(random: Random): [string, string][] {
  const pairs: [string, string][] = [['trace_id', random.hex(32)]]
  if (random.chance(0.5)) pairs.push(['user_id', String(random.integer(100_000))])
  return pairs
}

function sentence(random: Random): string {
  return Array.from({ length: 4 + random.integer(8) }, () => random.pick(WORDS)).join(' ')
}

/** Four in five errors are of a few kinds, as in real logs; the texts of all other lines are unique. */
const FAILURES = [
  'payment declined',
  'connection to the database lost',
  'queue is full',
  'user not found',
  'disk is bad',
]

function messageOf(random: Random, { isError }: Tone): string {
  if (isError !== true || random.chance(0.2)) return sentence(random)
  return `${random.pick(FAILURES)}: attempt ${random.integer(100)} of ${random.hex(12)} failed`
}

function levelOf(random: Random, { isError }: Tone): string {
  if (isError === undefined) return random.pick(LEVELS)
  return isError ? 'error' : random.pick(LEVELS.slice(0, -1))
}

function jsonLine(random: Random, tone: Tone): string {
  return JSON.stringify({
    level: levelOf(random, tone),
    msg: messageOf(random, tone),
    logger: `com.shop.${random.pick(CLASSES)}`,
    request_id: random.hex(16),
    duration_ms: random.integer(2000),
    path: random.pick(PATHS),
    status: random.pick(STATUSES),
  })
}

function logfmtLine(random: Random, tone: Tone): string {
  return `level=${levelOf(random, tone)} caller=handler.go:${random.integer(400)} msg="${messageOf(random, tone)}" request_id=${random.hex(16)} duration=${random.integer(2000)}ms method=${random.pick(METHODS)} path=${random.pick(PATHS)} status=${random.pick(STATUSES)}`
}

function accessLine(random: Random, tone: Tone): string {
  if (tone.isError === true) return javaLine(random, tone)
  const address = `10.${random.integer(256)}.${random.integer(256)}.${random.integer(256)}`
  return `${address} - - [21/Nov/2026:10:${10 + random.integer(50)}:${10 + random.integer(50)} +0000] "${random.pick(METHODS)} ${random.pick(PATHS)}?id=${random.hex(8)} HTTP/1.1" ${random.pick(STATUSES)} ${random.integer(90_000)} "-" "${random.pick(AGENTS)}" ${random.integer(3000) / 1000}`
}

/** Four in ten lines are stack traces of several lines; the others are logfmt. */
function javaLine(random: Random, tone: Tone): string {
  if (tone.isError === undefined ? random.chance(0.6) : !tone.isError) return logfmtLine(random, tone)
  const frames = Array.from(
    { length: 4 + random.integer(8) },
    () => `\n\tat com.shop.${random.pick(CLASSES)}.call(${random.pick(CLASSES)}.java:${random.integer(900)})`,
  )
  return `ERROR ${messageOf(random, tone)}: java.lang.${random.pick(EXCEPTIONS)}: ${sentence(random)}${frames.join('')}`
}
