/** Users from a parameter: looked up again periodically, and after a rejected password. */

import type { User, UserSource } from '../config/users.ts'
import type { Clock } from '../ports/log-store.ts'

/** The outcome of a lookup. Must not throw. */
export interface RotationEvents {
  usersChanged(users: number): void
  /** The previous users are kept. */
  usersNotRefreshed(cause: unknown): void
}

export interface RotationParts {
  /** The text from which `initial` was parsed. */
  readonly text: string
  readonly initial: readonly User[]
  /** The current text of the parameter. */
  fetch(): Promise<string>
  /** Throws config_invalid for invalid users. */
  parse(text: string): readonly User[]
  readonly clock: Clock
  /** 0 to 1; spreads the lookups of containers that started together. */
  random(): number
  readonly refreshMs: number
  readonly events: RotationEvents
}

/** Rejected passwords trigger at most one lookup in this time, because anyone can send them. */
const LOOKUP_GAP_MS = 10_000
/** Random share of the time between two lookups. */
const JITTER = 0.2

/**
 * Uses no timer, because a function is frozen between requests. A call to users() that finds a lookup due starts it, and
 * returns the users in memory.
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

  /** Concurrent calls share one lookup; there is none within ten seconds of the previous one. Never rejects. */
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
