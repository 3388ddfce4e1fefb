/** The streams that were used last, bounded by the memory that their labels take. */

import type { StoredStream } from './stored-stream.ts'

/** Maximum of all estimates below. */
const BYTES_MAX = 64 * 1024 * 1024
/** A stream's text is here as key, as values and once more where a value is quoted; the rest is objects and map entries. */
const BYTES_PER_CHARACTER = 4
const BYTES_PER_STREAM = 600

export class StreamCache {
  readonly #bytesMax: number
  /** Ordered by use: the first is the least recently used. */
  readonly #byId = new Map<number, StoredStream>()
  readonly #byTenant = new Map<number, Map<string, StoredStream>>()
  #bytes = 0

  constructor(bytesMax = BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  byId(id: number): StoredStream | undefined {
    return this.#used(this.#byId.get(id))
  }

  byKey(tenant: number, key: string): StoredStream | undefined {
    return this.#used(this.#byTenant.get(tenant)?.get(key))
  }

  add(stream: StoredStream): void {
    this.remove(stream.id)
    this.#byId.set(stream.id, stream)
    const streams = this.#byTenant.get(stream.tenant)
    if (streams === undefined) this.#byTenant.set(stream.tenant, new Map([[stream.key, stream]]))
    else streams.set(stream.key, stream)
    this.#bytes += bytesOf(stream)
    for (const id of this.#byId.keys()) {
      if (this.#bytes <= this.#bytesMax || id === stream.id) break
      this.remove(id)
    }
  }

  remove(id: number): void {
    const stream = this.#byId.get(id)
    if (stream === undefined) return
    this.#byId.delete(id)
    const streams = this.#byTenant.get(stream.tenant)
    streams?.delete(stream.key)
    if (streams?.size === 0) this.#byTenant.delete(stream.tenant)
    this.#bytes -= bytesOf(stream)
  }

  #used(stream: StoredStream | undefined): StoredStream | undefined {
    if (stream === undefined) return undefined
    this.#byId.delete(stream.id)
    this.#byId.set(stream.id, stream)
    return stream
  }
}

function bytesOf({ key }: StoredStream): number {
  return key.length * BYTES_PER_CHARACTER + BYTES_PER_STREAM
}
