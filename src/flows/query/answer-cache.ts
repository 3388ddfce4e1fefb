/** Answers that are given again while what they were made of has not changed, in bounded memory. */

import type { LogStore, StreamRange } from '../../ports/log-store.ts'

export interface AskedAnswer extends Pick<StreamRange, 'tenant' | 'start' | 'end'> {
  /** All that the answer follows from, beside what the store holds of the tenant in the range. */
  readonly question: readonly (string | number | null)[]
}

/** In pieces: see protocol/bytes/body-writer.ts. */
type Body = readonly Uint8Array[]

export interface CachedAnswer {
  readonly body: Body
  /** `off`: it is not kept, neither now nor before. */
  readonly outcome: 'hit' | 'miss' | 'off'
}

interface Kept {
  readonly body: Body
  readonly version: string
  readonly bytes: number
}

/** One answer takes so much of the whole at most: it must not push all others out. */
const SHARE_MAX = 1 / 8
/** What an answer costs beside its text. */
const ENTRY_BYTES = 256

export class AnswerCache {
  readonly #store: Pick<LogStore, 'version'>
  readonly #bytesMax: number
  /** The map's order is the order of use: the first is the longest unused. */
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  #hits = 0
  #misses = 0

  /** `bytesMax` undefined: nothing is kept. */
  constructor(store: Pick<LogStore, 'version'>, bytesMax: number | undefined) {
    this.#store = store
    this.#bytesMax = bytesMax ?? 0
  }

  /** Bytes that are held, about, and how many answers were kept ones since the start, and how many were not. */
  get figures(): { readonly bytes: number; readonly hits: number; readonly misses: number } {
    return { bytes: this.#bytes, hits: this.#hits, misses: this.#misses }
  }

  /**
   * The answer that was made before, if the store still says the same, otherwise what `make` gives. Who may ask is
   * decided before. Throws what `make` throws, and keeps nothing then.
   */
  async answer(asked: AskedAnswer, make: () => Promise<Body>): Promise<CachedAnswer> {
    if (this.#bytesMax === 0) return { body: await make(), outcome: 'off' }
    // Before the read begins: what changes meanwhile makes the version another one.
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
    // A string holds one or two bytes for each of its units; nobody tells which.
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
