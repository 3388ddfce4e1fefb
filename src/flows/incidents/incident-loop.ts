/** The rounds of a process that stays up: counting lines, notifying people, closing what is quiet. */

/** Calls `run` after `ms`, once; the returned function takes it back. A test hands in a clock of its own. */
export type Schedule = (run: () => void, ms: number) => () => void

export interface Round {
  readonly everyMs: number
  /** Must not overlap with itself; `onFailure` gets what it rejects with. */
  readonly run: () => Promise<unknown>
}

/** From an accepted line to its incident; with the sending behind it below two seconds. */
export const LINES_EVERY_MS = 1_000
export const OUTBOX_EVERY_MS = 1_000
export const SWEEP_EVERY_MS = 10_000

/** Runs each round again and again, a time after it was over. `stop` resolves when none runs any more. */
export class IncidentLoop {
  readonly #rounds: readonly Round[]
  readonly #schedule: Schedule
  readonly #onFailure: (cause: unknown) => void
  readonly #cancel = new Map<Round, () => void>()
  readonly #running = new Set<Promise<unknown>>()
  #isStopped = false

  constructor(rounds: readonly Round[], schedule: Schedule, onFailure: (cause: unknown) => void) {
    this.#rounds = rounds
    this.#schedule = schedule
    this.#onFailure = onFailure
  }

  start(): void {
    for (const round of this.#rounds) this.#plan(round)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const cancel of this.#cancel.values()) cancel()
    await Promise.all(this.#running)
  }

  #plan(round: Round): void {
    if (this.#isStopped) return
    this.#cancel.set(
      round,
      this.#schedule(() => this.#start(round), round.everyMs),
    )
  }

  #start(round: Round): void {
    const running = round
      .run()
      .catch(this.#onFailure)
      .finally(() => {
        this.#running.delete(running)
        this.#plan(round)
      })
    this.#running.add(running)
  }
}
