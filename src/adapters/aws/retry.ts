/** Tries again, with waits that spread out and an end. */

import { type BackoffLimits, backoffMs, type Wait } from '../../kit/backoff.ts'
import type { Clock } from '../../ports/log-store.ts'

/** Time and chance, as one piece of work sees them; a test hands in its own. */
export interface Pacing extends Pick<Clock, 'monotonicMs'> {
  readonly wait: Wait
  /** From 0 up to 1. */
  readonly random: () => number
}

export interface RetryLimits {
  readonly attemptsMax: number
  /** No attempt begins later than this after the first. */
  readonly budgetMs: number
  readonly backoff: BackoffLimits
}

/** A client that waits for its answer has about this long; what takes longer it sends again anyway. */
export const WRITE_RETRIES: RetryLimits = {
  attemptsMax: 6,
  budgetMs: 8_000,
  backoff: { firstMs: 50, maxMs: 2_000, jitter: 1 },
}

/** The attempts at one piece of work, the first of which is under way already. */
export class Attempts {
  readonly #limits: RetryLimits
  readonly #pacing: Pacing
  readonly #startedMs: number
  #made = 1

  constructor(limits: RetryLimits, pacing: Pacing) {
    this.#limits = limits
    this.#pacing = pacing
    this.#startedMs = pacing.monotonicMs()
  }

  /** Waits until the next attempt may begin; false, at once, when there shall be no other. */
  async next(): Promise<boolean> {
    const { attemptsMax, budgetMs, backoff } = this.#limits
    if (this.#made >= attemptsMax) return false
    // Full jitter: clients that were refused together do not come back together.
    const ms = backoffMs(this.#made, backoff, this.#pacing.random)
    if (this.#pacing.monotonicMs() + ms - this.#startedMs > budgetMs) return false
    this.#made++
    await this.#pacing.wait(ms)
    return true
  }
}
