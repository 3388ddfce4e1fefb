/**
 * Measures the cost of synchronous work, independent of the speed and load of the machine: CPU time of this thread, in
 * units of a fixed piece of work. On a common machine of 2026 a unit is about a millisecond.
 */

/** Iterations of a unit of work. */
const UNIT_ITERATIONS = 8_000
const WARM_UPS = 20
/** Measured together, because some kernels count CPU time in steps of milliseconds. */
const UNITS_MEASURED = 200

let unit: number | undefined

/** The number of units that `work` takes. If in doubt, run it again: the lowest of several results is the cost. */
export function costOf(work: () => void): number {
  unit ??= measureUnit()
  return cpuMicroseconds(work) / unit
}

/** The lowest cost of three runs, because a garbage collection may fall into one of them. */
export function leastCostOf(work: () => void): number {
  return Math.min(costOf(work), costOf(work), costOf(work))
}

function measureUnit(): number {
  for (let i = 0; i < WARM_UPS; i++) workOneUnit()
  const took = cpuMicroseconds(() => {
    for (let i = 0; i < UNITS_MEASURED; i++) workOneUnit()
  })
  return took / UNITS_MEASURED
}

function cpuMicroseconds(work: () => void): number {
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return user + system
}

/** Numbers, strings and a map, as in most code. */
function workOneUnit(): number {
  const counts = new Map<string, number>()
  let state = 1
  for (let i = 0; i < UNIT_ITERATIONS; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const name = `key ${state % 1000}`
    counts.set(name, (counts.get(name) ?? 0) + name.length)
  }
  return counts.size
}
