/** Pooled memory for requests, with a bounded total; buffers are reused because allocating large ones is expensive. */

import { GatewayError } from '../../../domain/errors.ts'

/** Smaller buffers are not pooled, because Node's own pool makes them cheap. */
const POOLED_BYTES_MIN = 64 * 1024
/** Larger buffers are not pooled: they are rare, and a few would fill the pool. */
const POOLED_BYTES_MAX = 4 * 1024 * 1024
/** Maximum number of idle buffers of one size. */
const POOLED_BUFFERS_MAX = 16

export class BufferPool {
  readonly #bytesMax: number
  readonly #idle = new Map<number, Buffer[]>()
  #heldBytes = 0

  /** `bytesMax`: maximum number of bytes in use. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Number of bytes in use. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** An uninitialised buffer of at least `bytes`. Throws overloaded if too much is in use. */
  take(bytes: number): Buffer {
    const size = bufferSize(bytes)
    this.hold(size)
    return this.#idle.get(size)?.pop() ?? Buffer.allocUnsafe(size)
  }

  /** Counts memory that was allocated elsewhere. Throws overloaded if too much is in use. */
  hold(bytes: number): void {
    if (this.#heldBytes > 0 && this.#heldBytes + bytes > this.#bytesMax) {
      const text = `${this.#heldBytes} bytes of requests are being worked on; the limit is ${this.#bytesMax}; retry later or raise MILLRACE_INFLIGHT_BYTES_MAX`
      throw new GatewayError('overloaded', text)
    }
    this.#heldBytes += bytes
  }

  letGo(bytes: number): void {
    this.#heldBytes -= bytes
  }

  /** Returns a buffer from `take`, which must not be used afterwards. */
  give(buffer: Buffer): void {
    this.#heldBytes -= buffer.length
    if (buffer.length < POOLED_BYTES_MIN || buffer.length > POOLED_BYTES_MAX) return
    const idle = this.#idle.get(buffer.length)
    if (idle === undefined) this.#idle.set(buffer.length, [buffer])
    else if (idle.length < POOLED_BUFFERS_MAX) idle.push(buffer)
  }
}

/** Powers of two, so that a few sizes are enough. */
function bufferSize(bytes: number): number {
  if (bytes < POOLED_BYTES_MIN || bytes > POOLED_BYTES_MAX) return Math.max(bytes, 1)
  return 2 ** Math.ceil(Math.log2(bytes))
}
