/** The machine's time, waits and chance: what entries hand to everything that must not read them itself. */

import { makeMonotonic } from '../kit/monotonic.ts'
import type { Clock } from '../ports/log-store.ts'

export const SYSTEM_CLOCK: Clock = {
  nowMs: Date.now,
  monotonicMs: makeMonotonic(Date.now, () => performance.now()),
}
