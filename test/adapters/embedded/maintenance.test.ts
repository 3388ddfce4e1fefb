import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { SqliteLogStore, type StoreSettings } from '../../../src/adapters/embedded/sqlite-log-store.ts'
import { formatLabels } from '../../../src/domain/labels.ts'
import { NS_MAX, NS_MIN } from '../../../src/domain/time.ts'
import {
  asSorted,
  asStored,
  FixedClock,
  inOrder,
  makeBatch,
  openAdmission,
  type PlainStream,
  RecordedEvents,
  readAll,
  STORE_SETTINGS,
} from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

const HOUR_MS = 3600_000
const NS_PER_MS = 1_000_000n

interface Opened {
  store: SqliteLogStore
  readonly clock: FixedClock
  readonly events: RecordedEvents
  readonly db: DatabaseSync
  push(...streams: PlainStream[]): Promise<{ stored: number; duplicates: number }>
  reopen(): Promise<void>
}

function open(t: Test, settings: Partial<StoreSettings> = {}): Opened {
  const dataDir = testFolder(t)
  const clock = new FixedClock()
  const events = new RecordedEvents()
  const openOne = (): SqliteLogStore => new SqliteLogStore({ ...STORE_SETTINGS, dataDir, ...settings }, clock, events)
  const opened: Opened = {
    store: openOne(),
    clock,
    events,
    db: new DatabaseSync(join(dataDir, 'millrace.db')),
    push: (...streams) => opened.store.append(makeBatch(streams, openAdmission(clock))),
    reopen: async () => {
      await opened.store.close()
      opened.store = openOne()
    },
  }
  t.teardown(() => {
    opened.db.close()
    return opened.store.close()
  })
  return opened
}

function stream(app: string, ns: bigint, ...lines: string[]): PlainStream {
  return { labels: { app }, entries: lines.map((line, i) => ({ ns: ns + BigInt(i), line })) }
}

/** Rows of blocks that were not replaced by a join. */
function liveBlocks({ db }: Opened): number {
  return (db.prepare('SELECT count(*) AS n FROM blocks WHERE retired IS NULL').get() as { n: number }).n
}

function allRows({ db }: Opened): number {
  return (db.prepare('SELECT count(*) AS n FROM blocks').get() as { n: number }).n
}

t.test('a join turns many blocks into few, with the same entries in the same order', async (t) => {
  const opened = open(t)
  const { clock } = opened
  const sent: PlainStream[] = []
  for (let i = 0; i < 40; i++) {
    const streams = [stream('a', clock.nowNs + BigInt(i % 7), `line ${i}`), stream(`b${i % 3}`, clock.nowNs, `b ${i}`)]
    sent.push(...streams)
    await opened.push(...streams)
  }
  const before = inOrder(await readAll(opened.store))
  const { blocks, ...rest } = opened.store.figures()
  t.equal(blocks, 40)
  await opened.store.maintain()
  t.equal(liveBlocks(opened), 1)
  t.match(opened.store.figures(), {
    blocks: 1,
    entries: rest.entries,
    lineBytes: rest.lineBytes,
    streams: rest.streams,
  })
  t.same(inOrder(await readAll(opened.store)), before)
  t.same(asSorted(await readAll(opened.store)), asStored(sent))
  await opened.reopen()
  t.match(opened.store.figures(), {
    blocks: 1,
    entries: rest.entries,
    lineBytes: rest.lineBytes,
    streams: rest.streams,
  })
  t.same(inOrder(await readAll(opened.store, { direction: 'backward' })), before)
})

t.test('duplicates are found after a join, and after a join and a reopen', async (t) => {
  const opened = open(t)
  const pushes = Array.from({ length: 12 }, (_, i) => stream('a', opened.clock.nowNs + BigInt(i), `line ${i}`))
  for (const each of pushes) await opened.push(each)
  await opened.store.maintain()
  t.match(await opened.push(...pushes), { stored: 0, duplicates: 12 })
  await opened.reopen()
  t.match(await opened.push(...pushes), { stored: 0, duplicates: 12 })
})

t.test('few small blocks, or blocks far apart in time, are not joined', async (t) => {
  const opened = open(t)
  for (let i = 0; i < 7; i++) await opened.push(stream('a', opened.clock.nowNs, `line ${i}`))
  for (let i = 1; i < 8; i++)
    await opened.push(stream('a', opened.clock.nowNs - BigInt(i * 7 * HOUR_MS) * NS_PER_MS, 'x'))
  await opened.store.maintain()
  t.equal(liveBlocks(opened), 14)
})

t.test('a block that is not joined keeps its position among entries of the same nanosecond', async (t) => {
  const opened = open(t, { blockBytes: 1000 })
  const ns = opened.clock.nowNs
  const lines: string[] = []
  for (let i = 0; i < 24; i++) {
    // Every sixth block is full, so that it is not joined.
    lines.push(i % 6 === 5 ? `${i} `.padEnd(2000, 'x') : `${i}`)
    await opened.push(stream('a', ns, lines.at(-1) as string))
  }
  await opened.store.maintain()
  t.ok(liveBlocks(opened) < 24, 'something was joined')
  t.same(
    inOrder(await readAll(opened.store)),
    lines.map((line) => `{app="a"} ${ns} ${line} []`),
  )
})

t.test('a run that a join splits between two blocks keeps its order', async (t) => {
  const opened = open(t, { blockBytes: 1000 })
  const ns = opened.clock.nowNs
  const lines = Array.from({ length: 30 }, (_, i) => `${i} `.padEnd(90, 'x'))
  for (const line of lines) await opened.push(stream('a', ns, line))
  await opened.store.maintain()
  t.ok(liveBlocks(opened) > 1 && liveBlocks(opened) < 30, `${liveBlocks(opened)} blocks`)
  t.same(
    inOrder(await readAll(opened.store)),
    lines.map((line) => `{app="a"} ${ns} ${line} []`),
  )
})

t.test('a read that started before a join sees everything once', async (t) => {
  const opened = open(t)
  for (let i = 0; i < 20; i++) await opened.push(stream('a', opened.clock.nowNs + BigInt(i), `line ${i}`))
  const range = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX, direction: 'forward' as const }
  let entries = 0
  let blocks = 0
  for await (const { block } of opened.store.read(range)) {
    if (blocks++ === 0) {
      await opened.store.maintain()
      t.equal(liveBlocks(opened), 1)
      await opened.push(stream('a', opened.clock.nowNs + 5n, 'late'))
    }
    entries += block.count
  }
  t.same({ entries, blocks }, { entries: 20, blocks: 20 })
  t.equal((await readAll(opened.store)).length, 21)
})

t.test('joined blocks stay for twice the longest query, and are then deleted', async (t) => {
  const opened = open(t, { queryTimeoutMs: 10_000 })
  for (let i = 0; i < 20; i++) await opened.push(stream('a', opened.clock.nowNs + BigInt(i), `line ${i}`))
  await opened.store.maintain()
  t.equal(allRows(opened), 21)
  opened.clock.ms += 20_000
  await opened.store.maintain()
  t.equal(allRows(opened), 21)
  opened.clock.ms += 1
  await opened.store.maintain()
  t.equal(allRows(opened), 1)
  t.equal((await readAll(opened.store)).length, 20)
})

t.test(
  'retention by age: blocks whose newest entry is too old go, with the streams that had nothing else',
  async (t) => {
    const opened = open(t, { retentionMs: 24 * HOUR_MS, duplicateWindowMs: 1000 })
    const old = opened.clock.nowNs
    await opened.push(stream('old', old, '1'), stream('both', old, '2'))
    opened.clock.ms += 24 * HOUR_MS
    await opened.push(stream('both', opened.clock.nowNs, '3'))
    await opened.store.maintain()
    t.equal((await readAll(opened.store)).length, 3, 'not yet')
    opened.clock.ms += 1
    await opened.store.maintain()
    t.same(
      (await readAll(opened.store)).map(({ line }) => line),
      ['3'],
    )
    t.match(opened.store.figures(), { blocks: 1, entries: 1, lineBytes: 1, streams: 1 })
    const range = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX }
    t.same((await opened.store.streams(range)).map(formatLabels), ['{app="both"}'])
    t.match(await opened.push(stream('old', old, '1'), stream('old', opened.clock.nowNs, '4')), { stored: 2 })
    await opened.reopen()
    t.match(opened.store.figures(), { blocks: 2, entries: 3, streams: 2 })
    t.same((await readAll(opened.store)).map(({ line }) => line).sort(), ['1', '3', '4'])
  },
)

t.test('retention by size deletes the oldest blocks of all tenants, and no more than needed', async (t) => {
  const mebibyte = 1024 * 1024
  const opened = open(t, { retentionBytes: 8 * mebibyte })
  const ns = opened.clock.nowNs
  for (let i = 0; i < 16; i++) {
    // Half-random text does not compress below half its size.
    const streams = [stream('a', ns + BigInt(i), randomBytes(mebibyte / 2).toString('hex'))]
    await opened.store.append(makeBatch(streams, openAdmission(opened.clock, i % 2 === 0 ? 'even' : 'odd')))
  }
  const used = (): number => {
    const number = (name: string): number => Object.values(opened.db.prepare(`PRAGMA ${name}`).get() ?? {})[0] as number
    return (number('page_count') - number('freelist_count')) * number('page_size')
  }
  t.ok(used() > 8 * mebibyte)
  await opened.store.maintain()
  t.ok(used() <= 8 * mebibyte, `${used()} bytes used`)
  t.ok(used() > 7 * mebibyte, `${used()} bytes used: not a block too many`)
  const left = [
    ...(await readAll(opened.store, { tenant: 'even' })),
    ...(await readAll(opened.store, { tenant: 'odd' })),
  ]
  const kept = left.map((entry) => Number(entry.ns - ns)).sort((a, b) => a - b)
  t.same(
    kept,
    Array.from({ length: kept.length }, (_, i) => 16 - kept.length + i),
    'the newest stay',
  )
})

t.test('freed space is returned to the file system', async (t) => {
  const opened = open(t, { retentionMs: HOUR_MS })
  await opened.push(stream('a', opened.clock.nowNs, randomBytes(2 ** 20).toString('hex')))
  const before = opened.store.figures().diskBytes
  opened.clock.ms += 2 * HOUR_MS
  await opened.store.maintain()
  const after = opened.store.figures().diskBytes
  t.ok(after < before - 2 ** 19, `${before} bytes before, ${after} after`)
})

t.test('a client id is remembered for seven days after its commit, however old its entry is', async (t) => {
  const opened = open(t, { duplicateWindowMs: 1000 })
  const withId = (line: string): PlainStream => ({ labels: { app: 'a' }, entries: [{ ns: 1n, line, id: 'id' }] })
  await opened.push(withId('x'))
  opened.clock.ms += 7 * 24 * HOUR_MS
  await opened.store.maintain()
  t.match(await opened.push(withId('y')), { stored: 0, duplicates: 1 })
  opened.clock.ms += 1
  await opened.store.maintain()
  t.match(await opened.push(withId('z')), { stored: 1, duplicates: 0 })
})

t.test('a damaged block is not joined, and maintenance of the others continues', async (t) => {
  const opened = open(t, { retentionMs: 24 * HOUR_MS })
  for (let i = 0; i < 20; i++) await opened.push(stream('a', opened.clock.nowNs + BigInt(i), `line ${i}`))
  opened.db.exec("UPDATE blocks SET columns = x'0102030405060708090a' WHERE id = 7")
  await opened.reopen()
  await opened.store.maintain()
  t.equal(liveBlocks(opened), 2)
  t.same(opened.events.damaged, [7])
  t.same(opened.events.maintenanceFailures, [])
  await opened.store.maintain()
  t.same(opened.events.damaged, [7], 'it is not retried')
  opened.clock.ms += 48 * HOUR_MS
  await opened.store.maintain()
  t.equal(allRows(opened), 0, 'retention deletes it like any other')
})

t.test('rounds do not overlap, and close ends one', async (t) => {
  const opened = open(t)
  for (let i = 0; i < 30; i++) await opened.push(stream('a', opened.clock.nowNs, `line ${i}`))
  const rounds = [opened.store.maintain(), opened.store.maintain()]
  await opened.store.close()
  await Promise.all(rounds)
  await opened.store.maintain()
  t.same(opened.events.maintenanceFailures, [])
  await opened.reopen()
  t.equal((await readAll(opened.store)).length, 30)
})
