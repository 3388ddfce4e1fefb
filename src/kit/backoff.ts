/** How long to wait before a retry: exponential backoff with a limit and jitter. */

export interface BackoffLimits {
  /** Upper bound of the first wait, ms. */
  readonly firstMs: number
  /** Upper bound of every wait, ms. */
  readonly maxMs: number
  /** Growth from one wait to the next; 2 if absent. */
  readonly factor?: number
  /**
   * The random part of a wait, from 0 (none, if absent) to 1 ("full jitter"), with which clients that failed together
   * spread out evenly: see "Exponential Backoff And Jitter", AWS Architecture Blog.
   */
  readonly jitter?: number
}

/** Resolves after `ms`, or as soon as `signal` is aborted; never rejects. */
export type Wait = (ms: number, signal?: AbortSignal) => Promise<void>

/** For limits without jitter. */
export const NO_CHANCE = (): number => 0

/**
 * Milliseconds to wait after failed attempt number `attempt`; the first is 1. `random` returns 0 up to 1 and is only
 * called if there is jitter.
 */
export function backoffMs(
  attempt: number,
  { firstMs, maxMs, factor = 2, jitter = 0 }: BackoffLimits,
  random: () => number,
): number {
  const longestMs = Math.min(firstMs * factor ** (attempt - 1), maxMs)
  return jitter === 0 ? longestMs : longestMs * (1 - jitter) + longestMs * jitter * random()
}
