/** Tries again, with waits that spread out and an end. */

/** Time and chance, as one piece of work sees them; a test hands in its own. */
export interface Pacing {
  /** Milliseconds of a clock that never goes back. */
  nowMs(): number
  wait(ms: number): Promise<void>
  /** From 0 up to 1. */
  random(): number
}

export interface RetryLimits {
  readonly attemptsMax: number
  /** No attempt begins later than this after the first. */
  readonly budgetMs: number
  /** The longest wait before the second attempt; it doubles with each further one, up to `waitMsMax`. */
  readonly waitMs: number
  readonly waitMsMax: number
}

/** A client that waits for its answer has about this long; what takes longer it sends again anyway. */
export const WRITE_RETRIES: RetryLimits = { attemptsMax: 6, budgetMs: 8_000, waitMs: 50, waitMsMax: 2_000 }

/** The attempts at one piece of work, the first of which is under way already. */
export class Attempts {
  readonly #limits: RetryLimits
  readonly #pacing: Pacing
  readonly #startedMs: number
  #made = 1

  constructor(limits: RetryLimits, pacing: Pacing) {
    this.#limits = limits
    this.#pacing = pacing
    this.#startedMs = pacing.nowMs()
  }

  /** Waits until the next attempt may begin; false, at once, when there shall be no other. */
  async next(): Promise<boolean> {
    const { attemptsMax, budgetMs, waitMs, waitMsMax } = this.#limits
    if (this.#made >= attemptsMax) return false
    // Full jitter: clients that were refused together do not come back together.
    const ms = this.#pacing.random() * Math.min(waitMsMax, waitMs * 2 ** (this.#made - 1))
    if (this.#pacing.nowMs() + ms - this.#startedMs > budgetMs) return false
    this.#made++
    await this.#pacing.wait(ms)
    return true
  }
}

/** The machine's own time and chance. */
export const SYSTEM_PACING: Pacing = {
  nowMs: () => performance.now(),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  random: Math.random,
}
