/** The real clock, timers and randomness, which entries pass to code that must not use them directly. */

import { setTimeout as sleep } from 'node:timers/promises'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Pacing } from '../adapters/aws/retry.ts'
import type { Wait } from '../kit/backoff.ts'
import { makeMonotonic } from '../kit/monotonic.ts'
import type { Repeat } from '../kit/repeat.ts'
import type { Clock } from '../ports/log-store.ts'

export const SYSTEM_CLOCK: Clock = {
  nowMs: Date.now,
  monotonicMs: makeMonotonic(Date.now, () => performance.now()),
}

export const wait: Wait = async (ms, signal) => {
  // It rejects only if it is aborted, which ends the wait.
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}

export const SYSTEM_PACING: Pacing = { monotonicMs: SYSTEM_CLOCK.monotonicMs, wait, random: Math.random }

export const repeat: Repeat = (run, ms) => {
  const timer = setInterval(run, ms).unref()
  return () => clearInterval(timer)
}

/** Node's heap, as HeapGuard reads it. */
export const SYSTEM_HEAP = {
  limitBytes: getHeapStatistics().heap_size_limit,
  usedBytes: (): number => getHeapStatistics().used_heap_size,
  collect: (): void => {
    // Node has no call for it; the flag gives new contexts a function.
    setFlagsFromString('--expose-gc')
    runInNewContext('gc')()
  },
}
