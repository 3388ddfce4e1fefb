import t from 'tap'
import { RisingNs } from '../../../src/domain/entries/rising-ns.ts'

t.test('times increase while the clock stands still, and follow it afterwards', async (t) => {
  const times = new RisingNs()
  t.equal(times.take(1000, 2), 1_000_000_000n)
  t.equal(times.take(1000, 1), 1_000_000_002n)
  t.equal(times.take(999, 1), 1_000_000_003n, 'a clock that is slewed a little')
  t.equal(times.take(1001, 1), 1_001_000_000n)
})

t.test('times follow a clock that was set back', async (t) => {
  const times = new RisingNs()
  times.take(3_600_000, 1)
  t.equal(times.take(1000, 1), 1_000_000_000n)
  t.equal(times.take(1000, 1), 1_000_000_001n)
})
