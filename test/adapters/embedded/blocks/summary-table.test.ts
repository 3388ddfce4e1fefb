import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { upgradeDatabase } from '../../../../src/adapters/embedded/database.ts'
import { repair } from '../../../../src/adapters/embedded/repair/repair.ts'
import type { SqliteLogStore } from '../../../../src/adapters/embedded/sqlite-log-store.ts'
import { FixedClock, makeBatch, openAdmission, openStore, RecordedEvents, readAll } from '../../../support/helper.ts'
import { testFolder } from '../../../support/test-folder.ts'

/** A file of the version before the table: two tenants with 3 pushes of 20 streams of 5 entries. */
const SCHEMA_2 = new URL('./schema-2.db.gz', import.meta.url)
const BLOCKS = 6
const ENTRIES = 300

function putFileBefore(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(join(dataDir, 'millrace.db'), gunzipSync(readFileSync(SCHEMA_2)))
}

function count(dataDir: string, sql: string): number {
  const db = new DatabaseSync(join(dataDir, 'millrace.db'), { readOnly: true })
  const row = db.prepare(`SELECT count(*) AS n FROM ${sql}`).get()
  db.close()
  return row?.['n'] as number
}

/** Entries by summaries, and entries that came in blocks. */
async function countBoth(store: SqliteLogStore): Promise<{ taken: number; read: number }> {
  let taken = 0
  const takes = (run: { entries: number }): boolean => {
    taken += run.entries
    return true
  }
  const read = (await readAll(store, { takes })).length
  return { taken, read }
}

async function push(store: SqliteLogStore, clock: FixedClock, pushes: number): Promise<void> {
  for (let i = 0; i < pushes; i++) {
    const entries = [{ ns: clock.nowNs + BigInt(i), line: `line ${i}`, metadata: { k: 'v' } }]
    await store.append(makeBatch([{ labels: { app: 'a' }, entries }], openAdmission(clock)))
  }
}

t.test('a file of the version before is read as before, and gets its summaries by maintenance', async (t) => {
  const dataDir = testFolder(t)
  putFileBefore(dataDir)
  const clock = new FixedClock()
  const store = openStore(t, clock, { dataDir })
  t.same(await countBoth(store), { taken: 0, read: ENTRIES })
  t.equal(count(dataDir, 'unsummarised'), BLOCKS)
  await store.maintain()
  t.equal(count(dataDir, 'unsummarised'), 0)
  t.same(await countBoth(store), { taken: ENTRIES, read: 0 })
})

t.test('an upgrade that fails changes nothing', async (t) => {
  const dataDir = testFolder(t)
  putFileBefore(dataDir)
  const db = new DatabaseSync(join(dataDir, 'millrace.db'))
  t.teardown(() => db.close())
  db.exec('CREATE TABLE unsummarised (other)')
  t.throws(() => upgradeDatabase(db))
  t.match(db.prepare('PRAGMA user_version').get(), { user_version: 2 })
  t.match(db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'run_summaries'").get(), { n: 0 })
})

t.test('a damaged block does not stop the others from getting summaries', async (t) => {
  const dataDir = testFolder(t)
  putFileBefore(dataDir)
  const events = new RecordedEvents()
  const damage = new DatabaseSync(join(dataDir, 'millrace.db'))
  damage.exec("UPDATE blocks SET columns = x'00' WHERE id = 2")
  damage.close()
  const store = openStore(t, new FixedClock(), { dataDir, blockBytes: 10 }, events)
  await store.maintain()
  t.same(new Set(events.damaged), new Set([2]))
  t.equal(count(dataDir, 'run_summaries'), BLOCKS - 1)
  t.equal(count(dataDir, 'unsummarised'), 0)
})

async function filled(t: Test, pushes: number) {
  const dataDir = testFolder(t)
  const clock = new FixedClock()
  const events = new RecordedEvents()
  const store = openStore(t, clock, { dataDir }, events)
  await push(store, clock, pushes)
  return { dataDir, clock, events, store }
}

t.test('summaries follow joins and go with their blocks', async (t) => {
  const { dataDir, clock, store } = await filled(t, 20)
  t.equal(count(dataDir, 'run_summaries'), 20)
  await store.maintain()
  t.same(await countBoth(store), { taken: 20, read: 0 })
  clock.ms += 3600_000
  await store.maintain()
  t.equal(count(dataDir, 'blocks'), 1)
  t.equal(count(dataDir, 'run_summaries'), 1)
})

t.test('a damaged summary is reported, and the entries are read instead; repair makes it anew', async (t) => {
  const { dataDir, clock, events, store } = await filled(t, 3)
  const damage = new DatabaseSync(join(dataDir, 'millrace.db'))
  damage.exec("UPDATE run_summaries SET runs = x'00' WHERE block = 2")
  damage.close()
  t.same(await countBoth(store), { taken: 2, read: 1 })
  t.same(events.damaged, [2])
  await store.close()
  repair(dataDir, { isCheck: false, nowMs: clock.ms })
  const repaired = openStore(t, clock, { dataDir })
  await repaired.maintain()
  t.same(await countBoth(repaired), { taken: 3, read: 0 })
})

t.test('a summary of a block with a stream of another tenant is not offered', async (t) => {
  const { dataDir, clock, store } = await filled(t, 1)
  const own = { labels: { app: 'a' }, entries: [{ ns: clock.nowNs, line: 'own' }] }
  await store.append(makeBatch([own], openAdmission(clock, 'other')))
  const damage = new DatabaseSync(join(dataDir, 'millrace.db'))
  damage.exec('UPDATE blocks SET tenant = 2 WHERE id = 1')
  damage.close()
  await store.close()
  const reopened = openStore(t, new FixedClock(), { dataDir })
  let offered = 0
  const takes = ({ entries }: { entries: number }): boolean => {
    offered += entries
    return true
  }
  await t.rejects(readAll(reopened, { tenant: 'other', takes }), { code: 'store_damaged' })
  t.equal(offered, 1, 'only its own')
})
