import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { type Database, openDatabase } from '../../../src/adapters/embedded/database.ts'
import { SqliteLogStore } from '../../../src/adapters/embedded/sqlite-log-store.ts'
import { NS_MAX, NS_MIN } from '../../../src/domain/time.ts'
import { deletionContract, type OpenedDeletions } from '../../contract/deletions.ts'
import {
  FixedClock,
  makeBatch,
  openAdmission,
  openStore,
  RecordedEvents,
  readAll,
  STORE_SETTINGS,
} from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

function opened(t: Test, dataDir: string, clock: FixedClock): OpenedDeletions {
  const store = new SqliteLogStore({ ...STORE_SETTINGS, dataDir }, clock, new RecordedEvents())
  t.teardown(() => store.close())
  return {
    store,
    deletions: store.deletions,
    settle: () => store.maintain(),
    reopen: async () => {
      await store.close()
      return opened(t, dataDir, clock)
    },
  }
}

deletionContract(t, (t, clock) => opened(t, testFolder(t), clock))

t.test('a read that started before still sees the unchanged block', async (t) => {
  const clock = new FixedClock()
  const store = openStore(t, clock)
  for (const line of ['one', 'two']) {
    const entries = [{ ns: clock.nowNs, line }]
    await store.append(makeBatch([{ labels: { app: 'shop' }, entries }], openAdmission(clock)))
    clock.ms += 1000
  }
  const range = { tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX }
  const seen: number[] = []
  for await (const { block } of store.read({ ...range, direction: 'forward' })) {
    if (seen.length === 0) await store.deletions.erase(range, () => [])
    seen.push(block.count)
  }
  t.strictSame(seen, [1, 1])
  t.strictSame(await readAll(store), [])
})

t.test('deleted entries are gone from the file after maintenance', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const store = new SqliteLogStore({ ...STORE_SETTINGS, dataDir }, clock, new RecordedEvents())
  const entries = [{ ns: clock.nowNs, line: 'secret' }]
  await store.append(makeBatch([{ labels: { app: 'shop' }, entries }], openAdmission(clock)))
  await store.deletions.erase({ tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX }, () => [])
  clock.ms += 2 * STORE_SETTINGS.queryTimeoutMs + 1
  await store.maintain()
  await store.close()
  const db = new DatabaseSync(`${dataDir}/millrace.db`, { readOnly: true })
  t.teardown(() => db.close())
  t.equal(db.prepare('SELECT count(*) AS rows FROM blocks').get()?.['rows'], 0)
})

t.test('a request that cannot be stored is rejected, and the cause is reported', async (t) => {
  const clock = new FixedClock()
  const events = new RecordedEvents()
  let forbidWrites: () => void = () => undefined
  const open = (dataDir: string): Database => {
    const database = openDatabase(dataDir)
    forbidWrites = () => database.writer.exec('PRAGMA query_only = ON')
    return database
  }
  const store = new SqliteLogStore({ ...STORE_SETTINGS, dataDir: testFolder(t) }, clock, events, { open })
  t.teardown(() => store.close())
  forbidWrites()
  const times = { start: 0n, end: clock.nowNs, createdMs: clock.ms, isProcessed: false }
  const asked = store.deletions.add({ id: 'one', tenant: 'fake', query: '{app="shop"}', ...times })
  await t.rejects(asked, { code: 'store_unavailable' })
  t.strictSame(store.deletions.list(), [])
  t.match(events.failures, [/readonly/])
})
