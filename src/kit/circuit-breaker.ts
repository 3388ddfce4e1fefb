/** A circuit breaker: who fails again and again is left alone for a while, then tried by one call before the others. */

/** Failures in a row that open it: one alone may be about what was sent. */
const FAILURES_MIN = 3
/** How long it stays open at first; doubles with each failure that follows. */
const OPEN_MS = 5_000
export const OPEN_MS_MAX = 60_000

export class CircuitBreaker {
  #failures = 0
  #openUntilMs = 0

  /**
   * Whether a call may be made at `nowMs`, a reading of Clock.monotonicMs. The caller then reports the outcome of its
   * call, which takes `callMs` at most.
   */
  admits(nowMs: number, callMs: number): boolean {
    if (this.#failures < FAILURES_MIN) return true
    if (nowMs < this.#openUntilMs) return false
    this.#openUntilMs = nowMs + Math.min(callMs, OPEN_MS_MAX)
    return true
  }

  succeed(): void {
    this.#failures = 0
  }

  fail(nowMs: number): void {
    this.#failures++
    const openMs = OPEN_MS * 2 ** Math.max(0, this.#failures - FAILURES_MIN)
    this.#openUntilMs = nowMs + Math.min(openMs, OPEN_MS_MAX)
  }
}
