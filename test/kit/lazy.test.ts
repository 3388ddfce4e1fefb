import t from 'tap'
import { lazy } from '../../src/kit/lazy.ts'

t.test('a value is created once, on first use, by concurrent callers', async (t) => {
  let made = 0
  const thing = lazy(async () => ({ number: ++made }))
  t.equal(made, 0)
  const [first, second] = await Promise.all([thing(), thing()])
  t.equal(first, second)
  t.equal(await thing(), first)
  t.equal(made, 1)
})

t.test('a failed creation is retried', async (t) => {
  let tries = 0
  const thing = lazy(async () => {
    if (++tries === 1) throw new Error('no file')
    return 'made'
  })
  await t.rejects(thing(), /no file/)
  t.equal(await thing(), 'made')
})
