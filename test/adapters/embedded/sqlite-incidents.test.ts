import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SqliteIncidents } from '../../../src/adapters/embedded/sqlite-incidents.ts'
import { close, incidentIdOf } from '../../../src/domain/incidents/incident.ts'
import type { AuditRecord } from '../../../src/ports/incidents.ts'
import {
  CLOSED_KEPT_MS,
  EVENT_MEMORY_MS,
  incidentStoreContract,
  record,
  report,
} from '../../contract/incident-store.ts'
import { FixedClock } from '../../support/helper.ts'

const RETENTION = { eventMemoryMs: EVENT_MEMORY_MS, closedKeptMs: CLOSED_KEPT_MS }

function open(t: Test, clock: FixedClock, dataDir = t.testdir()) {
  const store = new SqliteIncidents(dataDir, RETENTION, () => clock.ms)
  t.teardown(() => store.close())
  return store
}

incidentStoreContract(t, async (t, clock) => {
  const dataDir = t.testdir()
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

t.test('a row for each line is written once', async (t) => {
  const clock = new FixedClock()
  const store = open(t, clock)
  const row = (incidentId: string): AuditRecord => ({
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
  t.equal(await store.write([row('a'), row('b'), row('a')]), 2)
  t.equal(await store.write([row('b'), row('c')]), 1)
  clock.ms += CLOSED_KEPT_MS + 1
  await store.prune(clock.ms)
  t.equal(await store.write([row('b')]), 1, 'rows are kept for a time only')
})

t.test('of closed incidents the newest are kept, open ones all', async (t) => {
  const clock = new FixedClock()
  const store = new SqliteIncidents(t.testdir(), RETENTION, () => clock.ms, 3)
  t.teardown(() => store.close())
  for (let i = 0; i < 10; i++) {
    clock.ms += 1000
    const seen = report(clock, { key: `failure ${i}`, title: `failure ${i}` })
    await record(store, clock, seen)
    const ref = { tenant: 'fake', id: incidentIdOf(seen) }
    if (i % 2 === 0) await store.change(ref, [], (found) => found && close(found, undefined, clock.ms))
  }
  await store.prune(clock.ms)
  const listing = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 100, after: undefined }
  const titles = (await store.list(listing)).incidents.map(({ title }) => title)
  t.same(
    titles.toSorted(),
    [1, 3, 4, 5, 6, 7, 8, 9].map((i) => `failure ${i}`),
  )
})

t.test('a file of somebody else is left alone', async (t) => {
  const dataDir = t.testdir()
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
