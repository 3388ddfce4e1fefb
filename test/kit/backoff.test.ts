import fc from 'fast-check'
import t from 'tap'
import { type BackoffLimits, backoffMs } from '../../src/kit/backoff.ts'

const LIMITS = { firstMs: 100, maxMs: 1000 }
const noChance = (): number => {
  throw new Error('chance was asked')
}

const ROWS: readonly [name: string, limits: BackoffLimits, random: () => number, waits: readonly number[]][] = [
  ['waits double up to the longest, without chance', LIMITS, noChance, [100, 200, 400, 800, 1000, 1000]],
  ['another factor', { ...LIMITS, factor: 4 }, noChance, [100, 400, 1000, 1000]],
  ['full jitter, all of it', { ...LIMITS, jitter: 1 }, () => 1, [100, 200, 400]],
  ['full jitter, none of it', { ...LIMITS, jitter: 1 }, () => 0, [0, 0, 0]],
  ['half of it left to chance', { ...LIMITS, jitter: 0.5 }, () => 0, [50, 100, 200]],
  ['a first wait above the longest', { firstMs: 5000, maxMs: 1000 }, noChance, [1000, 1000]],
]
for (const [name, limits, random, waits] of ROWS) {
  t.test(name, async (t) => {
    t.strictSame(
      waits.map((_, i) => backoffMs(i + 1, limits, random)),
      waits,
    )
  })
}

t.test('after however many attempts, a wait is between nothing and the longest', async () => {
  const attempts = fc.integer({ min: 1, max: 1e9 })
  const part = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(attempts, part, part, (attempt, jitter, share) => {
      const ms = backoffMs(attempt, { ...LIMITS, jitter }, () => share)
      return ms >= 0 && ms <= LIMITS.maxMs + 1e-9
    }),
  )
})
