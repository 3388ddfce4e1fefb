/** Calls what is due by the clock, in a process that stays up. */

import type { Clock } from '../../ports/log-store.ts'

/** Calls `run` once after so many milliseconds, unless the returned function is called before. */
export type Timer = (ms: number, run: () => void) => () => void

export interface RuleClockParts {
  readonly clock: Clock
  readonly timer: Timer
  /** Evaluates what is due at `nowMs`. Must not reject. */
  readonly evaluateDue: (nowMs: number) => Promise<unknown>
}

/** Groups are due at whole seconds at the most often. */
const TICK_MS = 1000

/** Looks once a second; a round that takes longer is not overtaken by the next. */
export class RuleClock {
  readonly #parts: RuleClockParts
  #cancel: () => void = () => undefined
  #round: Promise<unknown> = Promise.resolve()
  #isStopped = false

  constructor(parts: RuleClockParts) {
    this.#parts = parts
    this.#schedule()
  }

  /** Resolves when the round under way is over. */
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
