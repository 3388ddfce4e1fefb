import fc from 'fast-check'
import t from 'tap'
import { CircuitBreaker, OPEN_MS_MAX } from '../../src/kit/circuit-breaker.ts'
import { FixedClock } from '../support/helper.ts'

const CALL_MS = 10_000

function opened(failures: number): { breaker: CircuitBreaker; clock: FixedClock } {
  const clock = new FixedClock()
  const breaker = new CircuitBreaker(clock)
  for (let i = 0; i < failures; i++) breaker.fail()
  return { breaker, clock }
}

t.test('two failures do not open it', async (t) => {
  const { breaker } = opened(2)
  t.equal(breaker.admits(CALL_MS), true)
  breaker.succeed()
  breaker.fail()
  t.equal(breaker.admits(CALL_MS), true, 'they count in a row')
})

for (const [failures, openMs] of [
  [3, 5_000],
  [4, 10_000],
  [5, 20_000],
  [6, 40_000],
  [7, 60_000],
  [2000, 60_000],
] as const) {
  t.test(`${failures} consecutive failures open it for ${openMs} ms, then one call probes`, async (t) => {
    const { breaker, clock } = opened(failures)
    clock.ms += openMs - 1
    t.equal(breaker.admits(CALL_MS), false)
    clock.ms += 1
    t.equal(breaker.admits(CALL_MS), true)
    t.equal(breaker.admits(CALL_MS), false, 'the others wait for its outcome')
    clock.ms += CALL_MS
    t.equal(breaker.admits(CALL_MS), true, 'a call without an outcome counts as over')
    breaker.succeed()
    t.equal(breaker.admits(CALL_MS), true)
  })
}

t.test('a clock that is set back does not keep it open', async (t) => {
  const { breaker, clock } = opened(3)
  clock.ms -= 3600_000
  t.equal(breaker.admits(CALL_MS), false)
  clock.ms += 5_000
  t.equal(breaker.admits(CALL_MS), true)
})

t.test('after any failures, it admits a call within a minute', async () => {
  const pauses = fc.array(fc.integer({ min: 0, max: 10 ** 6 }), { maxLength: 30 })
  fc.assert(
    fc.property(pauses, fc.integer({ min: 0, max: 10 ** 6 }), (pausesMs, callMs) => {
      const { breaker, clock } = opened(0)
      for (const ms of pausesMs) {
        clock.ms += ms
        breaker.fail()
      }
      if (breaker.admits(callMs)) return true
      clock.ms += OPEN_MS_MAX
      return breaker.admits(callMs)
    }),
  )
})
