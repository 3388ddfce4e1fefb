import fc from 'fast-check'
import t from 'tap'
import { CircuitBreaker, OPEN_MS_MAX } from '../../src/kit/circuit-breaker.ts'

const CALL_MS = 10_000

function opened(failures: number): CircuitBreaker {
  const breaker = new CircuitBreaker()
  for (let i = 0; i < failures; i++) breaker.fail(0)
  return breaker
}

t.test('two failures do not open it', async (t) => {
  const breaker = opened(2)
  t.equal(breaker.admits(0, CALL_MS), true)
  breaker.succeed()
  breaker.fail(0)
  t.equal(breaker.admits(0, CALL_MS), true, 'they count in a row')
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
    const breaker = opened(failures)
    t.equal(breaker.admits(openMs - 1, CALL_MS), false)
    t.equal(breaker.admits(openMs, CALL_MS), true)
    t.equal(breaker.admits(openMs, CALL_MS), false, 'the others wait for how it goes')
    t.equal(breaker.admits(openMs + CALL_MS, CALL_MS), true, 'a call that never told counts as over')
    breaker.succeed()
    t.equal(breaker.admits(openMs + CALL_MS, CALL_MS), true)
  })
}

t.test('after any failures, it admits a call within a minute', async () => {
  const times = fc.array(fc.integer({ min: 0, max: 10 ** 7 }), { maxLength: 30 })
  fc.assert(
    fc.property(times, fc.integer({ min: 0, max: 10 ** 6 }), (failedMs, callMs) => {
      const breaker = new CircuitBreaker()
      const sorted = failedMs.toSorted((a, b) => a - b)
      for (const ms of sorted) breaker.fail(ms)
      const nowMs = sorted.at(-1) ?? 0
      return breaker.admits(nowMs, callMs) || breaker.admits(nowMs + OPEN_MS_MAX, callMs)
    }),
  )
})
