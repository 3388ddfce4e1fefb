import t from 'tap'
import { Attempts } from '../../../src/adapters/aws/retry.ts'
import { SteppedPacing } from './stepped-pacing.ts'

const LIMITS = { attemptsMax: 5, budgetMs: 10_000, backoff: { firstMs: 100, maxMs: 400, jitter: 1 } }

async function attemptsOf(limits: Partial<typeof LIMITS>, share = 1) {
  const pacing = new SteppedPacing(share)
  const attempts = new Attempts({ ...LIMITS, ...limits }, pacing)
  let made = 1
  while (await attempts.next()) made++
  return { made, waits: pacing.waits }
}

t.test('waits double up to their limit, and attempts are counted', async (t) => {
  t.same(await attemptsOf({}), { made: 5, waits: [100, 200, 400, 400] })
})

t.test('each wait is a random share of the longest', async (t) => {
  t.same(await attemptsOf({}, 0.25), { made: 5, waits: [25, 50, 100, 100] })
})

t.test('no attempt starts after the budget is used up', async (t) => {
  t.same(await attemptsOf({ budgetMs: 700 }), { made: 4, waits: [100, 200, 400] })
  t.same(await attemptsOf({ budgetMs: 699 }), { made: 3, waits: [100, 200] })
})

t.test('one attempt is one attempt', async (t) => {
  t.same(await attemptsOf({ attemptsMax: 1 }), { made: 1, waits: [] })
})
