import t from 'tap'
import type { Message } from '../../../src/domain/incidents/notification.ts'
import type { IncidentStore } from '../../../src/ports/incidents.ts'
import { formatSubject, formatText } from '../../../src/protocol/incidents/incident-message.ts'
import { lineCount, report } from '../../contract/incident-store.ts'
import { FixedClock } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'
import { failing, NOTIFY, openFlow, RecordingNotifier } from './incident-flow.ts'

const MINUTE_MS = 60_000

t.test('a failed notifier is retried with the same id, and does not delay the others', async (t) => {
  const clock = new FixedClock()
  const broken = new RecordingNotifier(clock, 'broken')
  const fine = new RecordingNotifier(clock, 'fine')
  let failures = 3
  broken.fault = () => (failures-- > 0 ? 'before' : undefined)
  const { desk, notify } = openFlow(t, clock, { notifiers: [broken, fine] })
  await desk.raise(report(clock))
  await notify.settled()
  t.equal(fine.messages.length, 1)
  const waits: number[] = []
  for (let i = 0; broken.messages.length === 0 && i < 100; i++) {
    clock.ms += 1000
    await notify.sendDue()
    waits.push(failures)
  }
  t.equal(broken.messages.length, 1)
  t.same(broken.reported, fine.reported)
  t.equal(fine.messages.length, 1, 'a notifier that accepted it does not get it again')
  t.equal(waits.length, 5 + 10 + 20, 'each wait is twice the one before')
})

t.test(
  'an outbox that was down is read again within a minute, also when the clock was set back meanwhile',
  async (t) => {
    const clock = new FixedClock()
    const notifier = new RecordingNotifier(clock)
    notifier.fault = () => (notifier.messages.length === 0 && isDown ? 'before' : undefined)
    let isDown = true
    const wrapStore = (store: IncidentStore): IncidentStore =>
      new Proxy(store, {
        get: (target, name) => {
          if (name === 'takeDue' && isDown) return async () => Promise.reject(new Error('the store is down'))
          const value = target[name as keyof IncidentStore]
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    const { desk, notify, failures } = openFlow(t, clock, { notifiers: [notifier], wrapStore })
    await desk.raise(report(clock))
    await notify.settled()
    for (let i = 0; i < 120; i++) {
      clock.ms += 1000
      await notify.sendDue()
    }
    t.ok(failures.length < 15, `${failures.length} tries in two minutes`)
    isDown = false
    clock.ms -= 3600_000
    clock.ms += 3600_000
    await notify.sendDue()
    t.equal(notifier.messages.length, 1)
  },
)

t.test('a notification whose response was lost is retried with the same id', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  notifier.fault = () => (notifier.messages.length === 0 ? 'after' : undefined)
  const { desk, notify } = openFlow(t, clock, { notifiers: [notifier] })
  await desk.raise(report(clock))
  await notify.settled()
  clock.ms += 5000
  await notify.sendDue()
  t.equal(notifier.messages.length, 2)
  t.equal(notifier.reported.length, 1)
})

t.test('a hanging notifier is abandoned after its timeout', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  notifier.fault = () => 'hang'
  const timeoutSignal = (): AbortSignal => AbortSignal.abort(new Error('took too long'))
  const { desk, notify, failures } = openFlow(t, clock, { notifiers: [notifier], timeoutSignal })
  await desk.raise(report(clock))
  await notify.settled()
  t.match(failures, [/took too long/])
})

/** Signals that the test aborts. */
function heldSignals() {
  const controllers: AbortController[] = []
  const timeoutSignal = (): AbortSignal => {
    const controller = new AbortController()
    controllers.push(controller)
    return controller.signal
  }
  const expire = (): void => controllers.splice(0).forEach((each) => void each.abort(new Error('took too long')))
  return { timeoutSignal, expire }
}

t.test('a hanging notifier does not delay the others', async (t) => {
  const clock = new FixedClock()
  const hanging = new RecordingNotifier(clock, 'hanging')
  hanging.fault = () => 'hang'
  const fine = new RecordingNotifier(clock, 'fine')
  const { timeoutSignal, expire } = heldSignals()
  const notify = { ...NOTIFY, perMinuteMax: 1000 }
  const flow = openFlow(t, clock, { notifiers: [hanging, fine], notify, timeoutSignal })
  for (let i = 0; i < 40; i++) await flow.desk.raise(report(clock, { key: `failure ${i}` }))
  await new Promise((resolve) => setImmediate(resolve))
  expire()
  await flow.notify.settled()
  t.equal(fine.reported.length, 40)
  t.equal(flow.failures.length, 4, 'it was asked as often as it takes to know')
  hanging.fault = () => undefined
  for (let i = 0; i < 20; i++) {
    clock.ms += 5000
    await flow.notify.sendDue()
  }
  t.equal(hanging.reported.length, 40, 'it gets all of them once it responds')
  t.equal(fine.messages.length, 40)
})

t.test('a stop does not wait for a hanging receiver; the next start sends the notification', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const notifier = new RecordingNotifier(clock)
  notifier.fault = () => 'hang'
  const first = openFlow(t, clock, { dataDir, notifiers: [notifier] })
  for (let i = 0; i < 12; i++) await first.desk.raise(report(clock, { key: `failure ${i}` }))
  await new Promise((resolve) => setImmediate(resolve))
  first.notify.abandon()
  await first.notify.settled()
  await first.close()
  notifier.fault = () => undefined
  const second = openFlow(t, clock, { dataDir, notifiers: [notifier] })
  clock.ms += NOTIFY.leaseMs
  await second.notify.sendDue()
  t.equal(notifier.reported.length, 12)
  t.equal(notifier.messages.length, 12)
})

t.test('an item that waited longer than its lease is left to the process that has it', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const hanging = new RecordingNotifier(clock)
  hanging.fault = () => 'hang'
  const { timeoutSignal, expire } = heldSignals()
  const first = openFlow(t, clock, { dataDir, notifiers: [hanging], timeoutSignal })
  for (let i = 0; i < 8; i++) await first.desk.raise(report(clock, { key: `failure ${i}` }))
  await new Promise((resolve) => setImmediate(resolve))
  clock.ms += NOTIFY.leaseMs
  const next = new RecordingNotifier(clock)
  await openFlow(t, clock, { dataDir, notifiers: [next] }).notify.sendDue()
  t.equal(next.reported.length, 8)
  hanging.fault = () => undefined
  expire()
  await first.notify.settled()
  t.equal(hanging.messages.length, 0)
})

t.test('a digest that the outbox returns in parts has an id for each part', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  let most = 500
  const flow = openFlow(t, clock, {
    notifiers: [notifier],
    notify: { ...NOTIFY, perMinuteMax: 1 },
    wrapStore: (base) =>
      new Proxy(base, {
        get(target, name) {
          const value = Reflect.get(target, name)
          if (name === 'takeDue') return (nowMs: number, untilMs: number) => target.takeDue(nowMs, untilMs, most)
          return typeof value === 'function' ? value.bind(target) : value
        },
      }),
  })
  for (let i = 0; i < 30; i++) await flow.desk.raise(report(clock, { key: `failure ${i}` }))
  await flow.notify.settled()
  notifier.fault = () => (notifier.messages.length <= 2 ? 'after' : undefined)
  for (most of [500, 20, 20, 20]) {
    clock.ms += MINUTE_MS
    await flow.notify.sendDue()
  }
  const contents = new Map<string, string>()
  for (const { id, notifications } of notifier.messages) {
    const content = notifications
      .map((each) => each.id)
      .sort()
      .join()
    t.equal(contents.get(id) ?? content, content, 'one id, one content')
    contents.set(id, content)
  }
  t.equal(notifier.reported.length, 30)
})

t.test('a restart sends what the previous process could not', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const down = new RecordingNotifier(clock)
  down.fault = () => 'before'
  const first = openFlow(t, clock, { dataDir, notifiers: [down] })
  await first.desk.raise(report(clock))
  await first.notify.settled()
  await first.close()
  const up = new RecordingNotifier(clock)
  const second = openFlow(t, clock, { dataDir, notifiers: [up] })
  await second.notify.sendDue()
  t.equal(up.messages.length, 0, 'it is not due yet')
  clock.ms += 5000
  await second.notify.sendDue()
  t.equal(up.messages.length, 1)
})

t.test('if a process dies before it sends, the next one sends when the lease is over', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const hanging = new RecordingNotifier(clock)
  hanging.fault = () => 'hang'
  const first = openFlow(t, clock, { dataDir, notifiers: [hanging] })
  await first.desk.raise(report(clock))
  const next = new RecordingNotifier(clock)
  const second = openFlow(t, clock, { dataDir, notifiers: [next] })
  clock.ms += NOTIFY.leaseMs - 1
  await second.notify.sendDue()
  t.equal(next.messages.length, 0)
  clock.ms += 1
  await second.notify.sendDue()
  t.equal(next.messages.length, 1)
})

t.test('notifications above the limit of a minute are sent as one digest in the next', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  const notify = { ...NOTIFY, perMinuteMax: 3 }
  const flow = openFlow(t, clock, { notifiers: [notifier], notify })
  for (let i = 0; i < 40; i++) await flow.desk.raise(report(clock, { key: `failure ${i}` }))
  await flow.notify.settled()
  t.equal(notifier.messages.length, 3)
  await flow.notify.sendDue()
  t.equal(notifier.messages.length, 3)
  clock.ms += MINUTE_MS
  notifier.fault = () => (notifier.messages.length === 3 ? 'after' : undefined)
  await flow.notify.sendDue()
  t.equal(notifier.messages.length, 4)
  const [digest] = notifier.messages.slice(3)
  t.equal(digest?.notifications.length, 37)
  t.equal(notifier.reported.length, 40, 'all are sent')
  clock.ms += 5000
  await flow.notify.sendDue()
  t.same(
    notifier.messages.slice(3).map(({ id }) => id),
    [digest?.id, digest?.id],
    'a digest that is sent again keeps its id',
  )
  clock.ms += MINUTE_MS
  await flow.notify.sendDue()
  t.equal(notifier.messages.length, 5)
})

t.test('10,000 kinds at once are the messages of one minute and one digest that fits into a mail', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  const flow = openFlow(t, clock, { notifiers: [notifier] })
  const counts = Array.from({ length: 10_000 }, (_, i) => lineCount(clock, { key: `kind ${i}`, title: `kind ${i}` }))
  await flow.desk.record({ deliveryId: 'd1', counts, cursor: undefined, rows: [] })
  await flow.notify.settled()
  const startMs = clock.ms
  for (let second = 0; second < 150; second++) {
    await flow.notify.sendDue()
    clock.ms += 1000
  }
  const sizes = notifier.messages.map(({ notifications }) => notifications.length)
  t.same(sizes, [...Array.from({ length: NOTIFY.perMinuteMax }, () => 1), 10_000 - NOTIFY.perMinuteMax])
  t.equal(notifier.reported.length, 10_000, 'all are in it')
  t.ok((notifier.sentAtMs.at(-1) ?? 0) - startMs <= MINUTE_MS, 'in the next minute')
  const digest = notifier.messages.at(-1) as Message
  const links = {
    publicUrl: 'https://logs.example.com',
    grafanaUrl: undefined,
    grafanaDataSource: 'm',
    region: undefined,
  }
  t.ok(formatText(digest, links).length < 16 * 1024)
  t.match(formatSubject(digest, 99), /^\[digest\] error: 9980 opened/)
  t.same(flow.failures, [])
})

t.test(
  'a storm that a receiver did not take comes in few messages once it answers, whatever else is new',
  async (t) => {
    const clock = new FixedClock()
    const notifier = new RecordingNotifier(clock)
    notifier.fault = () => 'before'
    const flow = openFlow(t, clock, { notifiers: [notifier] })
    const raise = (i: number) => flow.desk.raise(report(clock, { key: `failure ${i}` }))
    for (let i = 0; i < 300; i++) await raise(i)
    await flow.notify.settled()
    for (let second = 0; second < 600; second++) {
      if (second === 300) notifier.fault = () => undefined
      if (second % 60 === 0) for (let i = 0; i < 5; i++) await raise(1000 + second + i)
      await flow.notify.sendDue()
      clock.ms += 1000
    }
    t.equal(notifier.reported.length, 350)
    t.ok(notifier.messages.length <= 40, `${notifier.messages.length} messages`)
  },
)

t.test('a notification that fails for a day is given up; the incident remains', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  notifier.fault = () => 'before'
  const { desk, notify, store, failures } = openFlow(t, clock, { notifiers: [notifier] })
  const { id } = await desk.raise(report(clock))
  await notify.settled()
  for (let hour = 0; hour < 30; hour++) {
    clock.ms += 3600_000
    await notify.sendDue()
  }
  const tried = failures.length
  clock.ms += 3600_000
  await notify.sendDue()
  t.equal(failures.length, tried)
  t.match(await store.find({ tenant: 'fake', id }), { state: 'open' })
})

const CALLS = ['takeDue', 'settle', 'countSending'] as const
for (const call of CALLS) {
  t.test(`a store that fails at ${call} is reported, and the notification is sent later`, async (t) => {
    const clock = new FixedClock()
    const notifier = new RecordingNotifier(clock)
    let isFailing = true
    const { desk, notify, failures } = openFlow(t, clock, {
      notifiers: [notifier],
      wrapStore: (base) => failing(base, (name) => name === call && isFailing),
    })
    await desk.raise(report(clock))
    await notify.settled()
    await notify.sendDue()
    t.match(failures[0], /down/)
    isFailing = false
    clock.ms += NOTIFY.leaseMs
    await notify.sendDue()
    t.equal(notifier.reported.length, 1)
    clock.ms += NOTIFY.leaseMs * 2
    const before = notifier.messages.length
    await notify.sendDue()
    t.equal(notifier.messages.length, before, 'it is settled')
  })
}
