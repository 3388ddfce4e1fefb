import t, { type Test } from 'tap'
import { CANCEL_MS, hideDeleted, processDeletions, requestDeletion } from '../../../src/flows/delete/delete-logs.ts'
import { FixedClock, makeBatch, openAdmission, openStore, readAll } from '../../support/helper.ts'

async function open(t: Test) {
  const clock = new FixedClock()
  const store = openStore(t, clock)
  const startNs = clock.nowNs
  const entries = Array.from({ length: 3000 }, (_, i) => ({
    ns: startNs + BigInt(i),
    line: i % 10 === 0 ? `secret ${i}` : `line ${i}`,
  }))
  const streams = ['shop', 'mail'].map((app) => ({ labels: { app }, entries }))
  await store.append(makeBatch(streams, openAdmission(clock)))
  clock.ms += 60_000
  const { deletions } = store
  let next = 0
  const order = (query: string, start = 0n, end = clock.nowNs) =>
    requestDeletion(deletions, clock, { id: `${next++}`, tenant: 'fake', query, start, end })
  const shown = hideDeleted(store, deletions)
  const count = async (request = {}): Promise<number> => (await readAll(shown, request)).length
  return { clock, store, deletions, shown, startNs, order, count }
}

const ORDERS: readonly (readonly [name: string, query: string, from: number, to: number, left: number])[] = [
  ['a stream', '{app="shop"}', 0, 3000, 3000],
  ['a part of a stream', '{app="shop"}', 100, 1100, 5000],
  ['lines of a stream', '{app="shop"} |= "secret"', 0, 3000, 5700],
  ['lines of a part of all streams', '{app=~".+"} |= "secret"', 1000, 2001, 5798],
  ['lines by several filters', '{app="shop"} |= "secret" !~ "0$" or "5$"', 0, 3000, 6000],
  ['every line, by a filter', '{app="shop"} |= ""', 0, 3000, 3000],
  ['nothing that is there', '{app="nobody"}', 0, 3000, 6000],
]

for (const [name, query, from, to, left] of ORDERS) {
  t.test(`hides ${name} immediately, and deletes the same when due`, async (t) => {
    const { clock, store, deletions, startNs, order, count } = await open(t)
    await order(query, startNs + BigInt(from), startNs + BigInt(to))
    t.equal(await count(), left)
    t.equal(await count({ direction: 'backward' }), left)
    t.equal((await readAll(store)).length, 6000, 'the store has all of it still')
    clock.ms += CANCEL_MS
    await processDeletions(deletions, clock)
    t.equal((await readAll(store)).length, left)
    t.equal(await count(), left)
    t.ok(deletions.list().every(({ isProcessed }) => isProcessed))
  })
}

t.test('counts from columns exclude entries hidden by a line filter', async (t) => {
  const { shown, order } = await open(t)
  await order('{app="shop"} |= "secret"')
  let entries = 0
  const request = { tenant: 'fake', matchers: [], start: 0n, end: 2n ** 63n - 1n, direction: 'forward' as const }
  for await (const { runs } of shown.read({ ...request, withoutText: true })) {
    for (const run of runs) entries += run.end - run.start
  }
  t.equal(entries, 5700)
})

t.test('another tenant is not affected', async (t) => {
  const { clock, deletions, count } = await open(t)
  const order = { id: 'x', tenant: 'other', query: '{app=~".+"}', start: 0n, end: clock.nowNs }
  await requestDeletion(deletions, clock, order)
  t.equal(await count(), 6000)
})

t.test('a request is processed when it can no longer be cancelled, and removed a month later', async (t) => {
  const { clock, store, deletions, order, count } = await open(t)
  await order('{app="shop"}')
  clock.ms += CANCEL_MS - 1
  await processDeletions(deletions, clock)
  t.equal((await readAll(store)).length, 6000)
  await deletions.remove('fake', '0')
  t.equal(await count(), 6000, 'taken back')
  await order('{app="shop"}')
  clock.ms += 31 * 24 * 3600_000
  await processDeletions(deletions, clock)
  await processDeletions(deletions, clock)
  t.strictSame(deletions.list(), [])
})

const REFUSED: readonly (readonly [name: string, query: string, start: bigint, end: bigint, code: string])[] = [
  ['a query that cannot be read', '{app', 0n, 1n, 'query_malformed'],
  ['a selector of everything', '{}', 0n, 1n, 'query_malformed'],
  ['a metric query', 'rate({app="a"}[1m])', 0n, 1n, 'query_malformed'],
  ['a parser', '{app="a"} | json', 0n, 1n, 'query_unsupported'],
  ['an empty time range', '{app="a"}', 1n, 1n, 'parameter_invalid'],
  ['a time range that is not over', '{app="a"}', 0n, 2n ** 62n, 'parameter_invalid'],
]

t.test('invalid requests are rejected', async (t) => {
  const { order, deletions } = await open(t)
  for (const [name, query, start, end, code] of REFUSED) await t.rejects(order(query, start, end), { code }, name)
  for (let i = 0; i < 100; i++) await order('{app="a"}', 0n, 1n)
  await t.rejects(order('{app="a"}', 0n, 1n), { code: 'query_refused' }, 'one too many')
  t.equal(deletions.list().length, 100)
})

t.test('a failed request does not block the others', async (t) => {
  const { clock, store, deletions, order } = await open(t)
  await order('{app="shop"}')
  await order('{app="mail"}')
  clock.ms += CANCEL_MS
  const erase = deletions.erase.bind(deletions)
  let calls = 0
  deletions.erase = async (range, keep, isStopped) => {
    if (++calls === 1) throw new Error('disk')
    return erase(range, keep, isStopped)
  }
  await t.rejects(processDeletions(deletions, clock), /disk/)
  t.strictSame(
    deletions.list().map(({ isProcessed }) => isProcessed),
    [false, true],
  )
  t.equal((await readAll(store)).length, 3000)
})
