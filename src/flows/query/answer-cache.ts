/** A cache of query results, which are reused while their data is unchanged, in bounded memory. */

import type { LogStore, StreamRange } from '../../ports/log-store.ts'

export interface AskedAnswer extends Pick<StreamRange, 'tenant' | 'start' | 'end'> {
  /** Everything that the result depends on, except the tenant's data in the range. */
  readonly question: readonly (string | number | null)[]
}

/** In pieces: see protocol/bytes/body-writer.ts. */
type Body = readonly Uint8Array[]

export interface CachedAnswer {
  readonly body: Body
  /** `off`: the result is not cached. */
  readonly outcome: 'hit' | 'miss' | 'off'
}

interface Kept {
  readonly body: Body
  readonly version: string
  readonly bytes: number
}

/** Maximum share of the cache for one result, so that it does not evict all others. */
const SHARE_MAX = 1 / 8
/** Memory of an entry in addition to its text. */
const ENTRY_BYTES = 256

export class AnswerCache {
  readonly #store: Pick<LogStore, 'version'>
  readonly #bytesMax: number
  /** Ordered by use: the first is the least recently used. */
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  #hits = 0
  #misses = 0

  /** `bytesMax` undefined: nothing is cached. */
  constructor(store: Pick<LogStore, 'version'>, bytesMax: number | undefined) {
    this.#store = store
    this.#bytesMax = bytesMax ?? 0
  }

  /** Approximate size of the cache, and the hits and misses since the start. */
  get figures(): { readonly bytes: number; readonly hits: number; readonly misses: number } {
    return { bytes: this.#bytes, hits: this.#hits, misses: this.#misses }
  }

  /**
   * Returns the cached result if the data is unchanged, otherwise the result of `make`. The caller has checked the
   * permissions. Throws like `make`, and caches nothing then.
   */
  async answer(asked: AskedAnswer, make: () => Promise<Body>): Promise<CachedAnswer> {
    if (this.#bytesMax === 0) return { body: await make(), outcome: 'off' }
    // Before the read starts, so that a change during the read gives another version.
    const version = this.#store.version(asked)
    if (version === undefined) return { body: await make(), outcome: 'off' }
    const { tenant, start, end, question } = asked
    const key = JSON.stringify([tenant, String(start), String(end), ...question])
    const kept = this.#kept.get(key)
    if (kept?.version === version) {
      this.#kept.delete(key)
      this.#kept.set(key, kept)
      this.#hits++
      return { body: kept.body, outcome: 'hit' }
    }
    this.#misses++
    const body = await make()
    this.#keep(key, body, version)
    return { body, outcome: 'miss' }
  }

  #keep(key: string, body: Body, version: string): void {
    this.#remove(key)
    // V8 stores strings with one or two bytes per unit; assume two.
    const bytes = 2 * (key.length + version.length) + body.reduce((sum, { length }) => sum + length, ENTRY_BYTES)
    if (bytes > this.#bytesMax * SHARE_MAX) return
    this.#kept.set(key, { body, version, bytes })
    this.#bytes += bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#bytesMax) break
      this.#remove(oldest)
    }
  }

  #remove(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0
    this.#kept.delete(key)
  }
}
