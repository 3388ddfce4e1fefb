import t from 'tap'
import { TokenBucket } from '../../src/kit/token-bucket.ts'

const RATE = { perSecond: 100, burst: 250 }

t.test('a bucket starts full, and allows its burst immediately', async (t) => {
  const bucket = new TokenBucket(RATE, 0)
  t.ok(bucket.take(250, 0))
  t.notOk(bucket.take(1, 0))
})

t.test('a rejected request takes no tokens', async (t) => {
  const bucket = new TokenBucket(RATE, 0)
  t.notOk(bucket.take(251, 0))
  t.ok(bucket.take(250, 0))
})

t.test('it refills at its rate, up to its burst', async (t) => {
  const bucket = new TokenBucket(RATE, 0)
  t.ok(bucket.take(250, 0))
  t.notOk(bucket.take(51, 500))
  t.ok(bucket.take(50, 500))
  t.notOk(bucket.take(251, 1_000_000))
  t.ok(bucket.take(250, 1_000_000))
})

t.test('zero tokens are always available', async (t) => {
  const bucket = new TokenBucket({ perSecond: 0, burst: 0 }, 0)
  t.ok(bucket.take(0, 0))
  t.notOk(bucket.take(1, 1e12))
})
