/** Times that rise: a clock of milliseconds spread over nanoseconds, so that what comes later is later. */

import { msToNs } from './time.ts'

export class RisingNs {
  #next = 0n

  /** The first of `count` instants that are all later than any given before, and not before `nowMs`. */
  take(nowMs: number, count: number): bigint {
    const now = msToNs(nowMs)
    const first = now > this.#next ? now : this.#next
    this.#next = first + BigInt(count)
    return first
  }
}
