import t from 'tap'
import { StreamCache } from '../../../../src/adapters/embedded/streams/stream-cache.ts'

const stream = (id: number, chars = 100) => ({ id, tenant: id % 2, key: `${id}`.padEnd(chars, '.'), labels: [] })

t.test('keeps what was used last within its bound', async (t) => {
  const cache = new StreamCache(5 * (4 * 100 + 600))
  for (let id = 1; id <= 5; id++) cache.add(stream(id))
  cache.byId(1)
  cache.byKey(0, stream(2).key)
  for (const id of [6, 7]) cache.add(stream(id))
  const kept = [1, 2, 3, 4, 5, 6, 7].filter((id) => cache.byId(id) !== undefined)
  t.same(kept, [1, 2, 5, 6, 7])
  t.equal(cache.byKey(1, stream(3).key), undefined, 'neither by its id nor by its labels')
  t.match(cache.byKey(1, stream(5).key), { id: 5 })
})

t.test('a stream larger than the bound stays until the next one comes', async (t) => {
  const cache = new StreamCache(1000)
  cache.add(stream(1, 10_000))
  t.ok(cache.byId(1))
  cache.add(stream(2, 10))
  t.notOk(cache.byId(1))
  cache.remove(2)
  t.notOk(cache.byKey(0, stream(2, 10).key))
})
