/** A circuit breaker: after repeated failures calls are rejected for a while, then a single call probes the service. */

import { backoffMs, NO_CHANCE } from './backoff.ts'

/** Consecutive failures that open it; a single one may be caused by the request. */
const FAILURES_MIN = 3
export const OPEN_MS_MAX = 60_000
/** How long it stays open. Without jitter: only one process is involved. */
const OPEN = { firstMs: 5_000, maxMs: OPEN_MS_MAX }

/** Milliseconds that never go backwards. */
export interface MonotonicClock {
  monotonicMs(): number
}

export class CircuitBreaker {
  readonly #clock: MonotonicClock
  #failures = 0
  #openUntilMs = 0

  constructor(clock: MonotonicClock) {
    this.#clock = clock
  }

  /** Whether a call may be made now. The caller then reports its outcome; the call takes `callMs` at most. */
  admits(callMs: number): boolean {
    if (this.#failures < FAILURES_MIN) return true
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#openUntilMs) return false
    this.#openUntilMs = nowMs + Math.min(callMs, OPEN_MS_MAX)
    return true
  }

  succeed(): void {
    this.#failures = 0
  }

  fail(): void {
    this.#failures++
    const beyond = Math.max(1, this.#failures - FAILURES_MIN + 1)
    this.#openUntilMs = this.#clock.monotonicMs() + backoffMs(beyond, OPEN, NO_CHANCE)
  }
}
