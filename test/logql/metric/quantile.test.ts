import fc from 'fast-check'
import t from 'tap'
import { finishSlices } from '../../../src/kit/slices.ts'
import { QuantileWindow, ValueList } from '../../../src/logql/metric/quantile.ts'

function windowOf(buckets: readonly (readonly number[])[]): QuantileWindow {
  const counted = buckets.map((values) => {
    const list = new ValueList()
    for (const value of values) list.add(value)
    return finishSlices(list.counted())
  })
  return finishSlices(QuantileWindow.make(counted))
}

/** By sorting everything. NaN is the greatest. */
function expected(quantile: number, values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = values.toSorted((a, b) => Number(Number.isNaN(a)) - Number(Number.isNaN(b)) || a - b)
  const rank = quantile * (sorted.length - 1)
  const low = Math.floor(rank)
  const high = Math.min(sorted.length - 1, low + 1)
  return (sorted[low] as number) * (1 - (rank - low)) + (sorted[high] as number) * (rank - low)
}

/** Few different values, so that some are equal, and any. */
const VALUE = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(Number.NaN), fc.float({ noNaN: true }))

t.test('a window that slides over buckets has the quantiles of their sorted values', async () => {
  const buckets = fc.array(fc.array(VALUE, { maxLength: 40 }), { minLength: 1, maxLength: 8 })
  const property = fc.property(buckets, fc.double({ min: 0, max: 1, noNaN: true }), (lists, quantile) => {
    const window = windowOf(lists)
    const width = 1 + (lists.length >> 1)
    for (let to = 0; to < lists.length; to++) {
      finishSlices(window.add(to))
      if (to >= width) finishSlices(window.remove(to - width))
      const values = lists.slice(Math.max(0, to - width + 1), to + 1).flat()
      t.same(window.quantile(quantile), expected(quantile, values))
    }
  })
  fc.assert(property, { numRuns: 300 })
})

t.test('many different values are counted by groups', async (t) => {
  const values = Array.from({ length: 50_000 }, (_, i) => ((i * 7919) % 50_000) / 7)
  const window = windowOf([values.slice(0, 20_000), values.slice(20_000), []])
  for (const bucket of [0, 1, 2]) finishSlices(window.add(bucket))
  for (const quantile of [0, 0.01, 0.5, 0.99, 0.99999, 1])
    t.equal(window.quantile(quantile), expected(quantile, values))
  finishSlices(window.remove(0))
  t.equal(window.quantile(0.3), expected(0.3, values.slice(20_000)))
})

t.test('sorting and counting yield', async (t) => {
  const list = new ValueList()
  for (let i = 0; i < 100_000; i++) list.add((i * 7919) % 100_003)
  const work = list.counted()
  let slices = 0
  while (work.next().done !== true) slices++
  t.ok(slices > 100, `${slices} slices`)
})

t.test('quantiles beyond 0 and 1 are infinite, those of nothing are NaN', async (t) => {
  const window = windowOf([[1, 2]])
  t.ok(Number.isNaN(window.quantile(0.5)))
  finishSlices(window.add(0))
  t.equal(window.quantile(-0.1), Number.NEGATIVE_INFINITY)
  t.equal(window.quantile(1.1), Number.POSITIVE_INFINITY)
  t.ok(Number.isNaN(window.quantile(Number.NaN)))
  finishSlices(window.remove(0))
  t.ok(Number.isNaN(window.quantile(0.5)))
})
