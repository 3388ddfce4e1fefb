/** The newest time of each stream within the duplicate window: most pushes are later, and need no look at blocks. */

/** Maximum number of streams; about 10 MB. */
const STREAMS_MAX = 100_000

interface Newest {
  readonly ns: bigint
  /** Time of the stream's last commit. */
  readonly committedMs: number
}

/** Streams of all tenants, by their id in the store. */
export class RecentStreams {
  readonly #streamsMax: number
  /** In the order of the last commit. */
  readonly #newest = new Map<number, Newest>()
  /** The last commit of a stream that had to make room. */
  #evictedMs = Number.NEGATIVE_INFINITY

  constructor(streamsMax = STREAMS_MAX) {
    this.#streamsMax = streamsMax
  }

  /** A block committed at `committedMs` has entries of the stream, none of them after `ns`. */
  add(id: number, ns: bigint, committedMs: number): void {
    const before = this.#newest.get(id)
    this.#newest.delete(id)
    this.#newest.set(id, { ns: before !== undefined && before.ns > ns ? before.ns : ns, committedMs })
    if (this.#newest.size <= this.#streamsMax) return
    for (const [oldest, evicted] of this.#newest) {
      this.#newest.delete(oldest)
      this.#evictedMs = Math.max(this.#evictedMs, evicted.committedMs)
      return
    }
  }

  /** False if no block of the window has entries of the stream at `ns` or later. */
  mayHaveFrom(id: number, ns: bigint): boolean {
    const newest = this.#newest.get(id)
    return newest === undefined ? this.#evictedMs > Number.NEGATIVE_INFINITY : newest.ns >= ns
  }

  /** Removes streams whose last commit was before `ms`. */
  forgetBefore(ms: number): void {
    for (const [id, { committedMs }] of this.#newest) {
      if (committedMs >= ms) break
      this.#newest.delete(id)
    }
    if (this.#evictedMs < ms) this.#evictedMs = Number.NEGATIVE_INFINITY
  }
}
