import t from 'tap'
import { AnswerCache, type AskedAnswer } from '../../../src/flows/query/answer-cache.ts'

const ASKED: AskedAnswer = { tenant: 'a', start: 0n, end: 10n, question: ['rate', 1] }

/** A store with only a version, and a cache with numbered results. */
function open(bytesMax: number | undefined) {
  const store = { current: '1' as string | undefined, version: () => store.current }
  const cache = new AnswerCache(store, bytesMax)
  let made = 0
  const ask = async (asked: Partial<AskedAnswer> = {}, length = 10): Promise<string> => {
    const make = async () => [Buffer.from(`${++made}`.padEnd(length, '.'))]
    const { body, outcome } = await cache.answer({ ...ASKED, ...asked }, make)
    return `${outcome} ${Buffer.concat(body).toString().replace(/\.+$/, '')}`
  }
  return { store, cache, ask }
}

t.test('a result is reused while the version of the store is unchanged', async (t) => {
  const { store, cache, ask } = open(10_000)
  t.equal(await ask(), 'miss 1')
  t.equal(await ask(), 'hit 1')
  store.current = '2'
  t.equal(await ask(), 'miss 2')
  t.equal(await ask(), 'hit 2')
  t.match(cache.figures, { hits: 2, misses: 2 })
})

const OTHERS: readonly (readonly [name: string, asked: Partial<AskedAnswer>])[] = [
  ['another tenant', { tenant: 'b' }],
  ['several tenants', { tenant: 'a|b' }],
  ['another start', { start: 1n }],
  ['another end', { end: 11n }],
  ['another question', { question: ['rate', 2] }],
  ['a question that only looks the same', { question: ['rate,1'] }],
  ['a question in other words of the same text', { question: ['rate', '1'] }],
  ['nothing', { question: ['rate', null] }],
]
t.test('a result is reused only for the same question', async (t) => {
  const { ask } = open(100_000)
  await ask()
  for (const [i, [name, asked]] of OTHERS.entries()) t.equal(await ask(asked), `miss ${i + 2}`, name)
  t.equal(await ask(), 'hit 1')
})

t.test('nothing is cached if the cache is off or the store has no version', async (t) => {
  const off = open(undefined)
  t.same([await off.ask(), await off.ask()], ['off 1', 'off 2'])
  const blind = open(10_000)
  blind.store.current = undefined
  t.same([await blind.ask(), await blind.ask()], ['off 1', 'off 2'])
  t.equal(blind.cache.figures.bytes, 0)
})

t.test('a change during the computation invalidates the result', async (t) => {
  const { store, cache, ask } = open(10_000)
  const make = async () => {
    store.current = '2'
    return [Buffer.from('of the first')]
  }
  await cache.answer(ASKED, make)
  t.equal(await ask(), 'miss 1')
})

t.test('a failed computation is not cached', async (t) => {
  const { cache, ask } = open(10_000)
  await t.rejects(
    cache.answer(ASKED, async () => {
      throw new Error('no')
    }),
  )
  t.equal(await ask(), 'miss 1')
})

t.test('memory is bounded: the least recently used result is evicted, a huge one is not cached', async (t) => {
  const { cache, ask } = open(10_000)
  for (let i = 0; i < 100; i++) {
    await ask({ start: BigInt(-i) }, 300)
    await ask({ start: 1n }, 300)
    t.ok(cache.figures.bytes <= 10_000)
  }
  t.match(await ask({ start: 1n }), /^hit/, 'what is used stays')
  t.match(await ask({ start: 0n }), /^miss/)
  t.match(await ask({ start: 5n }, 1000), /^miss/)
  t.match(await ask({ start: 5n }, 1000), /^miss/, 'too large a part of the whole')
  t.match(await ask({ start: 1n }), /^hit/)
})
