/** A reading of time that never goes back, made of the two clocks that every machine has. */

/** The clocks may disagree by less than this between two readings without a suspension between them. */
const SUSPENSION_MS_MIN = 1000

/**
 * Milliseconds that never go back and count the time in which the machine was suspended.
 *
 * `steadyMs` never goes back, but stands still while a machine (or a frozen Lambda function) is suspended. `wallMs` counts
 * that time, but may be set back or forward. The result follows `steadyMs`; where `wallMs` is ahead by a second or more
 * since the last reading, that time is added. So a wall clock that is set forward counts as time passed, and one that is
 * set back changes nothing.
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
