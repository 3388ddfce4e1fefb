/** Logins that succeeded lately, by address: they stay possible while others at that address fail. */

import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../../ports/log-store.ts'
import { network } from './failure-limiter.ts'

/** Maximum number of logins; the least recently used is dropped. */
const LOGINS_MAX = 10_000
const WINDOW_MS = 60_000
/**
 * Wrong passwords for a login within a minute, as a multiple of the failures allowed: beyond this it is limited like any
 * other, because somebody at the same address is guessing it.
 */
const WRONG_FACTOR = 10

interface Login {
  readonly password: string
  window: number
  wrong: number
}

/** Names and passwords are kept as digests under a key of this process. */
export class ProvenLogins {
  readonly #wrongMax: number
  readonly #clock: Clock
  readonly #key = randomBytes(32)
  /** By address and name; the first is the least recently used. */
  readonly #logins = new Map<string, Login>()

  /** `perMinute`: the failures that the limiter allows. */
  constructor(perMinute: number, clock: Clock) {
    this.#wrongMax = perMinute * WRONG_FACTOR
    this.#clock = clock
  }

  /** Whether the login succeeded before and is not being guessed; counts another password as a guess. */
  has(address: string, name: string, password: string): boolean {
    const login = this.#login(address, name)
    if (login === undefined) return false
    const isSame = login.password === this.#digest(password)
    if (!isSame) login.wrong++
    return isSame && login.wrong < this.#wrongMax
  }

  add(address: string, name: string, password: string): void {
    const id = this.#idOf(address, name)
    const wrong = this.#login(address, name)?.wrong ?? 0
    this.#logins.delete(id)
    this.#logins.set(id, { password: this.#digest(password), window: this.#window(), wrong })
    if (this.#logins.size <= LOGINS_MAX) return
    const [oldest] = this.#logins.keys()
    if (oldest !== undefined) this.#logins.delete(oldest)
  }

  #login(address: string, name: string): Login | undefined {
    const login = this.#logins.get(this.#idOf(address, name))
    if (login !== undefined && login.window !== this.#window()) {
      login.window = this.#window()
      login.wrong = 0
    }
    return login
  }

  #window(): number {
    return Math.floor(this.#clock.monotonicMs() / WINDOW_MS)
  }

  #idOf(address: string, name: string): string {
    return this.#digest(`${network(address)} ${name}`)
  }

  #digest(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('base64')
  }
}
