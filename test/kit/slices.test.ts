import fc from 'fast-check'
import t from 'tap'
import { finishSlices, type Slices, sortSlices } from '../../src/kit/slices.ts'

t.test('work that is finished at once returns its result or throws its error', async (t) => {
  function* work(fails: boolean): Slices<number> {
    yield
    if (fails) throw new Error('broken')
    yield
    return 7
  }
  t.equal(finishSlices(work(false)), 7)
  t.throws(() => finishSlices(work(true)), /broken/)
})

t.test('sorts as Array.prototype.sort does, stably', async (t) => {
  const pair = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer())
  const property = fc.property(fc.array(pair, { maxLength: 5000, size: 'max' }), (pairs) => {
    const compare = ([a]: readonly [number, number], [b]: readonly [number, number]): number => a - b
    return JSON.stringify(finishSlices(sortSlices(pairs, compare))) === JSON.stringify([...pairs].sort(compare))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 50 }))
})

t.test('a long sort pauses often, a short one never', async (t) => {
  const pausesOf = (count: number): number => {
    const work = sortSlices(
      Array.from({ length: count }, (_, i) => (i * 7919) % count),
      (a, b) => a - b,
    )
    let pauses = 0
    while (work.next().done !== true) pauses++
    return pauses
  }
  t.equal(pausesOf(1000), 0)
  t.ok(pausesOf(100_000) > 500)
})
