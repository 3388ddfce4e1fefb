/** Compresses responses according to Accept-Encoding (RFC 9110, 12.5.3). */

import { type Duplex, pipeline } from 'node:stream'
import { promisify } from 'node:util'
import {
  brotliCompress,
  constants,
  createBrotliCompress,
  createDeflate,
  createGzip,
  createZstdCompress,
  deflate,
  gzip,
  zstdCompress,
} from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import { BodyStream } from './query/send-body.ts'

type Encoding = 'zstd' | 'br' | 'gzip' | 'deflate'

/** Smaller responses cost more to compress than they save. */
const COMPRESS_BYTES_MIN = 1024
/** Out of 11; higher levels of brotli take much longer for little gain. */
const BROTLI_QUALITY = 4
/** Media types that compress well. */
const COMPRESSIBLE = /^text\/|[/+](json|yaml|xml)\b/

/** Cheapest first, which is preferred if a client accepts several equally. They run off the main thread. */
const COMPRESSORS: ReadonlyMap<Encoding, (answer: string | Buffer) => Promise<Buffer>> = new Map([
  ['zstd', promisify<string | Buffer, Buffer>(zstdCompress)],
  ['br', (answer) => brotli(answer, { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } })],
  ['gzip', promisify<string | Buffer, Buffer>(gzip)],
  ['deflate', promisify<string | Buffer, Buffer>(deflate)],
])
const brotli = promisify(brotliCompress)

/** The same for responses that are too large to join. */
const STREAM_COMPRESSORS: ReadonlyMap<Encoding, () => Duplex> = new Map([
  ['zstd', () => createZstdCompress()],
  ['br', () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } })],
  ['gzip', () => createGzip()],
  ['deflate', () => createDeflate()],
])

/** Other streams are not compressed: it would delay the lines of a live tail. */
export function registerCompression(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, answer: unknown) => {
    const isStream = answer instanceof BodyStream
    if (!isStream && (!isWhole(answer) || Buffer.byteLength(answer) < COMPRESS_BYTES_MIN)) return answer
    if (!COMPRESSIBLE.test(String(reply.getHeader('content-type') ?? ''))) return answer
    reply.header('vary', 'accept-encoding')
    const encoding = chooseEncoding(request.headers['accept-encoding'])
    if (encoding === undefined) return answer
    reply.removeHeader('content-length').header('content-encoding', encoding)
    if (isStream) return compressed(answer, STREAM_COMPRESSORS.get(encoding)?.())
    return COMPRESSORS.get(encoding)?.(answer)
  })
}

/** Both end when the client disconnects. */
function compressed(answer: BodyStream, compressor: Duplex | undefined): Duplex | BodyStream {
  if (compressor === undefined) return answer
  pipeline(answer, compressor, () => undefined)
  return compressor
}

function isWhole(answer: unknown): answer is string | Buffer {
  return typeof answer === 'string' || Buffer.isBuffer(answer)
}

/** The encoding that the header prefers; undefined for none. */
export function chooseEncoding(header = ''): Encoding | undefined {
  const weights = new Map(header.split(',').map(readWeight))
  let best: Encoding | undefined
  let bestWeight = weights.get('identity') ?? 0
  for (const encoding of COMPRESSORS.keys()) {
    const weight = weights.get(encoding) ?? weights.get('*') ?? 0
    if (weight < bestWeight || weight === 0 || (best !== undefined && weight === bestWeight)) continue
    best = encoding
    bestWeight = weight
  }
  return best
}

/** Parses `gzip;q=0.5`; an invalid q counts as 0. */
function readWeight(part: string): [name: string, weight: number] {
  const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
  const weight = parameters.find((text) => text.startsWith('q='))
  return [name, weight === undefined ? 1 : Number(weight.slice(2)) || 0]
}
