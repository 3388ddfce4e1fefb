import fc from 'fast-check'
import t from 'tap'
import { stepsOf } from '../../../src/logql/metric/steps.ts'
import { Windows } from '../../../src/logql/metric/windows.ts'

const SHAPE = fc.record({
  start: fc.bigInt(-50n, 50n),
  step: fc.bigInt(1n, 12n),
  count: fc.integer({ min: 1, max: 12 }),
  range: fc.bigInt(1n, 200n),
  offset: fc.bigInt(-20n, 20n),
})

t.test('an instant is in exactly the buckets of the windows that contain it', async (t) => {
  fc.assert(
    fc.property(SHAPE, fc.bigInt(-300n, 300n), ({ start, step, count, range, offset }, ns) => {
      const windows = new Windows({ start, step, count }, range, offset)
      const bucket = windows.locate(ns)
      const { lastNs } = windows
      for (let k = 0; k < count; k++) {
        const end = start + step * BigInt(k) - offset
        const { first, last } = windows.bucketsOf(k)
        if ((ns > end - range && ns <= end) !== (bucket >= first && bucket <= last)) throw new Error(`window ${k}`)
        if (windows.endOf(k) !== end) throw new Error(`end of window ${k}`)
      }
      if (bucket >= windows.bucketCount) throw new Error('a bucket beyond the last')
      const isInside = ns >= windows.start && ns < windows.end
      if (bucket >= 0 && !isInside) throw new Error('a bucket outside of the range that is read')
      if (bucket >= 0 && (lastNs < ns || windows.locate(lastNs) !== bucket)) throw new Error('the end of the bucket')
    }),
    { numRuns: 20_000 },
  )
  t.pass('no difference was found')
})

t.test('a time range is needed if a window overlaps it', async (t) => {
  fc.assert(
    fc.property(
      SHAPE,
      fc.bigInt(-300n, 300n),
      fc.bigInt(0n, 40n),
      ({ start, step, count, range, offset }, from, length) => {
        const windows = new Windows({ start, step, count }, range, offset)
        let holds = false
        for (let ns = from; ns <= from + length; ns++) holds ||= windows.locate(ns) >= 0
        if (holds && !windows.touches(from, from + length)) throw new Error('a block would be missed')
        if (!holds && length === 0n && windows.touches(from, from)) throw new Error('a block would be read for nothing')
      },
    ),
    { numRuns: 5000 },
  )
  t.pass('no difference was found')
})

t.test('a range much longer than the query has few buckets', async (t) => {
  const year = 365n * 86_400_000_000_000n
  const windows = new Windows({ start: 0n, step: 1_000_000n, count: 100 }, year, 0n)
  t.ok(windows.bucketCount <= 400, `${windows.bucketCount}`)
})

t.test('steps are multiples of the step around the range', async (t) => {
  t.same(stepsOf(65n, 170n, 60n, 100), { start: 60n, step: 60n, count: 3 })
  t.same(stepsOf(60n, 180n, 60n, 100), { start: 60n, step: 60n, count: 3 })
  t.same(stepsOf(-65n, -60n, 60n, 100), { start: -120n, step: 60n, count: 2 })
  t.same(stepsOf(5n, 5n, 60n, 100), { start: 0n, step: 60n, count: 2 })
  t.equal(stepsOf(0n, 100n, 1n, 100).count, 101)
})

t.test('refuses steps that lead nowhere or to too many points', async (t) => {
  t.throws(() => stepsOf(0n, 1n, 0n, 100), { code: 'parameter_invalid' })
  t.throws(() => stepsOf(0n, 1n, -1n, 100), { code: 'parameter_invalid' })
  t.throws(() => stepsOf(1n, 0n, 1n, 100), { code: 'parameter_invalid' })
  t.throws(() => stepsOf(0n, 11_001n, 1n, 11_000), {
    code: 'query_refused',
    message:
      'exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter',
  })
})
