import t, { type Test } from 'tap'
import { EntryIds, type IdClient, LEASE_MS } from '../../../../src/adapters/aws/ids/entry-ids.ts'
import type { Pacing } from '../../../../src/adapters/aws/retry.ts'
import { FixedClock, makeBatch, openAdmission } from '../../../support/helper.ts'
import { Breaker, openTable, TABLE } from '../items.ts'
import { awsError, SteppedPacing } from '../stepped-pacing.ts'

const HOUR_MS = 3600_000

async function open(t: Test) {
  const table = await openTable(t)
  const clock = new FixedClock()
  const idsOf = (client: IdClient = table, pacing: Pacing = new SteppedPacing()) =>
    new EntryIds(async () => client, { table: TABLE, windowMs: HOUR_MS }, clock, pacing)
  const batch = (line: string, ns = 1n, labels: Record<string, string> = { app: 'a' }, tenant = 'fake') =>
    makeBatch([{ labels, entries: [{ ns, line, id: 'x' }] }], openAdmission(clock, tenant))
  return { table, clock, idsOf, batch, ids: idsOf() }
}

t.test('an id is claimed, confirmed, and then taken', async (t) => {
  const { ids, batch } = await open(t)
  const outcome = await ids.claim(batch('one', 5n), 0, 'x')
  t.match(outcome, { claim: { entry: 0, id: 'x', ns: 5n } })
  if ('claim' in outcome) await ids.confirm('fake', outcome.claim)
  t.same(await ids.claim(batch('one', 5n), 0, 'x'), { takenNs: 5n }, 'by the same entry')
  t.same(await ids.claim(batch('other', 9n), 0, 'x'), { takenNs: 5n }, 'by another')
  t.match(await ids.claim(batch('one', 6n, undefined, 'other'), 0, 'x'), { claim: { ns: 6n } }, 'only for its tenant')
})

t.test('an unconfirmed claim is completed by the same content, with its first time', async (t) => {
  const { ids, batch, idsOf } = await open(t)
  await ids.claim(batch('one', 5n), 0, 'x')
  const again = await idsOf().claim(batch('one', 8n), 0, 'x')
  t.match(again, { claim: { ns: 5n } })
  if ('claim' in again) await ids.confirm('fake', again.claim)
  t.same(await ids.claim(batch('one', 9n), 0, 'x'), { takenNs: 5n })
})

t.test('different content waits for a claim, and gives up before its lease ends', async (t) => {
  const { ids, batch, idsOf } = await open(t)
  await ids.claim(batch('one', 5n), 0, 'x')
  const pacing = new SteppedPacing()
  await t.rejects(idsOf(undefined, pacing).claim(batch('two', 6n), 0, 'x'), {
    code: 'overloaded',
    message: /same id/,
  })
  t.ok(pacing.waits.length > 3)
})

t.test('waiting different content sees the confirmed claim', async (t) => {
  const { ids, batch, idsOf } = await open(t)
  const outcome = await ids.claim(batch('one', 5n), 0, 'x')
  const pacing = new SteppedPacing()
  const confirming: Pacing = {
    monotonicMs: () => pacing.monotonicMs(),
    random: () => 1,
    wait: async (ms) => {
      await pacing.wait(ms)
      if (pacing.waits.length === 2 && 'claim' in outcome) await ids.confirm('fake', outcome.claim)
    },
  }
  t.same(await idsOf(undefined, confirming).claim(batch('two', 6n), 0, 'x'), { takenNs: 5n })
})

t.test('different content takes over an expired claim, and its first owner gets an error', async (t) => {
  const { ids, batch, clock } = await open(t)
  const first = await ids.claim(batch('one', 5n), 0, 'x')
  clock.ms += LEASE_MS
  const second = await ids.claim(batch('two', 6n), 0, 'x')
  t.match(second, { claim: { ns: 6n } })
  if ('claim' in first) {
    await t.rejects(ids.confirm('fake', first.claim), {
      code: 'store_unavailable',
      message: /another entry took its id/,
    })
  }
  if ('claim' in second) await ids.confirm('fake', second.claim)
  t.same(await ids.claim(batch('one', 7n), 0, 'x'), { takenNs: 6n })
})

t.test('an id is forgotten after its window', async (t) => {
  const { ids, batch, clock } = await open(t)
  const outcome = await ids.claim(batch('one', 5n), 0, 'x')
  if ('claim' in outcome) await ids.confirm('fake', outcome.claim)
  clock.ms += HOUR_MS - 1
  t.same(await ids.claim(batch('one', 6n), 0, 'x'), { takenNs: 5n })
  clock.ms += 1
  t.match(await ids.claim(batch('one', 6n), 0, 'x'), { claim: { ns: 6n } })
})

t.test('an unconfirmed claim is ignored after its window', async (t) => {
  const { ids, batch, clock } = await open(t)
  await ids.claim(batch('one', 5n), 0, 'x')
  clock.ms += HOUR_MS
  t.match(await ids.claim(batch('one', 6n), 0, 'x'), { claim: { ns: 6n } })
})

const CONTENT_ROWS: [name: string, line: string, labels: Record<string, string>, isSame: boolean][] = [
  ['the same line and stream', 'one', { app: 'a' }, true],
  ['another line', 'two', { app: 'a' }, false],
  ['another stream', 'one', { app: 'b' }, false],
]
for (const [name, line, labels, isSame] of CONTENT_ROWS) {
  t.test(`${name} ${isSame ? 'is' : 'is not'} the same content`, async (t) => {
    const { ids, batch } = await open(t)
    await ids.claim(batch('one', 5n), 0, 'x')
    const again = ids.claim(batch(line, 6n, labels), 0, 'x')
    if (isSame) t.match(await again, { claim: { ns: 5n } })
    else await t.rejects(again, { code: 'overloaded' })
  })
}

t.test('concurrent senders all store the same entry, or get its time', async (t) => {
  const { idsOf, batch } = await open(t)
  const outcomes = await Promise.all(
    [1n, 2n, 3n, 4n, 5n].map(async (ns) => {
      const ids = idsOf()
      const outcome = await ids.claim(batch('one', ns), 0, 'x')
      if ('claim' in outcome) await ids.confirm('fake', outcome.claim)
      return 'claim' in outcome ? outcome.claim.ns : outcome.takenNs
    }),
  )
  t.equal(new Set(outcomes).size, 1)
})

for (const isDone of [false, true]) {
  t.test(`a connection cut ${isDone ? 'after' : 'before'} any call loses no claim to the same content`, async (t) => {
    const { table, idsOf, batch, ids } = await open(t)
    for (let at = 1; at <= 2; at++) {
      const breaker = Object.assign(new Breaker(), { at, isDone })
      const line = `line ${at}`
      const one = makeBatch(
        [{ labels: { app: 'a' }, entries: [{ ns: 5n, line, id: line }] }],
        openAdmission(new FixedClock()),
      )
      const broken = idsOf(breaker.around(table))
      const attempt = async () => {
        const outcome = await broken.claim(one, 0, line)
        if ('claim' in outcome) await broken.confirm('fake', outcome.claim)
      }
      await t.rejects(attempt(), { code: 'store_unavailable' })
      const again = await ids.claim({ ...batch(line, 9n), ids: [{ entry: 0, id: line }] }, 0, line)
      if ('claim' in again) {
        await ids.confirm('fake', again.claim)
        t.equal(again.claim.ns, !isDone && at === 1 ? 9n : 5n)
      } else t.equal(again.takenNs, 5n)
    }
  })
}

t.test('throttling is overloaded', async (t) => {
  const { idsOf, batch } = await open(t)
  const refuse = () => Promise.reject(awsError('ProvisionedThroughputExceededException'))
  const ids = idsOf({ update: refuse, put: refuse, get: refuse })
  await t.rejects(ids.claim(batch('one'), 0, 'x'), { code: 'overloaded' })
})
