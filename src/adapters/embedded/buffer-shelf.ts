/** A pool of large buffers for reads: allocating a fresh buffer costs more than decompressing into it. */

import { discard } from '../../protocol/blocks/block-format.ts'

/** Larger buffers are not pooled, because blocks that need them are rare. */
const SHELVED_BYTES_MAX = 8 * 1024 * 1024
/** Idle buffers per size. */
const SHELVED_BUFFERS_MAX = 16
const SIZE_MIN = 4096

/** The memory of one block. */
export interface Loan {
  /** At least `bytes` long, uninitialised. */
  allocate(bytes: number): Buffer
  /** Adds bytes that own their ArrayBuffer, to release them with the rest. */
  adopt(bytes: Uint8Array): void
  /** Returns all buffers to the pool; they must no longer be used. */
  release(): void
}

export class BufferShelf {
  readonly #idle = new Map<number, Buffer[]>()

  lend(): Loan {
    let buffers: Buffer[] = []
    let adopted: Uint8Array[] = []
    return {
      allocate: (bytes) => {
        const buffer = this.#take(bytes)
        buffers.push(buffer)
        return buffer
      },
      adopt: (bytes) => {
        adopted.push(bytes)
      },
      release: () => {
        for (const buffer of buffers) this.#give(buffer)
        for (const bytes of adopted) discard(bytes)
        buffers = []
        adopted = []
      },
    }
  }

  #take(bytes: number): Buffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, SIZE_MIN)))
    return this.#idle.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size)
  }

  #give(buffer: Buffer): void {
    if (buffer.length > SHELVED_BYTES_MAX) return
    const idle = this.#idle.get(buffer.length)
    if (idle === undefined) this.#idle.set(buffer.length, [buffer])
    else if (idle.length < SHELVED_BUFFERS_MAX) idle.push(buffer)
  }
}
