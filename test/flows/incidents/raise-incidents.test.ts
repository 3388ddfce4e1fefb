import t from 'tap'
import { type IncidentReport, incidentIdOf } from '../../../src/domain/incidents/incident.ts'
import { type IncidentLine, LineGrouper, raiseReports } from '../../../src/flows/incidents/find-errors.ts'
import { murmur128 } from '../../../src/kit/murmur3.ts'
import type { IncidentStore } from '../../../src/ports/incidents.ts'
import { report } from '../../contract/incident-store.ts'
import { FixedClock } from '../../support/helper.ts'
import { failing, openFlow, RecordingNotifier, RULES } from './incident-flow.ts'

const KINDS = [
  (i: number) => `ERROR: connection to 10.0.0.${i % 250}:5432 timed out after ${i} ms`,
  (i: number) => `ERROR: user ${i} not found`,
  (i: number) => `ERROR: cannot open '/tmp/${i}.txt'`,
  (i: number) => `ERROR: payment ${murmur128(new TextEncoder().encode(String(i)))} declined`,
  (i: number) => `{"level":"error","msg":"queue is full","depth":${i}}`,
]

function seen(i: number, clock: FixedClock): IncidentLine {
  const kind = KINDS[i % KINDS.length] as (i: number) => string
  const labels = [{ name: 'service_name', value: 'shop' }]
  const ns = clock.nowNs + BigInt(i) * 1_000_000n
  return { tenant: 'fake', labels, metadata: [], ns, line: kind(i), level: 6, eventId: `event-${i}` }
}

t.test('10,000 lines of 5 kinds are 5 incidents and 5 notifications, told twice and at once', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  const { desk, store, notify } = openFlow(t, clock, { notifiers: [notifier] })
  const lines = Array.from({ length: 10_000 }, (_, i) => seen(i, clock))
  const tell = async (from: number, to: number): Promise<{ counted: number; opened: number }> => {
    const observer = new LineGrouper(RULES, clock.ms)
    for (const line of lines.slice(from, to)) observer.add(line)
    return raiseReports({ sink: desk, audit: undefined }, observer.take(clock.ms), clock.ms)
  }
  const parts = [0, 2500, 5000, 7500].flatMap((from) => [tell(from, from + 2500), tell(from, from + 2500)])
  const outcomes = [...(await Promise.all(parts)), await tell(0, 10_000)]
  t.equal(
    outcomes.reduce((sum, { counted }) => sum + counted, 0),
    10_000,
    'each line once',
  )
  t.equal(
    outcomes.reduce((sum, { opened }) => sum + opened, 0),
    5,
  )
  const { incidents } = await store.list({
    tenant: 'fake',
    states: ['open'],
    sinceMs: undefined,
    labels: [],
    limit: 100,
    after: undefined,
  })
  t.same(
    incidents.map(({ count }) => count),
    [2000, 2000, 2000, 2000, 2000],
  )
  for (const { samples } of incidents) t.equal(samples.length, 10)
  await notify.settled()
  t.equal(notifier.messages.length, 5)
})

t.test('every state is told of once, but acknowledging', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  const { desk, notify } = openFlow(t, clock, { notifiers: [notifier] })
  const first = report(clock)
  const ref = { tenant: 'fake', id: incidentIdOf(first) }
  const later = (id: string): IncidentReport => ({ ...first, events: [{ id, ms: clock.ms }] })
  await desk.raise(first)
  t.match(await desk.acknowledge(ref, 'ann'), { state: 'acknowledged', changedBy: 'ann' })
  t.match(await desk.acknowledge(ref, 'bob'), { changedBy: 'ann' }, 'twice is once')
  clock.ms += 1000
  await desk.raise(later('e2'))
  t.match(await desk.close(ref, 'ann'), { state: 'closed', count: 2 })
  await desk.close(ref, 'ann')
  await t.rejects(desk.acknowledge(ref, 'ann'), { code: 'state_conflict' })
  await desk.raise({ ...first, events: [{ id: 'late', ms: clock.ms - 500 }] })
  clock.ms += 1000
  await desk.raise(later('e3'))
  clock.ms += 60_000
  t.equal(await desk.sweep(), 1)
  t.equal(await desk.sweep(), 0)
  await desk.raise(later('e4'))
  await desk.resolve(first)
  await desk.resolve(first)
  await notify.settled()
  const told = notifier.messages.flatMap(({ notifications }) => notifications)
  t.same(
    told.map(({ transition, incident }) => [transition, incident.count]),
    [
      ['opened', 1],
      ['closed', 2],
      ['reopened', 4],
      ['resolved', 4],
      ['reopened', 5],
      ['resolved', 5],
    ],
  )
  t.equal(new Set(told.map(({ id }) => id)).size, 6)
})

t.test('an incident of another tenant does not exist', async (t) => {
  const clock = new FixedClock()
  const { desk } = openFlow(t, clock)
  const { id } = await desk.raise(report(clock))
  await t.rejects(desk.acknowledge({ tenant: 'other', id }, 'eve'), { code: 'not_found' })
  await t.rejects(desk.close({ tenant: 'other', id }, 'eve'), { code: 'not_found' })
})

const CALLS = ['change', 'listQuiet', 'prune'] as const satisfies readonly (keyof IncidentStore)[]
for (const call of CALLS) {
  t.test(`a store that fails at ${call} loses nothing`, async (t) => {
    const clock = new FixedClock()
    const notifier = new RecordingNotifier(clock)
    let isFailing = true
    const { desk, store, notify } = openFlow(t, clock, {
      notifiers: [notifier],
      wrapStore: (base) => failing(base, (name) => name === call && isFailing),
    })
    const all = async (): Promise<void> => {
      await desk.raise(report(clock))
      clock.ms += 60_001
      await desk.sweep()
    }
    await t.rejects(all(), /the store is down/)
    isFailing = false
    await all()
    await desk.sweep()
    await notify.settled()
    const { incidents } = await store.list({
      tenant: 'fake',
      states: undefined,
      sinceMs: undefined,
      labels: [],
      limit: 9,
      after: undefined,
    })
    t.match(incidents, [{ state: 'closed' }])
    t.same(
      new Set(notifier.messages.map(({ notifications }) => notifications[0]?.transition)),
      new Set(call === 'change' || call === 'listQuiet' ? ['opened', 'resolved'] : ['opened', 'resolved', 'reopened']),
    )
  })
}
