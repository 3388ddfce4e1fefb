/** Decompresses bodies by their Content-Encoding, up to a limit. */

import {
  constants,
  gunzip,
  gunzipSync,
  inflate,
  inflateRaw,
  inflateRawSync,
  inflateSync,
  type ZlibOptions,
  type ZstdOptions,
  zstdDecompress,
  zstdDecompressSync,
} from 'node:zlib'
import { GatewayError } from '../../domain/errors.ts'
import { decodeLz4Frames } from './lz4-frame.ts'

/** Larger bodies are inflated on libuv's threads, so that they do not block the event loop. */
const SYNC_BODY_BYTES_MAX = 64 * 1024
/** Maximum output of a small body on the event loop; a larger output is inflated again on libuv's threads. */
const SYNC_OUTPUT_BYTES_MAX = 1024 * 1024
/** Maximum number of codings in a header; a client has no reason for more than two. */
const CODINGS_MAX = 4
/** Maximum number of frames of a zstd body, because each costs a decoder and tiny ones would be many. */
const ZSTD_FRAMES_MAX = 1024
/** log2 of the largest zstd window: 8 MiB, which RFC 8878 recommends every decoder to support. */
const ZSTD_WINDOW_LOG_MAX = 23
const CHUNK_BYTES_MAX = 8 * 1024 * 1024

/**
 * Decompresses a body by its Content-Encoding: none, identity, `snappy` (on Loki's routes only a marker: a protobuf
 * body is snappy with or without it), gzip, deflate (raw as in Loki, or with the zlib header of RFC 9110), zstd, lz4
 * frames (OTLP), or a list of them in the order of application.
 *
 * Returns a promise for large inputs or outputs. Throws or rejects with encoding_unsupported, body_malformed, or
 * body_too_large if the input or output exceeds `bytesMax`; no more than that is ever inflated.
 */
export function decompressBody(
  body: Uint8Array,
  encoding: string | undefined,
  bytesMax: number,
): Uint8Array | Promise<Uint8Array> {
  if (body.length > bytesMax) throw tooLarge(`${body.length} bytes`, bytesMax)
  return undo(body, parseEncoding(encoding), bytesMax)
}

/** Decodes the last coding of the list, then the previous ones. */
function undo(body: Uint8Array, codings: readonly string[], bytesMax: number): Uint8Array | Promise<Uint8Array> {
  const coding = codings.at(-1)
  if (coding === undefined) return body
  const inner = decodeCoding(body, coding, bytesMax)
  const rest = codings.slice(0, -1)
  return inner instanceof Promise ? inner.then((bytes) => undo(bytes, rest, bytesMax)) : undo(inner, rest, bytesMax)
}

const UNCHANGED: ReadonlySet<string> = new Set(['', 'identity', 'snappy'])
/** What clients write instead of the name of a coding, or of no coding. */
const MISTAKES: readonly (readonly [written: RegExp, meant: string])[] = [
  [/gzip|^gz$|^application\/zip$|^zip$/, 'send Content-Encoding: gzip'],
  [/deflate|zlib/, 'send Content-Encoding: deflate'],
  [/zst/, 'send Content-Encoding: zstd'],
  [/lz4/, 'send Content-Encoding: lz4'],
  [/snappy/, 'send Content-Encoding: snappy'],
  [
    /^(?:utf-?\d+|us-ascii|ascii|iso-.*|json|text|none|null|plain|binary|chunked|base64|7bit|8bit|.*\/json|.*protobuf|text\/.*)$/,
    'omit it if the body is not compressed',
  ],
]

/** The codings that change bytes, in the order of application. */
function parseEncoding(encoding: string | undefined): string[] {
  const codings = (encoding ?? '').split(',', CODINGS_MAX + 1).map((coding) => coding.trim().toLowerCase())
  if (codings.length > CODINGS_MAX) {
    throw new GatewayError(
      'encoding_unsupported',
      `Content-Encoding with more than ${CODINGS_MAX} codings not supported`,
    )
  }
  return codings.filter((coding) => !UNCHANGED.has(coding))
}

function decodeCoding(body: Uint8Array, coding: string, bytesMax: number): Uint8Array | Promise<Uint8Array> {
  const task = { body, coding, bytesMax }
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return inflateWith(task, gunzipSync, gunzip, {})
    case 'deflate':
      return hasZlibHeader(body)
        ? inflateWith(task, inflateSync, inflate, {})
        : inflateWith(task, inflateRawSync, inflateRaw, {})
    case 'zstd':
      return inflateZstd(task)
    case 'lz4':
      return decodeLz4Frames(body, bytesMax)
    default:
      throw new GatewayError(
        'encoding_unsupported',
        `Content-Encoding ${JSON.stringify(coding.slice(0, 64))} not supported; ${advice(coding)}`,
      )
  }
}

function advice(coding: string): string {
  return MISTAKES.find(([written]) => written.test(coding))?.[1] ?? 'send gzip, deflate, zstd, lz4, snappy or none'
}

interface Task {
  readonly body: Uint8Array
  readonly coding: string
  readonly bytesMax: number
}

/** The result of zlib with `info`: the bytes, and the engine, which knows how much input it consumed. */
interface Inflated {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

type Options = ZlibOptions & ZstdOptions
type InflateSync = (body: Uint8Array, options: Options) => unknown
type Inflate = (body: Uint8Array, options: Options, done: (error: Error | null, result: unknown) => void) => void

function inflateWith(task: Task, sync: InflateSync, async: Inflate, params: Options): Uint8Array | Promise<Uint8Array> {
  const result = inflateOnce(task, sync, async, params)
  return result instanceof Promise ? result.then(({ buffer }) => buffer) : result.buffer
}

function inflateOnce(task: Task, sync: InflateSync, async: Inflate, params: Options): Inflated | Promise<Inflated> {
  const { body, bytesMax } = task
  const options = { ...params, info: true, maxOutputLength: bytesMax, chunkSize: chunkBytes(task) }
  if (body.length <= SYNC_BODY_BYTES_MAX) {
    try {
      // With `info` the result always has this type, which Node's types do not express.
      return sync(body, { ...options, maxOutputLength: Math.min(bytesMax, SYNC_OUTPUT_BYTES_MAX) }) as Inflated
    } catch (error) {
      const fault = error as Error & { code?: string } // zlib only throws Errors
      if (fault.code !== 'ERR_BUFFER_TOO_LARGE' || bytesMax <= SYNC_OUTPUT_BYTES_MAX) throw refusal(fault, task)
    }
  }
  return new Promise((resolve, reject) => {
    async(body, options, (error, result) => (error ? reject(refusal(error, task)) : resolve(result as Inflated)))
  })
}

/** Frame by frame: Node's decoder stops at the end of the first, and reports its position. */
function inflateZstd(task: Task): Uint8Array | Promise<Uint8Array> {
  const params = { params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } }
  const outputs: Uint8Array[] = []
  let rest = task
  /** Collects a frame's output; true if it was the last. */
  const keep = ({ buffer, engine }: Inflated): boolean => {
    outputs.push(buffer)
    if (engine.bytesWritten >= rest.body.length) return true
    if (outputs.length >= ZSTD_FRAMES_MAX) {
      throw new GatewayError('body_malformed', `zstd body has more than ${ZSTD_FRAMES_MAX} frames; send it as one`)
    }
    // zlib treats a limit of 0 bytes as no limit; the sum is checked at the end.
    const bytesMax = Math.max(rest.bytesMax - buffer.length, 1)
    rest = { ...rest, body: rest.body.subarray(engine.bytesWritten), bytesMax }
    return false
  }
  const joined = (): Uint8Array => {
    const bytes = outputs.length === 1 ? (outputs[0] as Uint8Array) : Buffer.concat(outputs)
    if (bytes.length > task.bytesMax) throw tooLarge(`${task.body.length} bytes of zstd inflate to more`, task.bytesMax)
    return bytes
  }
  const next = (): Uint8Array | Promise<Uint8Array> => {
    for (;;) {
      const result = inflateOnce(rest, zstdDecompressSync, zstdDecompress, params)
      if (result instanceof Promise) return result.then((frame) => (keep(frame) ? joined() : next()))
      if (keep(result)) return joined()
    }
  }
  return next()
}

/** RFC 1950: method 8, a window of at most 32 KiB, a check over both bytes. No encoder starts raw deflate like this. */
function hasZlibHeader(body: Uint8Array): boolean {
  const [method = 0, flags = 0] = body
  return (method & 0x0f) === 8 && method >> 4 <= 7 && (method * 256 + flags) % 31 === 0
}

/** The size of an output chunk: the whole output if predictable, so that no chunks need joining. */
function chunkBytes({ body, coding, bytesMax }: Task): number {
  let foreseen = body.length * 4
  if (coding === 'gzip' && body.length >= 4) {
    // A gzip member ends with its uncompressed length, which is trusted up to a usual ratio.
    const [a = 0, b = 0, c = 0, d = 0] = body.subarray(-4)
    foreseen = Math.min(((d << 24) | (c << 16) | (b << 8) | a) >>> 0, body.length * 16)
  }
  // One byte more, so that a full chunk is not followed by an empty one.
  return Math.min(Math.max(foreseen, 4096), CHUNK_BYTES_MAX, Math.max(bytesMax, 4096)) + 1
}

function refusal(error: Error & { code?: string }, { body, coding, bytesMax }: Task): GatewayError {
  if (error.code === 'ERR_BUFFER_TOO_LARGE') {
    return tooLarge(`${body.length} bytes of ${coding} inflate to more`, bytesMax)
  }
  return new GatewayError(
    'body_malformed',
    `body of ${body.length} bytes is not valid ${coding}: ${error.message}; ${isJsonLike(body) ? 'it looks like JSON without compression; leave Content-Encoding out' : 'send what its Content-Encoding says'}`,
    { cause: error },
  )
}

function isJsonLike(body: Uint8Array): boolean {
  return (body[0] === 0x7b || body[0] === 0x5b) && [0x22, 0x7b, 0x20, 0x0a, 0x0d, 0x5d, 0x7d].includes(body[1] ?? 0)
}

function tooLarge(came: string, bytesMax: number): GatewayError {
  return new GatewayError(
    'body_too_large',
    `request body too large: ${came}, the limit is ${bytesMax} bytes; send smaller batches`,
  )
}
