import { hash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Database, openDatabase, pragma } from '../../../src/adapters/embedded/database.ts'
import { SqliteLogStore, type StoreSettings } from '../../../src/adapters/embedded/sqlite-log-store.ts'
import { NS_MAX, NS_MIN } from '../../../src/domain/time.ts'
import type { AppendResult } from '../../../src/ports/log-store.ts'
import { logStoreContract } from '../../contract/log-store.ts'
import { logStoreModel } from '../../contract/log-store-model.ts'
import type { ContractSettings, OpenedStore } from '../../contract/opened-store.ts'
import {
  asSorted,
  asStored,
  FixedClock,
  makeBatch,
  openAdmission,
  type PlainStream,
  RecordedEvents,
  readAll,
  STORE_SETTINGS,
} from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

const root = testFolder(t)
let folders = 0

function openForContract(t: Test, clock: FixedClock, settings: ContractSettings): OpenedStore {
  const dataDir = `${root}/${folders++}`
  const openOne = (): SqliteLogStore =>
    new SqliteLogStore({ ...STORE_SETTINGS, dataDir, ...settings }, clock, new RecordedEvents())
  let store = openOne()
  t.teardown(() => store.close())
  return {
    store,
    reopen: async () => {
      await store.close()
      store = openOne()
      return store
    },
    settle: () => store.maintain(),
  }
}

t.test('contract', async (t) => logStoreContract(t, openForContract))
t.test('model', async (t) => logStoreModel(t, openForContract))

interface Opened {
  readonly dataDir: string
  readonly store: SqliteLogStore
  readonly clock: FixedClock
  readonly events: RecordedEvents
  readonly database: Database
  push(...streams: PlainStream[]): Promise<AppendResult>
  /** A store on the same folder, after this one was closed. */
  again(): SqliteLogStore
}

function open(t: Test, settings: Partial<StoreSettings> = {}): Opened {
  const all = { ...STORE_SETTINGS, dataDir: `${root}/${folders++}`, ...settings }
  const clock = new FixedClock()
  const events = new RecordedEvents()
  let database: Database | undefined
  const openIt = (dataDir: string): Database => {
    database = openDatabase(dataDir)
    return database
  }
  const store = new SqliteLogStore(all, clock, events, { open: openIt })
  t.teardown(() => store.close())
  return {
    dataDir: all.dataDir,
    store,
    clock,
    events,
    database: database as unknown as Database,
    push: (...streams) => store.append(makeBatch(streams, openAdmission(clock))),
    again: () => {
      const next = new SqliteLogStore(all, clock, events)
      t.teardown(() => next.close())
      return next
    },
  }
}

function stream(app: string, ns: bigint, ...lines: string[]): PlainStream {
  return { labels: { app }, entries: lines.map((line, i) => ({ ns: ns + BigInt(i), line })) }
}

/** A line that hardly compresses, determined by the seed. */
function noise(seed: number): string {
  return hash('shake256', `${seed}`, { outputEncoding: 'hex', outputLength: 150_000 })
}

t.test('concurrent appends share a commit', async (t) => {
  const { store, clock, events, push } = open(t)
  await Promise.all(Array.from({ length: 20 }, (_, i) => push(stream('a', clock.nowNs, `line ${i}`))))
  t.equal(events.commits, 1)
  t.match(store.figures(), { commits: 1, blocks: 1, entries: 20 })
})

t.test('the bytes waiting for a commit are bounded: more are overloaded, and accepted after the commit', async (t) => {
  const { store, clock, push } = open(t, { queueBytesMax: 1000 })
  const first = push(stream('a', clock.nowNs, 'x'.repeat(5000)))
  t.ok(store.figures().queueBytes > 1000, 'a single batch of any size is accepted')
  await t.rejects(push(stream('b', clock.nowNs, 'x')), { code: 'overloaded', status: 503 })
  t.match(await first, { stored: 1 })
  t.equal(store.figures().queueBytes, 0)
  t.match(await push(stream('b', clock.nowNs, 'x')), { stored: 1 })
  t.equal((await readAll(store)).length, 2)
})

t.test('the whole body of a batch counts as waiting, not only its lines', async (t) => {
  const { store, clock } = open(t, { queueBytesMax: 1000 })
  const batch = makeBatch([stream('a', clock.nowNs, 'x')], openAdmission(clock))
  const waiting = store.append({ ...batch, text: Buffer.concat([batch.text, Buffer.alloc(5000)]) })
  await t.rejects(store.append(batch), { code: 'overloaded' })
  await waiting
})

t.test('a full disk: nothing of the push is stored, earlier pushes stay, and it recovers by itself', async (t) => {
  const { store, clock, events, database, push, again } = open(t)
  const ns = clock.nowNs
  const line = (i: number): PlainStream => stream('a', ns + BigInt(i), `${i} `.padEnd(500, 'x'))
  await push(line(1))
  const setPages = (count: number): void => database.writer.exec(`PRAGMA max_page_count = ${count}`)
  setPages(pragma(database.writer, 'page_count'))
  const big = stream('new stream', clock.nowNs, noise(1))
  const failure = {
    code: 'store_unavailable',
    status: 503,
    message: /nothing of this push was stored: the disk is full/,
  }
  const both = await Promise.allSettled([push(line(2)), push(line(3), big)])
  t.same(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
    'all of a commit, or nothing',
  )
  await t.rejects(push(big), failure)
  t.equal(events.failures.length, 2)
  t.match(store.trouble(), /the disk is full/)
  clock.ms += 5000
  t.match(store.trouble(), /the disk is full/, 'there is still no space for a block')
  t.same(asSorted(await readAll(store)), asStored([line(1)]))
  t.match(store.figures(), { entries: 1, streams: 1, blocks: 1, queueBytes: 0 })

  setPages(1_000_000)
  t.match(store.trouble(), /the disk is full/, 'it is not retried immediately')
  clock.ms -= 3_600_000
  t.match(store.trouble(), /the disk is full/)
  clock.ms += 5000
  t.equal(store.trouble(), undefined, 'a clock that moves backwards does not delay it')
  clock.ms += 10_000
  t.match(await push(line(2), big), { stored: 2, duplicates: 0 }, 'the rejected push is not a duplicate of itself')
  t.match(await push(line(1)), { stored: 0, duplicates: 1 })
  await store.close()
  t.same(asSorted(await readAll(again())), asStored([line(1), line(2), big]))
})

t.test('a full disk: retention still frees space, and a successful push clears the error', async (t) => {
  const { store, clock, events, database, push } = open(t, { retentionMs: 3600_000 })
  for (let i = 0; i < 20; i++) await push(stream('a', clock.nowNs + BigInt(i), noise(i + 3)))
  database.writer.exec(`PRAGMA max_page_count = ${pragma(database.writer, 'page_count')}`)
  await t.rejects(push(stream('a', clock.nowNs, noise(100))), { code: 'store_unavailable' })
  clock.ms += 2 * 3600_000
  await store.maintain()
  t.same(events.maintenanceFailures, [])
  t.match(await push(stream('a', clock.nowNs, noise(100))), { stored: 1 })
  t.equal(store.trouble(), undefined)
})

t.test('a corrupted database is rejected, closed and left unchanged', async (t) => {
  const { dataDir, store, clock, push, again } = open(t)
  for (let i = 0; i < 20; i++) await push(stream(`app ${i}`, clock.nowNs, noise(i)))
  await store.close()
  const path = join(dataDir, 'millrace.db')
  const sound = readFileSync(path)
  const PAGE_BYTES = 16384
  for (let page = 1; page < 12; page++) {
    const bytes = Buffer.from(sound).fill(0xff, page * PAGE_BYTES, page * PAGE_BYTES + 200)
    writeFileSync(path, bytes)
    try {
      // A page that opening does not read; reads of its content find the damage.
      await again().close()
    } catch (error) {
      t.match(error, { code: 'store_damaged', message: /is corrupted: run .millrace repair./ })
    }
    t.ok(bytes.equals(readFileSync(path)), `page ${page}`)
  }
  writeFileSync(path, sound)
  t.equal((await readAll(again())).length, 20)
})

const DAMAGE: [name: string, sql: string][] = [
  ['text', 'UPDATE blocks SET text = zeroblob(length(text)) WHERE id = 3'],
  ['metadata', "UPDATE blocks SET metadata = x'00' WHERE id = 3"],
  ['columns', 'UPDATE blocks SET columns = substr(columns, 1, length(columns) - 1) WHERE id = 3'],
  ['the ids of its streams', "UPDATE blocks SET streams = x'0100000002000000' WHERE id = 3"],
  [
    'only an unknown stream id',
    "UPDATE blocks SET streams = CAST(substr(streams, 1, 4) || x'ffffffff' AS BLOB) WHERE id = 3",
  ],
  ['half an id', 'UPDATE blocks SET streams = substr(streams, 1, 6) WHERE id = 3'],
]
for (const [name, sql] of DAMAGE) {
  t.test(`a block with damaged ${name} is reported, the others are read, and pushes continue`, async (t) => {
    const { dataDir, store, clock, events, push, again } = open(t)
    await push(stream('zero', clock.nowNs, 'first'))
    const each = (i: number): PlainStream[] =>
      ['b', 'a'].map((app) => ({
        labels: { app },
        entries: [{ ns: clock.nowNs + BigInt(i), line: `${i}`, metadata: { k: 'v' } }],
      }))
    for (let i = 0; i < 5; i++) await push(...each(i))
    await store.close()
    const db = new DatabaseSync(join(dataDir, 'millrace.db'))
    db.exec(sql)
    db.close()

    const next = again()
    const lines: string[] = []
    const reading = async (): Promise<void> => {
      const whole = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX, direction: 'backward' as const }
      for await (const { block } of next.read(whole)) lines.push(Buffer.from(block.text).toString())
    }
    await t.rejects(reading(), { code: 'store_damaged', status: 500 })
    t.same(lines, ['44', '33', '22', '00', 'first'])
    t.same(events.damaged, [3])
    const retry = await next.append(makeBatch(each(1), openAdmission(clock)))
    t.match(retry, { stored: 2, duplicates: 0 }, 'unreadable entries cannot be duplicates')
    t.ok(events.damaged.length <= 2, 'a push tries it once, not once per stream')
    t.match(await next.append(makeBatch(each(2), openAdmission(clock))), { stored: 0, duplicates: 2 })
  })
}

t.test('a block that an index shows to another tenant is reported, not returned', async (t) => {
  const { dataDir, store, clock, events, push, again } = open(t)
  await push(stream('a', clock.nowNs, 'of the other'))
  await store.append(makeBatch([stream('a', clock.nowNs, 'own')], openAdmission(clock, 'shop')))
  await store.close()
  const db = new DatabaseSync(join(dataDir, 'millrace.db'))
  db.exec('UPDATE blocks SET tenant = 2 WHERE id = 1')
  db.close()
  const next = again()
  const lines: string[] = []
  const whole = { tenant: 'shop', matchers: [], start: NS_MIN, end: NS_MAX, direction: 'backward' as const }
  const reading = async (): Promise<void> => {
    for await (const { block } of next.read(whole)) lines.push(Buffer.from(block.text).toString())
  }
  await t.rejects(reading(), { code: 'store_damaged', message: /of another tenant/ })
  t.same(lines, ['own'])
  t.same(events.damaged, [1])
  t.equal((await next.streams(whole)).length, 1)
})

t.test('damaged labels of a stream fail neither pushes to it nor reads of others', async (t) => {
  const { dataDir, store, clock, push, again } = open(t)
  await push(stream('a', clock.nowNs, 'lost'), stream('b', clock.nowNs, 'kept'))
  await push(stream('b', clock.nowNs, 'alone'))
  await store.close()
  const db = new DatabaseSync(join(dataDir, 'millrace.db'))
  db.exec(`UPDATE streams SET labels = '["app",' WHERE labels LIKE '%"a"%'`)
  db.close()
  const next = again()
  t.match(await next.append(makeBatch([stream('a', clock.nowNs, 'new')], openAdmission(clock))), { stored: 1 })
  const lines: string[] = []
  const whole = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX, direction: 'forward' as const }
  const reading = async (): Promise<void> => {
    for await (const { block } of next.read(whole)) lines.push(Buffer.from(block.text).toString())
  }
  await t.rejects(reading(), { code: 'store_damaged', message: /labels of stream 1 cannot be read/ })
  t.same(lines.sort(), ['alone', 'new'])
})

t.test('a read has only a few blocks in memory', async (t) => {
  const { store, clock, push } = open(t, { blockBytes: 400 })
  for (let i = 0; i < 60; i++) await push(stream('a', clock.nowNs + BigInt(i), `${i} `.padEnd(500, 'x')))
  const asked = new Set<bigint>()
  let count = 0
  const wants = (oldest: bigint): boolean => asked.add(oldest) !== undefined
  const request = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX, direction: 'forward' as const, wants }
  let aheadMax = 0
  for await (const _ of store.read(request)) aheadMax = Math.max(aheadMax, asked.size - ++count)
  t.equal(count, 60)
  t.ok(aheadMax <= 3, `${aheadMax} blocks were loaded ahead of their reader`)
})

t.test('reads concurrent with pushes and joins never see a partial commit', async (t) => {
  const { store, clock, push } = open(t)
  const commits = 60
  const pushing = (async () => {
    for (let i = 0; i < commits; i++) {
      // Both streams are in one batch: a read that sees one must see the other.
      await push(stream('left', clock.nowNs + BigInt(i), `${i}`), stream('right', clock.nowNs + BigInt(i), `${i}`))
      if (i % 20 === 19) await store.maintain()
    }
  })()
  for (let seen = 0; seen < 2 * commits; ) {
    const entries = await readAll(store)
    const left = entries.filter(({ key }) => key.includes('left')).length
    t.equal(left * 2, entries.length)
    t.ok(entries.length >= seen)
    seen = entries.length
    await setImmediate()
  }
  await pushing
})

t.test('a table that cannot be read is an error of the data folder, and leaves it unlocked', async (t) => {
  const dataDir = testFolder(t)
  const database = openDatabase(dataDir)
  database.writer.exec('CREATE VIEW deletions AS SELECT 1 AS other')
  database.close()
  const start = (): SqliteLogStore =>
    new SqliteLogStore({ ...STORE_SETTINGS, dataDir }, new FixedClock(), new RecordedEvents())
  for (let starts = 0; starts < 2; starts++) {
    t.throws(start, { code: 'store_unavailable', message: /the database in '.*' cannot be opened: no such column/ })
  }
})
