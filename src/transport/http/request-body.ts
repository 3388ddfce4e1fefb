/** Bodies as raw bytes: bounded each and all together, in buffers that are used again. */

import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'

export interface BodyLimits {
  /** Bytes of one body as it arrives. */
  readonly bodyBytesMax: number
  /** Bytes of all bodies that are held at once, what they decompress to not counted. */
  readonly inflightBytesMax: number
}

/** A body on loan: `release` gives its memory back, and must come after the last look at `bytes`. */
export interface RequestBody {
  readonly bytes: Uint8Array
  release(): void
}

/** Buffers from here on are worth keeping; smaller ones come cheap from Node's own pool. */
const POOLED_BYTES_MIN = 64 * 1024
/** Larger buffers are given back to the system: they are rare, and a few would fill the pool. */
const POOLED_BYTES_MAX = 4 * 1024 * 1024
/** Idle buffers kept of one size. */
const POOLED_BUFFERS_MAX = 8
/** What a body without Content-Length is first given. */
const UNKNOWN_LENGTH_BYTES = 64 * 1024

/** Reads bodies within limits. One for an app. */
export class BodyReader {
  readonly #limits: BodyLimits
  readonly #idle = new Map<number, Buffer[]>()
  #heldBytes = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /** Bytes of bodies that are held now. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * Reads the whole body. Throws body_too_large beyond the limit (without reading on), overloaded when too much is held
   * already, body_malformed when the client goes away in the middle.
   */
  async read(request: FastifyRequest): Promise<RequestBody> {
    const declared = Number(request.headers['content-length'] ?? Number.NaN)
    if (declared > this.#limits.bodyBytesMax) throw this.#tooLarge(declared)
    let buffer = this.#take(Number.isNaN(declared) ? UNKNOWN_LENGTH_BYTES : declared)
    try {
      let length = 0
      for await (const chunk of request.body as AsyncIterable<Buffer>) {
        const end = length + chunk.length
        if (end > this.#limits.bodyBytesMax) throw this.#tooLarge(end)
        if (end > buffer.length) buffer = this.#grow(buffer, length, end)
        buffer.set(chunk, length)
        length = end
      }
      return this.#lend(buffer, length)
    } catch (cause) {
      this.#giveBack(buffer)
      if (cause instanceof GatewayError) throw cause
      throw new GatewayError('body_malformed', 'the body ended before it was whole; send it again', { cause })
    }
  }

  #lend(buffer: Buffer, length: number): RequestBody {
    let isReleased = false
    return {
      bytes: buffer.subarray(0, length),
      release: () => {
        if (!isReleased) this.#giveBack(buffer)
        isReleased = true
      },
    }
  }

  #grow(buffer: Buffer, length: number, wanted: number): Buffer {
    const larger = this.#take(Math.min(Math.max(wanted, buffer.length * 2), this.#limits.bodyBytesMax))
    larger.set(buffer.subarray(0, length))
    this.#giveBack(buffer)
    return larger
  }

  #take(bytes: number): Buffer {
    const size = bufferSize(bytes)
    if (this.#heldBytes > 0 && this.#heldBytes + size > this.#limits.inflightBytesMax) {
      const text = `${this.#heldBytes} bytes of requests are being worked on; the limit is ${this.#limits.inflightBytesMax}; retry later or raise MILLRACE_INFLIGHT_BYTES_MAX`
      throw new GatewayError('overloaded', text)
    }
    this.#heldBytes += size
    return this.#idle.get(size)?.pop() ?? Buffer.allocUnsafe(size)
  }

  #giveBack(buffer: Buffer): void {
    this.#heldBytes -= buffer.length
    if (buffer.length < POOLED_BYTES_MIN || buffer.length > POOLED_BYTES_MAX) return
    const idle = this.#idle.get(buffer.length)
    if (idle === undefined) this.#idle.set(buffer.length, [buffer])
    else if (idle.length < POOLED_BUFFERS_MAX) idle.push(buffer)
  }

  #tooLarge(bytes: number): GatewayError {
    const text = `request body too large: ${bytes} bytes came, the limit is ${this.#limits.bodyBytesMax} bytes; send smaller batches or raise MILLRACE_BODY_BYTES_MAX`
    return new GatewayError('body_too_large', text)
  }
}

/** Pooled sizes are powers of two, so that a few sizes serve all. */
function bufferSize(bytes: number): number {
  if (bytes < POOLED_BYTES_MIN || bytes > POOLED_BYTES_MAX) return Math.max(bytes, 1)
  return 2 ** Math.ceil(Math.log2(bytes))
}

/** What a Content-Type names, in lower case. Throws media_type_invalid, in the words of Go's MIME parser. */
export function mediaTypeOf(header: string | undefined): string {
  if (header === undefined || header.trim() === '') throw new GatewayError('media_type_invalid', 'mime: no media type')
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
