import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { SqliteIncidents } from '../../../src/adapters/embedded/sqlite-incidents.ts'
import { close } from '../../../src/domain/incidents/incident.ts'
import type { AuditRow } from '../../../src/ports/incidents.ts'
import {
  CLOSED_KEPT_MS,
  deciderOf,
  EVENT_MEMORY_MS,
  incidentIdOf,
  incidentStoreContract,
  lineCount,
  record,
  report,
} from '../../contract/incident-store.ts'
import { FixedClock } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

const RETENTION = { eventMemoryMs: EVENT_MEMORY_MS, closedKeptMs: CLOSED_KEPT_MS }

function open(t: Test, clock: FixedClock, dataDir = testFolder(t)) {
  const store = new SqliteIncidents(dataDir, RETENTION, () => clock.ms)
  t.teardown(() => store.close())
  return store
}

incidentStoreContract(t, async (t, clock) => {
  const dataDir = testFolder(t)
  const store = open(t, clock, dataDir)
  return {
    store,
    prunes: true,
    reopen: async () => {
      await store.close()
      return open(t, clock, dataDir)
    },
  }
})

t.test('counts that wait in several rounds change each incident once, and none is lost or repeated', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const store = open(t, clock, dataDir)
  const decider = deciderOf(clock)
  const startMs = clock.ms
  for (let round = 1; round <= 5; round++) {
    clock.ms = startMs + round * 1000
    const kinds = Array.from({ length: 100 }, (_, i) => `kind ${round % 2 === 0 ? i : 99 - i}`)
    const samples = [{ eventId: `e${round}`, ms: clock.ms, line: `line ${round}` }]
    const counts = kinds.map((key) => lineCount(clock, { key, count: round, samples }))
    t.match(await store.record({ deliveryId: `d${round}`, counts, rows: [] }, decider), { isPending: true })
  }
  const decisions = await store.fold(decider)
  t.equal(decisions.length, 100)
  for (const { incident } of decisions) {
    t.match(incident, { count: 1 + 2 + 3 + 4 + 5, firstSeenMs: startMs + 1000, lastSeenMs: startMs + 5000 })
    t.same(
      incident.samples.map(({ line }) => line),
      ['line 1', 'line 2', 'line 3', 'line 4', 'line 5'],
    )
  }
  t.same(await store.fold(decider), [])
})

t.test('counts of a record that fails are not applied in the place of others', async (t) => {
  const clock = new FixedClock()
  const store = open(t, clock, testFolder(t))
  const decider = deciderOf(clock)
  const countsOf = (name: string) => Array.from({ length: 100 }, (_, i) => lineCount(clock, { key: `${name} ${i}` }))
  const unwritable = Object.defineProperty(lineCount(clock, { key: 'broken' }), 'query', {
    enumerable: true,
    get: () => {
      throw new Error('not written')
    },
  })
  await t.rejects(store.record({ counts: countsOf('bad'), later: [unwritable], rows: [] }, decider))
  await store.record({ counts: countsOf('good'), rows: [] }, decider)
  const ids = (await store.fold(decider)).map(({ incident }) => incident.id)
  t.same(ids.sort(), countsOf('good').map(decider.idOf).sort())
})

t.test('a row for each line is written once', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const store = open(t, clock, dataDir)
  const row = (incidentId: string): AuditRow => ({
    incidentId,
    tenant: 'fake',
    groupId: 'f00d',
    ms: clock.ms,
    logGroup: '/aws/lambda/shop',
    logStream: 'stream',
    message: 'ERROR: no',
    severity: 'ERROR',
    createdMs: clock.ms,
  })
  const write = (ids: readonly string[]) => store.record({ counts: [], rows: ids.map(row) }, deciderOf(clock))
  const db = new DatabaseSync(join(dataDir, 'incidents.db'), { readOnly: true })
  t.teardown(() => db.close())
  const ids = () =>
    db
      .prepare('SELECT incident_id FROM audit ORDER BY incident_id')
      .all()
      .map((each) => each['incident_id'])
  await write(['a', 'b', 'a'])
  await write(['b', 'c'])
  t.same(ids(), ['a', 'b', 'c'])
  clock.ms += CLOSED_KEPT_MS + 1
  await store.prune(clock.ms)
  t.same(ids(), [], 'rows are kept for a time only')
})

t.test('a file of schema 1 is upgraded, with its incidents', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const before = open(t, clock, dataDir)
  const seen = report(clock)
  await record(before, clock, seen)
  await before.close()
  const db = new DatabaseSync(join(dataDir, 'incidents.db'))
  db.exec(`
    DROP TABLE deliveries; DROP TABLE pending_counts; PRAGMA user_version = 1;
    CREATE TABLE windows (tenant TEXT NOT NULL, id TEXT NOT NULL, number INTEGER NOT NULL, kept_until_ms INTEGER NOT NULL,
      events BLOB NOT NULL, PRIMARY KEY (tenant, id, number)) STRICT;
    INSERT INTO cursors VALUES ('accepted-lines', '5'), ('log-group a', '7');`)
  db.close()
  const store = open(t, clock, dataDir)
  t.match(await store.find({ tenant: 'fake', id: incidentIdOf(seen) }), { count: 1 })
  t.equal(await store.readCursor('accepted-lines'), undefined)
  t.equal(await store.readCursor('log-group a'), '7')
  await store.record({ deliveryId: 'd', counts: [], rows: [] }, deciderOf(clock))
})

t.test('the newest closed incidents are kept, and all open ones', async (t) => {
  const clock = new FixedClock()
  const store = new SqliteIncidents(testFolder(t), RETENTION, () => clock.ms, 3)
  t.teardown(() => store.close())
  for (let i = 0; i < 10; i++) {
    clock.ms += 1000
    const seen = report(clock, { key: `failure ${i}`, title: `failure ${i}` })
    await record(store, clock, seen)
    const ref = { tenant: 'fake', id: incidentIdOf(seen) }
    if (i % 2 === 0) await store.change(ref, (found) => found && close(found, undefined, clock.ms))
  }
  await store.prune(clock.ms)
  const listing = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 100, after: undefined }
  const titles = (await store.list(listing)).incidents.map(({ title }) => title)
  t.same(
    titles.toSorted(),
    [1, 3, 4, 5, 6, 7, 8, 9].map((i) => `failure ${i}`),
  )
})

t.test('a file of another origin is not changed', async (t) => {
  const dataDir = testFolder(t)
  writeFileSync(join(dataDir, 'incidents.db'), 'not a database, and long enough to be looked at as one'.repeat(100))
  t.throws(() => open(t, new FixedClock(), dataDir), { code: 'store_unavailable', message: /incidents\.db/ })
})

t.test('a closed store says that it is unavailable', async (t) => {
  const clock = new FixedClock()
  const store = open(t, clock)
  await store.close()
  await store.close()
  await t.rejects(record(store, clock, report(clock)), { code: 'store_unavailable' })
})
