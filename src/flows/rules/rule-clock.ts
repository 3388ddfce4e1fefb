/** Runs due evaluations by the clock, in a long-running process. */

import type { Clock } from '../../ports/log-store.ts'

/** Calls `run` once after `ms`, unless the returned function is called before. */
export type Timer = (ms: number, run: () => void) => () => void

export interface RuleClockParts {
  readonly clock: Clock
  readonly timer: Timer
  /** Evaluates what is due at `nowMs`. Must not reject. */
  readonly evaluateDue: (nowMs: number) => Promise<unknown>
}

/** The shortest interval of a group is a second. */
const TICK_MS = 1000

/** Checks once a second; rounds do not overlap. */
export class RuleClock {
  readonly #parts: RuleClockParts
  #cancel: () => void = () => undefined
  #round: Promise<unknown> = Promise.resolve()
  #isStopped = false

  constructor(parts: RuleClockParts) {
    this.#parts = parts
    this.#schedule()
  }

  /** Resolves when the current round has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel()
    await this.#round
  }

  #schedule(): void {
    if (this.#isStopped) return
    const { clock, timer, evaluateDue } = this.#parts
    this.#cancel = timer(TICK_MS - (clock.nowMs() % TICK_MS), () => {
      this.#round = evaluateDue(clock.nowMs()).finally(() => this.#schedule())
    })
  }
}
