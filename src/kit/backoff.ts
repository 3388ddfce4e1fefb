/** How long to wait before another attempt: each wait longer than the last, up to a limit, and spread by chance. */

export interface BackoffLimits {
  /** The longest wait after the first failure, ms. */
  readonly firstMs: number
  /** No wait is longer, ms. */
  readonly maxMs: number
  /** How many times longer each wait is than the one before; 2 where absent. */
  readonly factor?: number
  /**
   * The part of a wait that is left to chance, from 0 (none, where absent) to 1. With 1 ("full jitter") clients that failed
   * together spread out evenly: see "Exponential Backoff And Jitter", AWS Architecture Blog.
   */
  readonly jitter?: number
}

/** Resolves after `ms`, or as soon as `signal` is aborted; never rejects. */
export type Wait = (ms: number, signal?: AbortSignal) => Promise<void>

/** For limits without jitter. */
export const NO_CHANCE = (): number => 0

/**
 * Milliseconds to wait after the failure of attempt `attempt`; the first is 1. `random` gives 0 up to 1 and is only asked
 * where there is jitter.
 */
export function backoffMs(
  attempt: number,
  { firstMs, maxMs, factor = 2, jitter = 0 }: BackoffLimits,
  random: () => number,
): number {
  const longestMs = Math.min(firstMs * factor ** (attempt - 1), maxMs)
  return jitter === 0 ? longestMs : longestMs * (1 - jitter) + longestMs * jitter * random()
}
