/** Memory for requests: bounded all together, and used again, since fresh large buffers cost more than what fills them. */

import { GatewayError } from '../../../domain/errors.ts'

/** Buffers from here on are worth keeping; smaller ones come cheap from Node's own pool. */
const POOLED_BYTES_MIN = 64 * 1024
/** Larger buffers are given back to the system: they are rare, and a few would fill the pool. */
const POOLED_BYTES_MAX = 4 * 1024 * 1024
/** Idle buffers kept of one size. */
const POOLED_BUFFERS_MAX = 16

export class BufferPool {
  readonly #bytesMax: number
  readonly #idle = new Map<number, Buffer[]>()
  #heldBytes = 0

  /** `bytesMax`: bytes that may be taken and not given back. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes that are taken and not given back. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** A buffer of at least `bytes`, with anything in it. Throws overloaded when too much is held already. */
  take(bytes: number): Buffer {
    const size = bufferSize(bytes)
    this.hold(size)
    return this.#idle.get(size)?.pop() ?? Buffer.allocUnsafe(size)
  }

  /** Counts memory that came from elsewhere. Throws overloaded when too much is held already. */
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

  /** Takes a buffer of `take` back; nobody may look at it any more. */
  give(buffer: Buffer): void {
    this.#heldBytes -= buffer.length
    if (buffer.length < POOLED_BYTES_MIN || buffer.length > POOLED_BYTES_MAX) return
    const idle = this.#idle.get(buffer.length)
    if (idle === undefined) this.#idle.set(buffer.length, [buffer])
    else if (idle.length < POOLED_BUFFERS_MAX) idle.push(buffer)
  }
}

/** Pooled sizes are powers of two, so that a few sizes serve all. */
function bufferSize(bytes: number): number {
  if (bytes < POOLED_BYTES_MIN || bytes > POOLED_BYTES_MAX) return Math.max(bytes, 1)
  return 2 ** Math.ceil(Math.log2(bytes))
}
