import t from 'tap'
import { IdSet } from '../../src/kit/id-set.ts'

t.test('has what was added, and nothing else', async (t) => {
  const ids = [0, 1, 7, 8, 32_767, 32_768, 32_769, 1_000_000, 2 ** 31, 2 ** 32, 2 ** 32 + 1]
  const set = new IdSet()
  for (const id of ids) set.add(id)
  for (const id of ids) {
    t.ok(set.has(id), `${id}`)
    for (const beside of [id - 1, id + 1]) if (!ids.includes(beside) && beside >= 0) t.notOk(set.has(beside))
  }
})
