/** A clock that never goes backwards, made of the two clocks that every machine has. */

/** Between two readings without a suspension, the clocks differ by less than this. */
const SUSPENSION_MS_MIN = 1000

/**
 * Milliseconds that never go backwards and include the time in which the machine was suspended.
 *
 * `steadyMs` never goes backwards, but stops while a machine (or a frozen Lambda function) is suspended. `wallMs`
 * includes that time, but may be set back or forward. The result follows `steadyMs`; if `wallMs` has advanced a second
 * or more further since the last reading, the difference is added. So a wall clock that is set forward counts as
 * elapsed time, and one that is set back has no effect.
 */
export function makeMonotonic(wallMs: () => number, steadyMs: () => number): () => number {
  let wall = wallMs()
  let steady = steadyMs()
  let suspendedMs = 0
  return () => {
    const nextWall = wallMs()
    const nextSteady = steadyMs()
    const aheadMs = nextWall - wall - (nextSteady - steady)
    if (aheadMs >= SUSPENSION_MS_MIN) suspendedMs += aheadMs
    wall = nextWall
    steady = nextSteady
    return steady + suspendedMs
  }
}
