/** Reads request bodies as bytes, with a limit for each and for their total. */

import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../../domain/errors.ts'
import { decompressBody } from '../../../protocol/bytes/decompress.ts'
import { BufferPool } from './buffer-pool.ts'

/** A body in borrowed memory: `release` returns it, after which nothing of the body may be used. */
export interface RequestBody {
  readonly bytes: Uint8Array
  /** Allocates exactly `bytes` of uninitialised memory for the decompressed body, released with it. */
  allocate(bytes: number): Buffer
  /** Counts memory that was allocated elsewhere, until the release. Throws overloaded if too much is in use. */
  count(bytes: number): void
  release(): void
}

/** Initial buffer of a body without Content-Length. */
const UNKNOWN_LENGTH_BYTES = 64 * 1024
/** Maximum initial buffer whatever length is declared: slow or silent clients must not block memory. */
const DECLARED_BYTES_MAX = 1024 * 1024

/** Maximum concurrent decompressions, because their memory is unknown until they end. */
const INFLATING_MAX = 2

/** Reads bodies within limits. One per application. */
export class BodyReader {
  readonly #bodyBytesMax: number
  readonly #pool: BufferPool
  #inflating = 0
  readonly #waiting: (() => void)[] = []

  /** `bodyBytesMax`: maximum size of a body as received; `inflightBytesMax`: maximum total in use. */
  constructor(limits: { readonly bodyBytesMax: number; readonly inflightBytesMax: number }) {
    this.#bodyBytesMax = limits.bodyBytesMax
    this.#pool = new BufferPool(limits.inflightBytesMax)
  }

  /** Bytes of bodies in use. */
  get heldBytes(): number {
    return this.#pool.heldBytes
  }

  /**
   * Reads the whole body. Throws body_too_large beyond the limit (without reading on), overloaded if too much is in
   * use, body_malformed if the client disconnects.
   */
  async read(request: FastifyRequest): Promise<RequestBody> {
    const declared = Number(request.headers['content-length'] ?? Number.NaN)
    if (declared > this.#bodyBytesMax) throw this.#tooLarge(declared)
    const first = this.#pool.take(
      Number.isNaN(declared) ? UNKNOWN_LENGTH_BYTES : Math.min(declared, DECLARED_BYTES_MAX),
    )
    const stream = request.body as Readable | undefined
    return stream == null ? new BodyLoan(this.#pool, first, 0) : await this.#receive(stream, first, declared)
  }

  /**
   * Reads the stream into `first` or, as it grows, into a larger buffer; `declared` may be NaN. After an error the stream
   * is destroyed. Listeners instead of an async iterator, which takes longer than the rest for a small body.
   */
  #receive(stream: Readable, first: Buffer, declared: number): Promise<RequestBody> {
    return new Promise((resolve, reject) => {
      let buffer = first
      let length = 0
      let isSettled = false
      const fail = (cause: unknown): void => {
        if (isSettled) return
        isSettled = true
        this.#pool.give(buffer)
        stream.destroy()
        const isOurs = cause instanceof GatewayError
        reject(isOurs ? cause : new GatewayError('body_malformed', 'the body is incomplete; retry', { cause }))
      }
      stream.on('data', (chunk: Buffer) => {
        if (isSettled) return
        try {
          const end = length + chunk.length
          if (end > this.#bodyBytesMax) throw this.#tooLarge(end)
          if (end > buffer.length) buffer = this.#grow(buffer, length, end, declared)
          buffer.set(chunk, length)
          length = end
        } catch (cause) {
          fail(cause)
        }
      })
      stream.on('end', () => {
        if (isSettled) return
        isSettled = true
        resolve(new BodyLoan(this.#pool, buffer, length))
      })
      // The listener stays: an error after the body is complete must not end the process.
      stream.on('error', fail)
      stream.on('close', () => fail(new Error('the stream was closed before its end')))
      if (stream.readableEnded) resolve(new BodyLoan(this.#pool, buffer, 0))
      else if (stream.destroyed) fail(stream.errored)
    })
  }

  /**
   * The body without its Content-Encoding, at most `bytesMax` long; it counts as in use until the release. Throws like
   * decompressBody, and overloaded if too much is in use.
   */
  async decompress(body: RequestBody, encoding: string | undefined, bytesMax: number): Promise<Uint8Array> {
    // Most pushes need no slot, and must not wait for those that do.
    if (encoding === undefined || encoding === 'snappy') return decompressBody(body.bytes, encoding, bytesMax)
    while (this.#inflating >= INFLATING_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#inflating++
    try {
      const bytes = await decompressBody(body.bytes, encoding, bytesMax)
      if (bytes !== body.bytes) body.count(bytes.length)
      return bytes
    } finally {
      this.#inflating--
      this.#waiting.shift()?.()
    }
  }

  /** `declared` may be NaN. */
  #grow(buffer: Buffer, length: number, wanted: number, declared: number): Buffer {
    const whole = Math.max(wanted, declared || this.#bodyBytesMax)
    const larger = this.#pool.take(Math.min(Math.max(wanted, buffer.length * 2), whole))
    larger.set(buffer.subarray(0, length))
    this.#pool.give(buffer)
    return larger
  }

  #tooLarge(bytes: number): GatewayError {
    const text = `request body too large: ${bytes} bytes came, the limit is ${this.#bodyBytesMax} bytes; send smaller batches or raise MILLRACE_BODY_BYTES_MAX`
    return new GatewayError('body_too_large', text)
  }
}

class BodyLoan implements RequestBody {
  readonly bytes: Uint8Array
  readonly #pool: BufferPool
  #buffers: Buffer[]
  #counted = 0

  constructor(pool: BufferPool, buffer: Buffer, length: number) {
    this.bytes = buffer.subarray(0, length)
    this.#pool = pool
    this.#buffers = [buffer]
  }

  allocate(bytes: number): Buffer {
    const buffer = this.#pool.take(bytes)
    this.#buffers.push(buffer)
    return buffer.subarray(0, bytes)
  }

  count(bytes: number): void {
    this.#pool.hold(bytes)
    this.#counted += bytes
  }

  release(): void {
    this.#pool.letGo(this.#counted)
    this.#counted = 0
    for (const buffer of this.#buffers) this.#pool.give(buffer)
    this.#buffers = []
  }
}

/** Go's error text, and what to do. */
export const NO_MEDIA_TYPE = 'mime: no media type; send a Content-Type, such as application/json'

/** The media type of a Content-Type, in lower case. Throws media_type_invalid, with the text of Go's MIME parser. */
export function mediaTypeOf(header: string | undefined): string {
  if (header === undefined || header.trim() === '') {
    throw new GatewayError('media_type_invalid', NO_MEDIA_TYPE)
  }
  const [type = '', ...parameters] = header.split(';')
  const name = type.trim().toLowerCase()
  if (!MEDIA_TYPE.test(name)) throw new GatewayError('media_type_invalid', 'mime: expected slash after first token')
  for (const [index, parameter] of parameters.entries()) {
    const isTrailing = parameter.trim() === '' && index === parameters.length - 1
    if (!isTrailing && !PARAMETER.test(parameter.trim())) {
      throw new GatewayError('media_type_invalid', 'mime: invalid media parameter')
    }
  }
  return name
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const MEDIA_TYPE = new RegExp(`^${TOKEN}(/${TOKEN})?$`)
const PARAMETER = new RegExp(`^${TOKEN}\\s*=\\s*(${TOKEN}|"(?:[^"\\\\]|\\\\.)*")$`)
