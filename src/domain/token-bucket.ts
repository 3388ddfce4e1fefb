/** A rate with a burst: the usual token bucket, told the time instead of reading it. */

import type { Rate } from './limits.ts'

export class TokenBucket {
  /** May be changed: what is in the bucket stays, up to the new burst. */
  rate: Rate
  #tokens: number
  #filledMs: number

  constructor(rate: Rate, nowMs: number) {
    this.rate = rate
    this.#tokens = rate.burstBytes
    this.#filledMs = nowMs
  }

  /** Takes `bytes` if they are there; otherwise takes nothing and says false. */
  take(bytes: number, nowMs: number): boolean {
    const elapsed = Math.max(0, nowMs - this.#filledMs) / 1000
    this.#tokens = Math.min(this.rate.burstBytes, this.#tokens + elapsed * this.rate.bytesPerSecond)
    this.#filledMs = nowMs
    if (bytes > this.#tokens) return false
    this.#tokens -= bytes
    return true
  }
}
