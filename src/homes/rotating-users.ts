/** Users that stand in a parameter: looked up again from time to time, and when somebody is refused. */

import type { User, UserSource } from '../config/users.ts'
import type { Clock } from '../ports/log-store.ts'

/** What becomes of a look-up. Must not throw. */
export interface RotationEvents {
  usersChanged(users: number): void
  /** Those before hold on. */
  usersNotRefreshed(cause: unknown): void
}

export interface RotationParts {
  /** The text that `initial` was read from. */
  readonly text: string
  readonly initial: readonly User[]
  /** The parameter's text of now. */
  fetch(): Promise<string>
  /** Throws config_invalid for a text that is no users. */
  parse(text: string): readonly User[]
  readonly clock: Clock
  /** 0 to 1: containers that started together do not look together. */
  random(): number
  readonly refreshMs: number
  readonly events: RotationEvents
}

/** Refused passwords are free to send: they make one look-up in this time, whoever sends how many of them. */
const LOOKUP_GAP_MS = 10_000
/** Of the time between two look-ups, at most, left to chance. */
const JITTER = 0.2

/**
 * No timer: a function that is frozen between its requests keeps none. Whoever asks for the users when they are due is
 * answered from memory, and starts the look-up.
 */
export class RotatingUsers implements UserSource {
  readonly #parts: RotationParts
  #text: string
  #users: readonly User[]
  #lastMs: number
  #dueMs: number
  #running: Promise<void> | undefined

  constructor(parts: RotationParts) {
    this.#parts = parts
    this.#text = parts.text
    this.#users = parts.initial
    this.#lastMs = Number.NEGATIVE_INFINITY
    this.#dueMs = parts.clock.monotonicMs() + this.#nextMs()
  }

  users(): readonly User[] {
    if (this.#parts.clock.monotonicMs() >= this.#dueMs) void this.refresh()
    return this.#users
  }

  /** One look-up for all who ask while it runs; none within ten seconds of the one before. Never rejects. */
  refresh(): Promise<void> {
    if (this.#running !== undefined) return this.#running
    const nowMs = this.#parts.clock.monotonicMs()
    if (nowMs - this.#lastMs < LOOKUP_GAP_MS) return Promise.resolve()
    this.#lastMs = nowMs
    this.#dueMs = nowMs + this.#nextMs()
    this.#running = this.#lookUp().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #lookUp(): Promise<void> {
    const { fetch, parse, events } = this.#parts
    try {
      const text = await fetch()
      if (text === this.#text) return
      this.#users = parse(text)
      this.#text = text
      events.usersChanged(this.#users.length)
    } catch (cause) {
      events.usersNotRefreshed(cause)
    }
  }

  #nextMs(): number {
    const { refreshMs, random } = this.#parts
    return refreshMs * (1 - JITTER * random())
  }
}
