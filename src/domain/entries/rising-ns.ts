/** Increasing nanosecond timestamps from a millisecond clock. */

import { msToNs, NS_PER_SECOND } from '../time.ts'

/**
 * If the clock goes back by more than this it was set: continuing from the old time would create timestamps in the
 * future.
 */
const STEP_BACK_NS = NS_PER_SECOND

export class RisingNs {
  #next = 0n

  /**
   * The first of `count` timestamps that are all later than any returned before, and not before `nowMs`. If the clock
   * was set back, the timestamps follow it.
   */
  take(nowMs: number, count: number): bigint {
    const now = msToNs(nowMs)
    const first = now > this.#next || this.#next - now > STEP_BACK_NS ? now : this.#next
    this.#next = first + BigInt(count)
    return first
  }
}
