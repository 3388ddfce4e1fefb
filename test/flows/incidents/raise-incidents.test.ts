import t from 'tap'
import type { IncidentReport } from '../../../src/domain/incidents/incident.ts'
import type { IncidentStore } from '../../../src/ports/incidents.ts'
import { incidentIdOf, lineCount, report } from '../../contract/incident-store.ts'
import { FixedClock } from '../../support/helper.ts'
import { failing, NOTIFY, openFlow, RecordingNotifier } from './incident-flow.ts'

t.test('every state is notified once, except acknowledging', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  const { desk, notify } = openFlow(t, clock, { notifiers: [notifier] })
  const first = report(clock)
  const ref = { tenant: 'fake', id: incidentIdOf(first) }
  const later = (id: string): IncidentReport => ({ ...first, eventId: id, ms: clock.ms })
  await desk.raise(first)
  t.match(await desk.acknowledge(ref, 'ann'), { state: 'acknowledged', changedBy: 'ann' })
  t.match(await desk.acknowledge(ref, 'bob'), { changedBy: 'ann' }, 'twice is once')
  clock.ms += 1000
  await desk.raise(later('e2'))
  t.match(await desk.close(ref, 'ann'), { state: 'closed', count: 2 })
  await desk.close(ref, 'ann')
  await t.rejects(desk.acknowledge(ref, 'ann'), { code: 'state_conflict' })
  await desk.raise({ ...first, eventId: 'late', ms: clock.ms - 500 })
  clock.ms += 1000
  await desk.raise(later('e3'))
  clock.ms += 60_000
  t.equal(await desk.sweep(), 1)
  t.equal(await desk.sweep(), 0)
  await desk.raise(later('e4'))
  await desk.resolve(first)
  await desk.resolve(first)
  await notify.settled()
  const reported = notifier.messages.flatMap(({ notifications }) => notifications)
  t.same(
    reported.map(({ transition, incident }) => [transition, incident.count]),
    [
      ['opened', 1],
      ['closed', 2],
      ['reopened', 4],
      ['resolved', 4],
      ['reopened', 5],
      ['resolved', 5],
    ],
  )
  t.equal(new Set(reported.map(({ id }) => id)).size, 6)
})

t.test('an incident of another tenant does not exist', async (t) => {
  const clock = new FixedClock()
  const { desk } = openFlow(t, clock)
  const { id } = await desk.raise(report(clock))
  await t.rejects(desk.acknowledge({ tenant: 'other', id }, 'eve'), { code: 'not_found' })
  await t.rejects(desk.close({ tenant: 'other', id }, 'eve'), { code: 'not_found' })
})

const CALLS = ['change', 'fold', 'listQuiet', 'prune'] as const satisfies readonly (keyof IncidentStore)[]
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
      await desk.raise(report(clock, { eventId: `e${clock.ms}` }))
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
      new Set(call === 'prune' ? ['opened', 'resolved', 'reopened'] : ['opened', 'resolved']),
    )
  })
}

t.test('a new kind is applied at once, and a hundred known ones beside it wait for the next fold', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  const { desk, notify, store } = openFlow(t, clock, {
    notifiers: [notifier],
    notify: { ...NOTIFY, perMinuteMax: 1000 },
  })
  const known = Array.from({ length: 100 }, (_, i) => lineCount(clock, { key: `kind ${i}` }))
  const record = (counts: typeof known) => desk.record({ counts, cursor: undefined, rows: [] })
  t.equal((await record(known)).decisions.length, 100)
  const countOf = async (key: string) =>
    (await store.find({ tenant: 'fake', id: incidentIdOf({ tenant: 'fake', kind: 'line', key }) }))?.count
  for (let round = 0; round < 3; round++) {
    clock.ms += 1000
    const { decisions } = await record([...known, lineCount(clock, { key: `new ${round}` })])
    t.same(
      decisions.map(({ transition }) => transition),
      ['opened'],
    )
    t.equal(await countOf('kind 7'), 1)
  }
  await notify.settled()
  t.equal(notifier.messages.length, 103)
  await desk.sweep()
  t.equal(await countOf('kind 7'), 4)
  await record(known)
  const ref = { tenant: 'fake', id: incidentIdOf(known[7] as (typeof known)[number]) }
  t.match(await desk.close(ref, 'ann'), { count: 5, state: 'closed' }, 'what waits is counted before it is closed')
  clock.ms += 1000
  await desk.sweep()
  t.match(await store.find(ref), { state: 'closed' })
})

t.test(
  'of many kinds that open together some are sent at once, and the others in the next digest without lines',
  async (t) => {
    const clock = new FixedClock()
    const notifier = new RecordingNotifier(clock)
    const { desk, notify } = openFlow(t, clock, { notifiers: [notifier], notify: { ...NOTIFY, perMinuteMax: 3 } })
    const samples = [{ eventId: 'e1', ms: clock.ms, line: 'a line' }]
    const counts = Array.from({ length: 10 }, (_, i) => lineCount(clock, { key: `kind ${i}`, samples }))
    await desk.record({ counts, cursor: undefined, rows: [] })
    await notify.settled()
    const linesOf = () =>
      notifier.messages.map(({ notifications }) => notifications.map(({ incident }) => incident.samples.length))
    t.same(linesOf(), [[1], [1], [1]])
    clock.ms += 60_000
    await notify.sendDue()
    t.same(linesOf().slice(3), [[0, 0, 0, 0, 0, 0, 0]])
    clock.ms += 60_000
    await notify.sendDue()
    t.equal(notifier.messages.length, 4, 'none is sent again')
  },
)
