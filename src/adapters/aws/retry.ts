/** Retries with jittered backoff and limits on attempts and time. */

import { type BackoffLimits, backoffMs, type Wait } from '../../kit/backoff.ts'
import type { Clock } from '../../ports/log-store.ts'

/** Time and randomness for retries; a test passes its own. */
export interface Pacing extends Pick<Clock, 'monotonicMs'> {
  readonly wait: Wait
  /** From 0 up to 1. */
  readonly random: () => number
}

export interface RetryLimits {
  readonly attemptsMax: number
  /** No attempt starts later than this after the first. */
  readonly budgetMs: number
  readonly backoff: BackoffLimits
}

/** A client waits about this long for a response, and retries anyway after that. */
export const WRITE_RETRIES: RetryLimits = {
  attemptsMax: 6,
  budgetMs: 8_000,
  backoff: { firstMs: 50, maxMs: 2_000, jitter: 1 },
}

/** The attempts of one operation, the first of which has already started. */
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

  /** Waits until the next attempt may start; returns false immediately if there is none. */
  async next(): Promise<boolean> {
    const { attemptsMax, budgetMs, backoff } = this.#limits
    if (this.#made >= attemptsMax) return false
    // Full jitter: clients that were throttled together do not retry together.
    const ms = backoffMs(this.#made, backoff, this.#pacing.random)
    if (this.#pacing.monotonicMs() + ms - this.#startedMs > budgetMs) return false
    this.#made++
    await this.#pacing.wait(ms)
    return true
  }
}
