/** The periodic tasks of a long-running process: counting lines, sending notifications, closing quiet incidents. */

/** Calls `run` once after `ms`; the returned function cancels it. */
export type Schedule = (run: () => void, ms: number) => () => void

export interface Round {
  readonly everyMs: number
  /** Calls do not overlap; `onFailure` gets the rejection. */
  readonly run: () => Promise<unknown>
}

/** Interval between counting rounds; a notification is sent less than two seconds after its line was accepted. */
export const LINES_EVERY_MS = 1_000
export const OUTBOX_EVERY_MS = 1_000
/** Counts of known kinds that wait are applied then, many rounds at once; who reads incidents has them applied first. */
export const SWEEP_EVERY_MS = 30_000

/** Repeats each task, a fixed time after its previous run ended. `stop` resolves when none is running. */
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
