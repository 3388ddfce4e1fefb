/** A token bucket: a rate with a burst. The caller passes in the time, milliseconds that never go backwards. */

/** Tokens per second, and the burst that may be taken after a pause. */
export interface BucketRate {
  readonly perSecond: number
  readonly burst: number
}

export class TokenBucket {
  /** May be changed; the tokens in the bucket are kept, up to the new burst. */
  rate: BucketRate
  #tokens: number
  #filledMs: number

  constructor(rate: BucketRate, nowMs: number) {
    this.rate = rate
    this.#tokens = rate.burst
    this.#filledMs = nowMs
  }

  /** Takes `count` tokens; if there are fewer, takes none and returns false. */
  take(count: number, nowMs: number): boolean {
    const elapsed = (nowMs - this.#filledMs) / 1000
    this.#tokens = Math.min(this.rate.burst, this.#tokens + elapsed * this.rate.perSecond)
    this.#filledMs = nowMs
    if (count > this.#tokens) return false
    this.#tokens -= count
    return true
  }
}
