/** The contract of every IncidentStore. */

import { createHash } from 'node:crypto'
import type { Test } from 'tap'
import {
  acknowledge,
  applyCount,
  applyReport,
  close,
  type IncidentKey,
  type IncidentReport,
  type IncidentState,
  type KeyedHash,
  type LineCount,
  nameIncident,
} from '../../src/domain/incidents/incident.ts'
import type { OutboxItem } from '../../src/domain/incidents/notification.ts'
import type {
  CountDecider,
  CountRecord,
  Decision,
  IncidentListing,
  IncidentStore,
  RecordOutcome,
} from '../../src/ports/incidents.ts'
import { FixedClock } from '../support/helper.ts'

export interface OpenedIncidents {
  readonly store: IncidentStore
  /** Closes the store and opens the same data again. */
  reopen(): Promise<IncidentStore>
  /** Whether `prune` deletes; DynamoDB expires items itself. */
  readonly prunes: boolean
}

export const EVENT_MEMORY_MS = 3600_000
export const CLOSED_KEPT_MS = 24 * 3600_000

export type OpenIncidents = (t: Test, clock: FixedClock) => Promise<OpenedIncidents>

export const HASH: KeyedHash = (parts) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:`).update(part)
  return hash.digest('hex').slice(0, 32)
}
export const incidentIdOf = (key: IncidentKey): string => nameIncident(HASH, key)

export function report(clock: FixedClock, more: Partial<IncidentReport> = {}): IncidentReport {
  return {
    tenant: 'fake',
    kind: 'line',
    key: 'payments down',
    title: 'payments down',
    labels: [{ name: 'service_name', value: 'shop' }],
    severity: 'error',
    eventId: 'e1',
    ms: clock.ms,
    line: 'payments down',
    closesAfterMs: 60_000,
    ...more,
  }
}

export function lineCount(clock: FixedClock, more: Partial<LineCount> = {}): LineCount {
  const { tenant, key, title, labels, severity, closesAfterMs } = report(clock)
  const facts = { tenant, kind: 'line' as const, key, title, labels, severity, closesAfterMs }
  const samples = [{ eventId: 'e1', ms: clock.ms, line: 'payments down' }]
  return { ...facts, count: 1, firstMs: clock.ms, lastMs: clock.ms, samples, ...more }
}

/** Writes a report like the flow. */
export async function record(
  store: IncidentStore,
  clock: FixedClock,
  seen: IncidentReport,
  outbox = false,
): Promise<Decision | undefined> {
  const id = incidentIdOf(seen)
  return store.change({ tenant: seen.tenant, id }, (found) => {
    const change = applyReport(found, id, seen, clock.ms)
    if (change === undefined || !outbox) return change
    return { ...change, outbox: item(`${change.incident.id}-${change.incident.transitions}`, change, clock.ms) }
  })
}

export const deciderOf = (clock: FixedClock): CountDecider => ({
  idOf: incidentIdOf,
  decide: (found, id, lines) => {
    const change = applyCount(found, id, lines, clock.ms)
    if (change.transition === undefined) return change
    return { ...change, outbox: item(`${change.incident.id}-${change.incident.transitions}`, change, clock.ms) }
  },
})

/** Writes counts like the flow, and applies them. */
export async function recordCounts(
  store: IncidentStore,
  clock: FixedClock,
  counts: Omit<CountRecord, 'rows'> & Partial<CountRecord>,
): Promise<RecordOutcome> {
  const outcome = await store.record({ rows: [], ...counts }, deciderOf(clock))
  const decisions = outcome.isPending ? await store.fold(deciderOf(clock)) : outcome.decisions
  return { ...outcome, decisions }
}

function item(id: string, { incident, transition = 'opened' }: Decision, nowMs: number): OutboxItem {
  const notification = { id, transition, createdMs: nowMs, incident }
  return { notification, targets: ['log'], attempts: 0, dueMs: nowMs + 1000, digestId: undefined }
}

const LISTING: IncidentListing = {
  tenant: 'fake',
  states: undefined,
  sinceMs: undefined,
  labels: [],
  limit: 100,
  after: undefined,
}

export function incidentStoreContract(t: Test, open: OpenIncidents): void {
  t.test('an incident is unchanged after a restart', async (t) => testWrite(t, open))
  t.test('a report that is repeated counts once', async (t) => testReports(t, open))
  t.test('a delivery counts once', async (t) => testDeliveries(t, open))
  t.test('a cursor that another moved refuses the counts', async (t) => testMoves(t, open))
  t.test('counts are exact when deliveries are recorded and folded at the same time', async (t) =>
    testConcurrency(t, open),
  )
  t.test('many kinds of one delivery are all counted', async (t) => testManyKinds(t, open))
  t.test('lists by tenant, state, time and labels, page after page', async (t) => testList(t, open))
  t.test('lists quiet incidents', async (t) => testQuiet(t, open))
  t.test('an outbox item is taken by one caller, and returned again until it is settled', async (t) =>
    testOutbox(t, open),
  )
  t.test('counts notifications by the minute', async (t) => testSendings(t, open))
  t.test('cursors outlive a restart', async (t) => testCursors(t, open))
  t.test('deletes expired data', async (t) => testPrune(t, open))
  t.test('a decision that throws writes nothing', async (t) => testThrow(t, open))
}

async function testWrite(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store, reopen } = await open(t, clock)
  const labels = [
    { name: '__proto__', value: 'polluted' },
    { name: 'Grüße "x"', value: '\u{1f511}\n' },
  ]
  const seen = report(clock, { labels, query: '{app="x"}' })
  const decision = await record(store, clock, seen)
  const ref = { tenant: 'fake', id: incidentIdOf(seen) }
  t.same(await store.find(ref), decision?.incident)
  t.equal(await store.find({ ...ref, tenant: 'other' }), undefined)
  t.same(await (await reopen()).find(ref), decision?.incident)
}

async function testReports(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store, reopen } = await open(t, clock)
  const first = report(clock)
  t.equal((await record(store, clock, first))?.incident.count, 1)
  t.equal(await record(store, clock, first), undefined)
  t.equal((await record(store, clock, { ...first, eventId: 'e2' }))?.incident.count, 2)
  t.equal(await record(await reopen(), clock, first), undefined, 'a restart forgets nothing')
}

async function testDeliveries(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store, reopen } = await open(t, clock)
  const counts = [lineCount(clock, { count: 3 })]
  const ref = { tenant: 'fake', id: incidentIdOf(counts[0] as LineCount) }
  t.match(await recordCounts(store, clock, { deliveryId: 'd1', counts }), {
    isNew: true,
    decisions: [{ transition: 'opened', incident: { count: 3 } }],
  })
  t.match(await recordCounts(store, clock, { deliveryId: 'd1', counts }), { isNew: false, decisions: [] })
  t.match(await recordCounts(store, clock, { deliveryId: 'd2', counts }), { isNew: true })
  const again = await reopen()
  t.match(await recordCounts(again, clock, { deliveryId: 'd2', counts }), { isNew: false })
  t.match(await again.find(ref), { count: 6, samples: [{}, {}] })
  const due = await again.takeDue(clock.ms + 1000, clock.ms + 2000, 10)
  t.equal(due.length, 1, 'it was opened once')
}

async function testMoves(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store } = await open(t, clock)
  const counts = [lineCount(clock)]
  const move = (from: string | undefined, to: string) =>
    recordCounts(store, clock, { counts, cursor: { name: 'group', from, to } })
  t.match(await move(undefined, '1'), { isNew: true })
  t.match(await move(undefined, '2'), { isNew: false })
  t.match(await move('1', '2'), { isNew: true })
  t.match(await move('1', '3'), { isNew: false })
  t.equal(await store.readCursor('group'), '2')
  t.match(await store.find({ tenant: 'fake', id: incidentIdOf(counts[0] as LineCount) }), { count: 2 })
  const alone = { counts: [], cursor: { name: 'group', from: '2', to: '4' } }
  t.match(await recordCounts(store, clock, alone), { isNew: true, isPending: false })
  t.equal(await store.readCursor('group'), '4')
}

async function testConcurrency(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store } = await open(t, clock)
  const keys = ['one', 'two', 'three']
  const deliveries = Array.from({ length: 12 }, (_, i) => ({
    deliveryId: `d${i % 6}`,
    counts: keys.map((key) => lineCount(clock, { key, count: 10 + (i % 6) })),
  }))
  const outcomes = await Promise.all(deliveries.map((each) => recordCounts(store, clock, each)))
  t.equal(outcomes.filter(({ isNew }) => isNew).length, 6)
  await store.fold(deciderOf(clock))
  const opened = outcomes.flatMap(({ decisions }) => decisions).filter(({ transition }) => transition === 'opened')
  t.equal(opened.length, 3, 'each was opened once')
  for (const key of keys) {
    const id = incidentIdOf({ tenant: 'fake', kind: 'line', key })
    t.equal((await store.find({ tenant: 'fake', id }))?.count, 10 + 11 + 12 + 13 + 14 + 15)
  }
}

async function testManyKinds(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store } = await open(t, clock)
  const line = '\u4e00'.repeat(2000)
  const counts = Array.from({ length: 230 }, (_, i) =>
    lineCount(clock, { key: `kind ${i}`, count: i + 1, samples: [{ eventId: `e${i}`, ms: clock.ms, line }] }),
  )
  const { isNew, decisions } = await recordCounts(store, clock, { deliveryId: 'many', counts })
  t.ok(isNew)
  t.equal(decisions.length, 230)
  t.match(await recordCounts(store, clock, { deliveryId: 'many', counts }), { isNew: false })
  for (const i of [0, 64, 229]) {
    const id = incidentIdOf({ tenant: 'fake', kind: 'line', key: `kind ${i}` })
    t.equal((await store.find({ tenant: 'fake', id }))?.count, i + 1)
  }
}

async function testList(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store } = await open(t, clock)
  const states: IncidentState[] = ['open', 'acknowledged', 'closed']
  for (let i = 0; i < 12; i++) {
    const key = `failure ${i}`
    // Pairs of entries have the same time.
    const ms = clock.ms + Math.floor(i / 2) * 1000
    const labels = [{ name: 'app', value: i < 6 ? 'shop' : 'mail' }]
    const seen = report(clock, { key, title: key, labels, eventId: key, ms })
    await record(store, clock, seen)
    const state = states[i % 3]
    await store.change({ tenant: 'fake', id: incidentIdOf(seen) }, (found) => {
      if (found === undefined || state === 'open') return undefined
      return state === 'closed' ? close(found, 'ann', clock.ms) : acknowledge(found, 'ann', clock.ms)
    })
  }
  await record(store, clock, report(clock, { tenant: 'other' }))
  const titles = async (more: Partial<IncidentListing>): Promise<string[]> => {
    const found: string[] = []
    let after: IncidentListing['after']
    for (let page = 0; page < 20; page++) {
      const { incidents, next } = await store.list({ ...LISTING, ...more, after })
      t.ok(incidents.length <= (more.limit ?? LISTING.limit))
      found.push(...incidents.map(({ title }) => title))
      if (next === undefined) return found
      after = next
    }
    return t.fail('the pages never end') ? [] : found
  }
  const all = await titles({})
  t.equal(all.length, 12)
  t.same(
    all.map((title) => Math.floor(Number(title.split(' ')[1]) / 2)),
    [5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0],
    'newest first',
  )
  for (const limit of [1, 3, 5]) t.same(await titles({ limit }), all, `pages of ${limit}`)
  t.same((await titles({ states: ['open', 'closed'], limit: 3 })).length, 8)
  t.same((await titles({ states: ['acknowledged'] })).sort(), ['failure 1', 'failure 10', 'failure 4', 'failure 7'])
  t.equal((await titles({ sinceMs: clock.ms + 3000 })).length, 6)
  t.equal((await titles({ firstSinceMs: clock.ms + 4000, limit: 3 })).length, 4)
  t.equal((await titles({ labels: [{ name: 'app', value: 'shop' }], limit: 2 })).length, 6)
  t.same(await titles({ tenant: 'nobody' }), [])
}

async function testQuiet(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store } = await open(t, clock)
  const seen = report(clock)
  await record(store, clock, seen)
  await record(store, clock, report(clock, { key: 'a rule', kind: 'rule', closesAfterMs: undefined }))
  const ref = { tenant: 'fake', id: incidentIdOf(seen) }
  t.same(await store.listQuiet(clock.ms + 59_999, 10), [])
  t.same(await store.listQuiet(clock.ms + 60_000, 10), [ref])
  await store.change(ref, (found) => found && close(found, undefined, clock.ms))
  t.same(await store.listQuiet(clock.ms + 60_000, 10), [])
}

async function testOutbox(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store, reopen } = await open(t, clock)
  const keys = ['one', 'two', 'three']
  for (const key of keys) await record(store, clock, report(clock, { key, title: key }), true)
  t.same(await store.takeDue(clock.ms + 999, clock.ms + 5000, 10), [], 'their writer has the lease')
  clock.ms += 1000
  const taken = (await Promise.all([1, 2, 3].map(() => store.takeDue(clock.ms, clock.ms + 5000, 10)))).flat()
  t.same(taken.map(({ notification }) => notification.incident.title).sort(), keys.toSorted(), 'each once')
  const [first, second, third] = taken as [OutboxItem, OutboxItem, OutboxItem]
  const waiting = { ...second, targets: ['mail'], attempts: 3, dueMs: clock.ms + 9000, digestId: 'd1' }
  await store.settle([{ ...first, targets: [] }, waiting])
  const again = await reopen()
  clock.ms += 5000
  t.same(
    (await again.takeDue(clock.ms, clock.ms + 1, 10)).map(({ notification }) => notification.id),
    [third.notification.id],
  )
  clock.ms += 5000
  const last = await again.takeDue(clock.ms, clock.ms + 1000, 10)
  const found = last.find(({ notification }) => notification.id === second.notification.id)
  t.match(found, { targets: ['mail'], attempts: 3, digestId: 'd1', notification: second.notification })
  await Promise.all(last.map((each) => again.settle([{ ...each, targets: [] }])))
  t.same(await again.takeDue(clock.ms + 99_999, clock.ms + 99_999, 10), [])
  t.ok(await again.find(third.notification.incident), 'the incident stays')
}

async function testSendings(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store } = await open(t, clock)
  const counts = await Promise.all(Array.from({ length: 5 }, () => store.countSending(clock.ms)))
  t.same(counts.sort(), [1, 2, 3, 4, 5])
  t.equal(await store.countSending(clock.ms + 60_000), 1)
}

async function testCursors(t: Test, open: OpenIncidents): Promise<void> {
  const { store, reopen } = await open(t, new FixedClock())
  t.equal(await store.readCursor('/aws/lambda/shop'), undefined)
  await store.writeCursor('/aws/lambda/shop', '1')
  await store.writeCursor('/aws/lambda/shop', '2')
  await store.writeCursor('other', '3')
  t.equal(await (await reopen()).readCursor('/aws/lambda/shop'), '2')
}

async function testPrune(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store, prunes } = await open(t, clock)
  const seen = report(clock)
  const ref = { tenant: 'fake', id: incidentIdOf(seen) }
  const counts = [lineCount(clock)]
  await recordCounts(store, clock, { deliveryId: 'd1', counts })
  clock.ms += EVENT_MEMORY_MS - 1
  await store.prune(clock.ms)
  t.match(await recordCounts(store, clock, { deliveryId: 'd1', counts }), { isNew: false }, 'it is still known')
  clock.ms += 20_000
  await store.prune(clock.ms)
  if (prunes)
    t.match(await recordCounts(store, clock, { deliveryId: 'd1', counts }), { isNew: true }, 'it is forgotten')
  await store.change(ref, (found) => found && close(found, undefined, clock.ms))
  clock.ms += CLOSED_KEPT_MS - 1
  await store.prune(clock.ms)
  t.ok(await store.find(ref))
  clock.ms += 2
  await store.prune(clock.ms)
  if (prunes) t.equal(await store.find(ref), undefined)
}

async function testThrow(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store } = await open(t, clock)
  const seen = report(clock)
  const ref = { tenant: 'fake', id: incidentIdOf(seen) }
  const failing = store.change(ref, () => {
    throw new RangeError('no')
  })
  await t.rejects(failing)
  t.equal(await store.find(ref), undefined)
  t.equal((await record(store, clock, seen))?.incident.count, 1, 'it was not counted')
}
