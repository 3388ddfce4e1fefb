import t, { type Test } from 'tap'
import { LocalFeed } from '../../../src/adapters/embedded/local-feed.ts'
import { teeFeed } from '../../../src/flows/incidents/accepted-feed.ts'
import type { IncidentStore } from '../../../src/ports/incidents.ts'
import type { LogStore } from '../../../src/ports/log-store.ts'
import { FixedClock, makeBatch, openAdmission, openStore, type PlainStream } from '../../support/helper.ts'
import { failing, makeLoop, openFlow, RecordingNotifier, RULES, VirtualTime } from './incident-flow.ts'

const admission = (clock: FixedClock, tenant = 'fake') => ({ ...openAdmission(clock, tenant), discoverLevels: true })

const stream = (app: string, ns: bigint, lines: readonly string[], metadata?: Record<string, string>): PlainStream => ({
  labels: { service_name: app },
  entries: lines.map((line, i) => ({ ns: ns + BigInt(i), line, ...(metadata && { metadata }) })),
})

async function list(flow: ReturnType<typeof openFlow>, tenant = 'fake') {
  const all = { states: undefined, sinceMs: undefined, labels: [], limit: 100, after: undefined }
  return (await flow.store.list({ tenant, ...all })).incidents
}

async function accept(store: LogStore, clock: FixedClock, streams: readonly PlainStream[], tenant = 'fake') {
  const batch = makeBatch(streams, admission(clock, tenant))
  await store.append(batch)
  return batch
}

const QUIET: readonly (readonly [name: string, line: string])[] = [
  ['info', 'INFO: Health check OK'],
  ['the word in the plural', 'there were no ERRORs'],
  ['a field of that name', '{"level":"info","errorCount":0}'],
  ['an info line that names an error', 'level=info msg="error rate is 0"'],
  ['an error that is null', '{"status":200,"error":null,"path":"/"}'],
  ['an error that is empty', '{"err": "", "Error" : {} , "msg":"done"}'],
  ['a warning', 'WARN disk is filling'],
  ['nothing', ''],
]
const LOUD: readonly (readonly [name: string, line: string])[] = [
  ['a prefix', 'ERROR: Connection failed'],
  ['lower case', 'error: connection failed'],
  ['a JSON level', '{"level":"error","msg":"down"}'],
  ['a logfmt level', 'ts=1 lvl=err msg="down"'],
  ['fatal', '[FATAL] out of memory'],
  ['an error beside an empty one', '{"err":null,"error":"no such file"}'],
  ['a level beside an empty error', '{"level":"error","error":null}'],
]

function lineTest(t: Test, line: string, opened: number): Promise<void> {
  return (async () => {
    const clock = new FixedClock()
    const flow = openFlow(t, clock)
    flow.scanner.offer(makeBatch([stream('shop', clock.nowNs, [line])], admission(clock)))
    await flow.scanner.round()
    t.equal((await list(flow)).length, opened)
    t.same(flow.failures, [])
  })()
}

for (const [name, line] of QUIET) t.test(`raises nothing for ${name}`, (t) => lineTest(t, line, 0))
for (const [name, line] of LOUD) t.test(`raises an incident for ${name}`, (t) => lineTest(t, line, 1))

/** A store in a folder of its own, for flows that come one after the other. */
function begin(t: Test) {
  const clock = new FixedClock()
  const dataDir = t.testdir()
  return { clock, dataDir, store: openStore(t, clock, { dataDir }) }
}

/** The flow of the next process over the folder, which has caught up. */
async function openAgain(t: Test, clock: FixedClock, dataDir: string) {
  const flow = openFlow(t, clock, { dataDir })
  await flow.scanner.begin()
  await flow.scanner.round()
  return flow
}

t.test('from an accepted error line to its notification it is less than two seconds', async (t) => {
  const clock = new FixedClock()
  const notifier = new RecordingNotifier(clock)
  const dataDir = t.testdir()
  const store = openStore(t, clock, { dataDir })
  const flow = openFlow(t, clock, { dataDir, notifiers: [notifier] })
  const time = new VirtualTime(clock)
  const loop = makeLoop(flow, time)
  await flow.scanner.begin()
  loop.start()
  const feed = teeFeed(new LocalFeed(), (batch) => flow.scanner.offer(batch))
  for (let i = 0; i < 10; i++) {
    const acceptedMs = clock.ms
    feed.publish(await accept(store, clock, [stream('shop', clock.nowNs, [`ERROR: kind ${'abcdefghij'[i]} failed`])]))
    await time.pass(1999)
    t.equal(notifier.messages.length, i + 1)
    t.ok((notifier.sentAtMs[i] as number) - acceptedMs < 2000)
    await time.pass(137)
  }
  await time.pass(RULES.closesAfterMs as number)
  await time.pass(20_000)
  t.match(notifier.messages.at(-1)?.notifications[0], { transition: 'resolved' })
  await loop.stop()
  t.same(flow.failures, [])
})

t.test('lines that were accepted before a kill are found at the next start, and counted once', async (t) => {
  const { clock, dataDir, store } = begin(t)
  const first = openFlow(t, clock, { dataDir })
  await first.scanner.begin()
  await first.scanner.round()
  const seen = await accept(store, clock, [stream('shop', clock.nowNs, ['ERROR: seen 1', 'INFO: fine'], { pod: 'a' })])
  first.scanner.offer(seen)
  await first.scanner.round()
  clock.ms += 5000
  // The process dies before anybody looks at these; one of them has a time of long ago.
  const day = 86_400_000_000_000n
  await accept(store, clock, [stream('shop', clock.nowNs, ['ERROR: seen 2', 'level=warn msg="no"'])])
  await accept(store, clock, [stream('mail', clock.nowNs - day, ['ERROR: mailbox full'])], 'other')
  await first.close()
  const notifier = new RecordingNotifier(clock)
  const second = openFlow(t, clock, { dataDir, notifiers: [notifier] })
  await second.scanner.begin()
  await second.scanner.round()
  t.match(await list(second), [{ title: 'shop: ERROR: seen <n>', count: 2 }])
  t.match(await list(second, 'other'), [{ title: 'mail: ERROR: mailbox full', count: 1 }])
  await second.notify.settled()
  t.equal(notifier.messages.length, 1, 'the other was opened by the first process')
  await second.scanner.round()
  t.equal((await list(second))[0]?.count, 2)
  t.same(second.failures, [])
})

t.test('after a clock was set back by an hour, lines before a kill are found as well', async (t) => {
  const { clock, dataDir, store } = begin(t)
  const first = openFlow(t, clock, { dataDir })
  await first.scanner.begin()
  await first.scanner.round()
  clock.ms -= 3600_000
  await first.scanner.round()
  clock.ms += 5000
  await accept(store, clock, [stream('shop', clock.nowNs, ['ERROR: seen by nobody'])])
  await first.close()
  const second = await openAgain(t, clock, dataDir)
  t.match(await list(second), [{ count: 1 }])
})

t.test('a store that is down for an hour is asked now and then, and loses no line', async (t) => {
  const { clock, dataDir, store } = begin(t)
  let isDown = true
  const wrapStore = (base: IncidentStore): IncidentStore => failing(base, () => isDown)
  const flow = openFlow(t, clock, { dataDir, wrapStore })
  for (let second = 0; second < 3600; second++) {
    clock.ms += 1000
    if (second % 60 === 0) {
      flow.scanner.offer(await accept(store, clock, [stream('shop', clock.nowNs, [`ERROR: number ${second}`])]))
    }
    await flow.scanner.round()
    await flow.notify.sendDue()
  }
  t.ok(flow.failures.length < 150, `${flow.failures.length} failures are told`)
  isDown = false
  clock.ms += 60_000
  await flow.scanner.round()
  await flow.scanner.round()
  t.match(await list(flow), [{ count: 60 }])
})

t.test('joined blocks are caught up with as well', async (t) => {
  const { clock, dataDir, store } = begin(t)
  const first = openFlow(t, clock, { dataDir })
  await first.scanner.begin()
  for (let i = 0; i < 20; i++) {
    await accept(store, clock, [stream('shop', clock.nowNs, [`ERROR: number ${i}`])])
    clock.ms += 1000
  }
  await store.maintain()
  await first.close()
  const second = await openAgain(t, clock, dataDir)
  t.match(await list(second), [{ count: 20 }])
})

t.test('lines that do not fit into memory are read from the store', async (t) => {
  const { clock, dataDir, store } = begin(t)
  const flow = openFlow(t, clock, { dataDir })
  await flow.scanner.begin()
  const text = 'x'.repeat(100_000)
  for (let i = 0; i < 120; i++) {
    flow.scanner.offer(await accept(store, clock, [stream('shop', clock.nowNs + BigInt(i), [`ERROR: ${text} ${i}`])]))
  }
  await flow.scanner.round()
  t.match(await list(flow), [{ count: 120 }])
  t.same(flow.failures, [])
})

t.test('a flood of lines that all differ stays a number of incidents that people can look at', async (t) => {
  const clock = new FixedClock()
  const flow = openFlow(t, clock)
  const word = (i: number): string => [...String(i)].map((digit) => 'abcdefghij'[Number(digit)]).join('')
  for (let round = 0; round < 5; round++) {
    const lines = Array.from({ length: 300 }, (_, i) => `ERROR: ${word(round * 300 + i)} is down`)
    flow.scanner.offer(makeBatch([stream('shop', clock.nowNs, lines)], admission(clock)))
    flow.scanner.offer(makeBatch([stream('mail', clock.nowNs, [`ERROR: ${word(round)} is full`])], admission(clock)))
    await flow.scanner.round()
    clock.ms += 1000
  }
  const listing = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 1900, after: undefined }
  const { incidents } = await flow.store.list(listing)
  t.equal(incidents.filter(({ title }) => title.startsWith('shop: ')).length, 201, 'in all rounds together')
  t.equal(incidents.find(({ title }) => title === 'shop: various lines')?.count, 1300)
  t.equal(incidents.filter(({ title }) => title.startsWith('mail: ')).length, 5, 'a service is not lost in another')
})

for (const call of ['readCursor', 'writeCursor', 'change'] as const) {
  t.test(`a store that fails at ${call} loses no line`, async (t) => {
    const clock = new FixedClock()
    const dataDir = t.testdir()
    const store = openStore(t, clock, { dataDir })
    const before = openFlow(t, clock, { dataDir })
    await before.scanner.begin()
    await accept(store, clock, [stream('shop', clock.nowNs, ['ERROR: one'])])
    await before.close()
    let isFailing = false
    const wrapStore = (base: IncidentStore): IncidentStore => failing(base, (name) => name === call && isFailing)
    const flow = openFlow(t, clock, { dataDir, wrapStore })
    await flow.scanner.begin()
    isFailing = true
    flow.scanner.offer(await accept(store, clock, [stream('shop', clock.nowNs + 1n, ['ERROR: one'])]))
    await flow.scanner.round()
    t.match(flow.failures, [/down/])
    isFailing = false
    await flow.scanner.round()
    await flow.scanner.round()
    t.match(await list(flow), [{ count: 2 }])
  })
}

t.test('a round that fails is done again', async (t) => {
  const clock = new FixedClock()
  let isFailing = true
  const flow = openFlow(t, clock, {
    wrapStore: (base) => failing(base, (name) => name === 'change' && isFailing),
  })
  const offer = (lines: readonly string[]): void =>
    flow.scanner.offer(makeBatch([stream('shop', clock.nowNs, lines)], admission(clock)))
  offer(['ERROR: one is down'])
  await flow.scanner.round()
  offer(['ERROR: two are down', 'ERROR: nobody is there'])
  await flow.scanner.round()
  t.match(flow.failures, [/down/, /down/])
  isFailing = false
  await flow.scanner.round()
  t.equal((await list(flow)).length, 3)
})

t.test('a filter in LogQL decides with the level', async (t) => {
  const clock = new FixedClock()
  const filter = '{service_name=~"shop|mail"} | json | status >= 500 | pod="a"'
  const flow = openFlow(t, clock, { rules: { ...RULES, levelMin: 1, filter } })
  const offer = (app: string, line: string, pod: string): void =>
    flow.scanner.offer(makeBatch([stream(app, clock.nowNs, [line], { pod })], admission(clock)))
  offer('shop', '{"status":500,"msg":"taken"}', 'a')
  offer('shop', '{"status":500,"msg":"another pod"}', 'b')
  offer('shop', '{"status":200,"msg":"fine"}', 'a')
  offer('bank', '{"status":500,"msg":"another service"}', 'a')
  offer('mail', 'status=500', 'a')
  await flow.scanner.round()
  t.match(await list(flow), [{ title: 'shop: taken', severity: 'info' }])
  t.equal((await list(flow)).length, 1)
  for (const bad of ['{', 'rate({a="b"}[1m])', '{a="b"} | line_format "{{"']) {
    t.throws(() => openFlow(t, clock, { rules: { ...RULES, filter: bad } }), { code: 'query_malformed' })
  }
})
