/** What every IncidentStore promises. */

import type { Test } from 'tap'
import { CHANGE_EVENTS_MAX } from '../../src/domain/incidents/event-window.ts'
import {
  acknowledge,
  applyReport,
  close,
  type IncidentReport,
  type IncidentState,
  incidentIdOf,
} from '../../src/domain/incidents/incident.ts'
import type { OutboxItem } from '../../src/domain/incidents/notification.ts'
import type { Decision, IncidentListing, IncidentStore } from '../../src/ports/incidents.ts'
import { FixedClock } from '../support/helper.ts'

export interface OpenedIncidents {
  readonly store: IncidentStore
  /** Closes the store and opens the same data again. */
  reopen(): Promise<IncidentStore>
  /** Whether `prune` forgets by itself: DynamoDB's does so in its own time. */
  readonly prunes: boolean
}

export const EVENT_MEMORY_MS = 3600_000
export const CLOSED_KEPT_MS = 24 * 3600_000

export type OpenIncidents = (t: Test, clock: FixedClock) => Promise<OpenedIncidents>

export function report(clock: FixedClock, more: Partial<IncidentReport> = {}): IncidentReport {
  return {
    tenant: 'fake',
    kind: 'line',
    key: 'payments down',
    title: 'payments down',
    labels: [{ name: 'service_name', value: 'shop' }],
    severity: 'error',
    events: [{ id: 'e1', ms: clock.ms, line: 'payments down' }],
    closesAfterMs: 60_000,
    ...more,
  }
}

/** Records as the flow does, without its chunks. */
export async function record(
  store: IncidentStore,
  clock: FixedClock,
  seen: IncidentReport,
  outbox = false,
): Promise<Decision | undefined> {
  const ref = { tenant: seen.tenant, id: incidentIdOf(seen) }
  return store.change(ref, seen.events, (found, isFresh) => {
    const change = applyReport(found, seen, isFresh, clock.ms)
    if (change === undefined || !outbox) return change
    return { ...change, outbox: item(`${change.incident.id}-${change.incident.transitions}`, change, clock.ms) }
  })
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

const events = (first: number, count: number, ms: number) =>
  Array.from({ length: count }, (_, i) => ({ id: `e${first + i}`, ms: ms + i }))

export function incidentStoreContract(t: Test, open: OpenIncidents): void {
  t.test('an incident comes back as it was written, across a restart', async (t) => testWrite(t, open))
  t.test('an event counts once, whoever tells it again', async (t) => testEvents(t, open))
  t.test('counts are exact when the same is told at the same time', async (t) => testConcurrency(t, open))
  t.test('lists by tenant, state, time and labels, page after page', async (t) => testList(t, open))
  t.test('finds what is quiet', async (t) => testQuiet(t, open))
  t.test('an outbox item is taken by one, and comes again until it is settled', async (t) => testOutbox(t, open))
  t.test('counts sendings by the minute', async (t) => testSendings(t, open))
  t.test('cursors outlive a restart', async (t) => testCursors(t, open))
  t.test('forgets what is old', async (t) => testPrune(t, open))
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

async function testEvents(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store, reopen } = await open(t, clock)
  const first = report(clock, { events: events(0, 3, clock.ms) })
  t.equal((await record(store, clock, first))?.incident.count, 3)
  t.equal(await record(store, clock, first), undefined)
  const overlapping = report(clock, { events: events(2, 3, clock.ms + 2) })
  t.equal((await record(store, clock, overlapping))?.incident.count, 5)
  t.equal(await record(await reopen(), clock, overlapping), undefined, 'a restart forgets nothing')
}

async function testConcurrency(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store } = await open(t, clock)
  const parts = Array.from({ length: 6 }, (_, i) => report(clock, { events: events(i * 100, 200, clock.ms + i * 100) }))
  const decisions = await Promise.all([...parts, ...parts].map((part) => record(store, clock, part, true)))
  const opened = decisions.filter((decision) => decision?.transition !== undefined)
  t.equal(opened.length, 1, 'one of them opened it')
  const found = await store.find({ tenant: 'fake', id: incidentIdOf(parts[0] as IncidentReport) })
  t.equal(found?.count, 700)
  const many = report(clock, { key: 'many', events: events(0, CHANGE_EVENTS_MAX, clock.ms) })
  t.equal((await record(store, clock, many))?.incident.count, CHANGE_EVENTS_MAX)
  t.equal(await record(store, clock, many), undefined)
}

async function testList(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store } = await open(t, clock)
  const states: IncidentState[] = ['open', 'acknowledged', 'closed']
  for (let i = 0; i < 12; i++) {
    const key = `failure ${i}`
    // Two share each time.
    const ms = clock.ms + Math.floor(i / 2) * 1000
    const labels = [{ name: 'app', value: i < 6 ? 'shop' : 'mail' }]
    const seen = report(clock, { key, title: key, labels, events: [{ id: key, ms }] })
    await record(store, clock, seen)
    const state = states[i % 3]
    await store.change({ tenant: 'fake', id: incidentIdOf(seen) }, [], (found) => {
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
  await store.change(ref, [], (found) => found && close(found, undefined, clock.ms))
  t.same(await store.listQuiet(clock.ms + 60_000, 10), [])
}

async function testOutbox(t: Test, open: OpenIncidents): Promise<void> {
  const clock = new FixedClock()
  const { store, reopen } = await open(t, clock)
  const keys = ['one', 'two', 'three']
  for (const key of keys) await record(store, clock, report(clock, { key, title: key }), true)
  t.same(await store.takeDue(clock.ms + 999, clock.ms + 5000, 10), [], 'whoever wrote them has the lease')
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
  await record(store, clock, seen)
  clock.ms += EVENT_MEMORY_MS - 1
  await store.prune(clock.ms)
  t.equal(await record(store, clock, seen), undefined, 'the event is still known')
  clock.ms += 20_000
  await store.prune(clock.ms)
  t.equal((await record(store, clock, seen))?.incident.count, 2, 'it is forgotten, and counts again')
  await store.change(ref, [], (found) => found && close(found, undefined, clock.ms))
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
  const failing = store.change(ref, seen.events, () => {
    throw new RangeError('no')
  })
  await t.rejects(failing)
  t.equal(await store.find(ref), undefined)
  t.equal((await record(store, clock, seen))?.incident.count, 1, 'the event was not counted')
}
