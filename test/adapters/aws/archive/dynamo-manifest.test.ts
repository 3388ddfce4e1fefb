import t, { type Test } from 'tap'
import { DAYS_CHANGED_MAX, DynamoManifest } from '../../../../src/adapters/aws/archive/dynamo-manifest.ts'
import { shardsAt } from '../../../../src/adapters/aws/archive/row-shards.ts'
import type { ArchiveDay, ArchiveFile, DayChange } from '../../../../src/ports/archive.ts'
import { Services } from '../opened-store.ts'

const services = await Services.start(t)
let tables = 0

async function open(_t: Test, buckets = 4) {
  const table = `manifest-${tables++}`
  await services.createTable(table)
  const openAgain = (buckets: number) => new DynamoManifest(async () => services.documents, { table, buckets })
  return { manifest: openAgain(buckets), openAgain, table }
}

const FILE: ArchiveFile = {
  key: 'a.parquet',
  day: '2026-11-29',
  bytes: 10,
  rows: 2,
  lineBytes: 5,
  oldest: -(2n ** 63n),
  newest: 2n ** 63n - 1n,
  first: { tenant: 'a', stream: -1n },
  last: { tenant: 'b', stream: 2n ** 63n - 1n },
  indexStart: 5,
  indexBytes: 4,
  span: 3,
  level: 0,
  committedMs: 7,
}
const emptyDay = (day: string): ArchiveDay => ({ day, version: 0, files: [], retired: [] })
const adding = (before: ArchiveDay, key: string): DayChange => ({
  before,
  files: [...before.files, { ...FILE, key, day: before.day }],
  retired: before.retired,
})

t.test('an archive keeps the number of buckets with which it began', async (t) => {
  const { manifest, openAgain } = await open(t)
  t.equal(await manifest.buckets(), undefined)
  t.equal(await manifest.state(0), undefined)
  t.equal(await manifest.ensureBuckets(), 4)
  t.equal(await openAgain(16).ensureBuckets(), 4)
  t.equal(await openAgain(16).buckets(), 4)
})

t.test('a bucket begins before its first arrival', async (t) => {
  const { manifest } = await open(t)
  t.same(await manifest.ensureState(1, 100), { sealed: 98, raises: [] })
  t.same(await manifest.ensureState(1, 200), { sealed: 98, raises: [] }, 'once')
})

t.test('processes that are throttled at the same time raise the shards once', async (t) => {
  const { openAgain } = await open(t)
  const raise = async (shards: number) => shardsAt(await openAgain(4).raiseShards(1, 100, shards), 100)
  const all = (shards: number) => Promise.all(Array.from({ length: 5 }, () => raise(shards)))
  t.same(await all(1), [8, 8, 8, 8, 8])
  t.equal(await raise(1), 8)
  t.same(await all(8), [32, 32, 32, 32, 32])
  t.equal(await raise(32), 128)
  t.equal(await raise(128), 128)
  const state = await openAgain(4).state(1)
  t.same(
    [99, 105, 106, 112, 118].map((span) => shardsAt(state?.raises ?? [], span)),
    [1, 128, 32, 8, 1],
  )
})

t.test('sealing does not touch the shards, and a later raise forgets what is sealed', async (t) => {
  const { manifest } = await open(t)
  await manifest.raiseShards(0, 100, 1)
  t.ok(await manifest.commit(0, [], { from: 98, to: 106 }))
  t.match(await manifest.state(0), { sealed: 106, raises: [{ from: 100, until: 105, shards: 8 }] })
  t.same(await manifest.raiseShards(0, 106, 1), [{ from: 106, until: 111, shards: 8 }])
})

t.test('a change is applied whole, to the version that was read, or not at all', async (t) => {
  const { manifest } = await open(t)
  await manifest.ensureState(0, 12)
  const [a, b] = [adding(emptyDay('2026-11-28'), 'a'), adding(emptyDay('2026-11-29'), 'b')]
  t.ok(await manifest.commit(0, [a, b], { from: 10, to: 11 }))
  t.match(await manifest.state(0), { sealed: 11 })
  const days = await manifest.days(0)
  t.strictSame(days, [
    { ...emptyDay('2026-11-28'), version: 1, files: a.files },
    { ...emptyDay('2026-11-29'), version: 1, files: b.files },
  ])
  t.strictSame(await manifest.days(0, '2026-11-29', '2026-12-03'), days.slice(1))
  t.strictSame(await manifest.days(1), [])

  const next = adding(days[1] as ArchiveDay, 'c')
  t.notOk(await manifest.commit(0, [next], { from: 10, to: 12 }), 'sealed by another')
  t.notOk(await manifest.commit(0, [adding(emptyDay('2026-11-29'), 'd')], { from: 11, to: 12 }), 'changed by another')
  t.strictSame(await manifest.days(0), days)
  t.ok(await manifest.commit(0, [next]))
  t.match(await manifest.days(0, '2026-11-29'), [{ version: 2, files: [{ key: 'b' }, { key: 'c' }] }])
})

t.test('a day without files has no item', async (t) => {
  const { manifest } = await open(t)
  await manifest.commit(0, [adding(emptyDay('2026-11-28'), 'a')])
  const [day] = await manifest.days(0)
  t.ok(await manifest.commit(0, [{ before: day as ArchiveDay, files: [], retired: [{ key: 'a', retiredMs: 5 }] }]))
  const [retired] = await manifest.days(0)
  t.match(retired, { version: 2, files: [], retired: [{ key: 'a', retiredMs: 5 }] })
  t.ok(await manifest.commit(0, [{ before: retired as ArchiveDay, files: [], retired: [] }]))
  t.strictSame(await manifest.days(0), [])
})

t.test('more days than a transaction takes are changed, and sealed last', async (t) => {
  const { manifest } = await open(t)
  await manifest.ensureState(0, 12)
  const days = Array.from({ length: DAYS_CHANGED_MAX + 5 }, (_, i) =>
    new Date(i * 86_400_000).toISOString().slice(0, 10),
  )
  t.ok(
    await manifest.commit(
      0,
      days.map((day) => adding(emptyDay(day), day)),
      { from: 10, to: 11 },
    ),
  )
  t.equal((await manifest.days(0)).length, days.length)
  t.match(await manifest.state(0), { sealed: 11 })
})

t.test('an unreadable item and a newer format are store_damaged', async (t) => {
  const { manifest, table, openAgain } = await open(t)
  await services.documents.put({ TableName: table, Item: { pk: 'archive#0', sk: 'day#2026-11-29', v: 1, files: 'x' } })
  await t.rejects(manifest.days(0), { code: 'store_damaged', message: /2026-11-29/ })
  await services.documents.put({ TableName: table, Item: { pk: 'archive', sk: 'format', version: 2, buckets: 1 } })
  await t.rejects(openAgain(1).buckets(), { code: 'store_damaged', message: /newer release/ })
})
