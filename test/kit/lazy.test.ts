import t from 'tap'
import { lazy } from '../../src/kit/lazy.ts'

t.test('a thing is made once, at its first use, however many ask', async (t) => {
  let made = 0
  const thing = lazy(async () => ({ number: ++made }))
  t.equal(made, 0)
  const [first, second] = await Promise.all([thing(), thing()])
  t.equal(first, second)
  t.equal(await thing(), first)
  t.equal(made, 1)
})

t.test('what could not be made is tried again', async (t) => {
  let tries = 0
  const thing = lazy(async () => {
    if (++tries === 1) throw new Error('no file')
    return 'made'
  })
  await t.rejects(thing(), /no file/)
  t.equal(await thing(), 'made')
})
