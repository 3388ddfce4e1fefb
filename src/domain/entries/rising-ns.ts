/** Times that rise: a clock of milliseconds spread over nanoseconds, so that what comes later is later. */

import { msToNs, NS_PER_SECOND } from '../time.ts'

/** A clock that falls back by more was set anew: times that went on rising would lie in its future for as long. */
const STEP_BACK_NS = NS_PER_SECOND

export class RisingNs {
  #next = 0n

  /**
   * The first of `count` instants that are all later than any given before, and not before `nowMs`. A clock that was
   * set back is followed.
   */
  take(nowMs: number, count: number): bigint {
    const now = msToNs(nowMs)
    const first = now > this.#next || this.#next - now > STEP_BACK_NS ? now : this.#next
    this.#next = first + BigInt(count)
    return first
  }
}
