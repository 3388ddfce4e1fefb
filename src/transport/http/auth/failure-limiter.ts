/** Rate limit for failed logins: after too many, further attempts are rejected until the minute is over. */

import { createHmac, randomBytes } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { GatewayError } from '../../../domain/errors.ts'
import type { Clock } from '../../../ports/log-store.ts'

const WINDOW_MS = 60_000
/** Maximum number of counters; the oldest is dropped. */
const COUNTERS_MAX = 20_000
/**
 * Identities of one address share this many counters. An agent with an old password does not lock out others behind the
 * same proxy, and inventing names does not create more counters. Because the key is secret, counters do not reveal which
 * names exist.
 */
const COUNTERS_PER_ADDRESS = 64

export class FailureLimiter {
  readonly #perMinute: number
  readonly #clock: Clock
  readonly #key = randomBytes(32)
  readonly #failures = new Map<string, number>()
  #window = 0

  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute
    this.#clock = clock
  }

  /** Throws rate_limited after too many failures from `address` for the counter of `identity`. */
  assertAllowed(address: string, identity: string): void {
    this.#turn()
    if ((this.#failures.get(this.#counter(address, identity)) ?? 0) < this.#perMinute) return
    throw new GatewayError(
      'rate_limited',
      `more than ${this.#perMinute} failed logins from this address within a minute; correct the credentials and retry in a minute`,
    )
  }

  /** Counts one failure. */
  count(address: string, identity: string): void {
    this.#turn()
    const counter = this.#counter(address, identity)
    const failures = this.#failures.get(counter) ?? 0
    this.#failures.delete(counter) // reinserted, it becomes the newest
    this.#failures.set(counter, failures + 1)
    if (this.#failures.size > COUNTERS_MAX) {
      const [oldest] = this.#failures.keys()
      if (oldest !== undefined) this.#failures.delete(oldest)
    }
  }

  #turn(): void {
    const window = Math.floor(this.#clock.monotonicMs() / WINDOW_MS)
    if (window !== this.#window) this.#failures.clear()
    this.#window = window
  }

  #counter(address: string, identity: string): string {
    const digest = createHmac('sha256', this.#key).update(identity).digest()
    return `${network(address)} ${digest.readUInt8(0) % COUNTERS_PER_ADDRESS}`
  }
}

/** IPv6 addresses are counted by their /64, which usually belongs to one customer. */
export function network(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string) => text.split(':').filter((group) => group !== '')
  const filled = Math.max(0, 8 - groups(head).length - groups(tail).length)
  return [...groups(head), ...new Array<string>(filled).fill('0'), ...groups(tail)].slice(0, 4).join(':')
}
