import fc from 'fast-check'
import t from 'tap'
import { makeIdFilter, mayHaveId } from '../../../src/protocol/archive/id-filter.ts'
import { Random } from '../../support/random.ts'

t.test('an id of the filter is always found', async () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (ids) => {
      const filter = makeIdFilter(ids)
      return ids.every((id) => mayHaveId(filter, id))
    }),
  )
})

t.test('about one in a hundred absent ids is a false positive', async (t) => {
  const random = new Random(1)
  const filter = makeIdFilter(Array.from({ length: 20_000 }, () => random.hex(32)))
  t.equal(filter.length, 25_000, 'ten bits an id')
  const wrong = Array.from({ length: 20_000 }, () => random.hex(32)).filter((id) => mayHaveId(filter, id))
  t.ok(wrong.length < 300, `${wrong.length} of 20000`)
})

t.test('a filter without ids has no bytes and finds nothing', async (t) => {
  t.equal(makeIdFilter([]).length, 0)
  t.notOk(mayHaveId(new Uint8Array(0), 'a'))
})
