import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { SqliteLogStore, type StoreSettings } from '../../../src/adapters/embedded/sqlite-log-store.ts'
import { compileLineFilter } from '../../../src/flows/incidents/line-filter.ts'
import type { IncidentStore } from '../../../src/ports/incidents.ts'
import type { LogStore } from '../../../src/ports/log-store.ts'
import {
  FixedClock,
  type FlatEntry,
  makeBatch,
  openAdmission,
  openStore,
  type PlainStream,
  RecordedEvents,
  readAll,
  STORE_SETTINGS,
} from '../../support/helper.ts'
import { Random } from '../../support/random.ts'
import { testFolder } from '../../support/test-folder.ts'
import {
  type FlowOptions,
  failing,
  makeLoop,
  openFlow,
  RecordingNotifier,
  RULES,
  VirtualTime,
} from './incident-flow.ts'

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

/** A store, and the flow that counts its lines. */
async function begin(t: Test, options: FlowOptions = {}, settings: Partial<StoreSettings> = {}) {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const store = openStore(t, clock, { dataDir, keepsCommitted: true, ...settings })
  const flow = openFlow(t, clock, { dataDir, blocks: store.committed, ...options })
  await flow.counter.begin()
  return { clock, dataDir, store, flow }
}

/** The flow of a new process on the same folder, which has caught up. */
async function openAgain(
  t: Test,
  clock: FixedClock,
  dataDir: string,
  store: SqliteLogStore,
  options: FlowOptions = {},
) {
  await store.close()
  const again = openStore(t, clock, { dataDir, keepsCommitted: true })
  const flow = openFlow(t, clock, { dataDir, blocks: again.committed, ...options })
  await flow.counter.begin()
  await flow.counter.round()
  return { flow, store: again }
}

async function lineTest(t: Test, line: string, opened: number): Promise<void> {
  const { clock, store, flow } = await begin(t)
  await accept(store, clock, [stream('shop', clock.nowNs, [line])])
  await flow.counter.round()
  t.equal((await list(flow)).length, opened)
  t.same(flow.failures, [])
}

for (const [name, line] of QUIET) t.test(`raises nothing for ${name}`, (t) => lineTest(t, line, 0))
for (const [name, line] of LOUD) t.test(`raises an incident for ${name}`, (t) => lineTest(t, line, 1))

t.test('from an accepted error line to its notification it is less than two seconds', async (t) => {
  const notifier = new RecordingNotifier(new FixedClock())
  const { clock, store, flow } = await begin(t, { notifiers: [notifier] })
  const time = new VirtualTime(clock)
  const loop = makeLoop(flow, time)
  loop.start()
  for (let i = 0; i < 10; i++) {
    await accept(store, clock, [stream('shop', clock.nowNs, [`ERROR: kind ${'abcdefghij'[i]} failed`])])
    await time.pass(1999)
    t.equal(notifier.messages.length, i + 1)
    await time.pass(137)
  }
  await time.pass(RULES.closesAfterMs as number)
  await time.pass(20_000)
  t.match(notifier.messages.at(-1)?.notifications[0], { transition: 'resolved' })
  await loop.stop()
  t.same(flow.failures, [])
})

t.test('lines accepted before a kill are counted once by the next start', async (t) => {
  const { clock, dataDir, store, flow: first } = await begin(t)
  await accept(store, clock, [stream('shop', clock.nowNs, ['ERROR: seen 1', 'INFO: fine'], { pod: 'a' })])
  await first.counter.round()
  clock.ms += 5000
  // The process dies before the counts of these are written; one has an old timestamp.
  const day = 86_400_000_000_000n
  await accept(store, clock, [stream('shop', clock.nowNs, ['ERROR: seen 2', 'level=warn msg="no"'])])
  await accept(store, clock, [stream('mail', clock.nowNs - day, ['ERROR: mailbox full'])], 'other')
  await first.close()
  const notifier = new RecordingNotifier(clock)
  const { flow: second } = await openAgain(t, clock, dataDir, store, { notifiers: [notifier] })
  t.match(await list(second), [{ title: 'shop: ERROR: seen <n>', count: 2 }])
  t.match(await list(second, 'other'), [{ title: 'mail: ERROR: mailbox full', count: 1 }])
  await second.notify.settled()
  t.equal(notifier.messages.length, 1, 'the other was opened by the first process')
  await second.counter.round()
  t.equal((await list(second))[0]?.count, 2)
  t.same(second.failures, [])
})

t.test('the first start counts nothing that was there before', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const store = openStore(t, clock, { dataDir })
  await accept(store, clock, [stream('shop', clock.nowNs, ['ERROR: of yesterday'])])
  const { flow, store: again } = await openAgain(t, clock, dataDir, store)
  await accept(again, clock, [stream('shop', clock.nowNs, ['ERROR: of today'])])
  await flow.counter.round()
  t.match(await list(flow), [{ title: 'shop: ERROR: of today', count: 1 }])
})

t.test('a duplicate of a stored line is not counted', async (t) => {
  const { clock, store, flow } = await begin(t)
  const lines = stream('shop', clock.nowNs, ['ERROR: one', 'ERROR: two is down'])
  await accept(store, clock, [lines])
  await accept(store, clock, [lines, stream('shop', clock.nowNs + 5n, ['ERROR: one'])])
  await flow.counter.round()
  const counts = (await list(flow)).map(({ title, count }) => `${title} ${count}`).sort()
  t.same(counts, ['shop: ERROR: one 2', 'shop: ERROR: two is down 1'])
})

t.test('a store that is down for an hour is retried occasionally, and loses no line', async (t) => {
  let isDown = false
  const wrapStore = (base: IncidentStore): IncidentStore => failing(base, () => isDown)
  const { clock, store, flow } = await begin(t, { wrapStore })
  isDown = true
  for (let second = 0; second < 3600; second++) {
    clock.ms += 1000
    if (second % 60 === 0) {
      await accept(store, clock, [stream('shop', clock.nowNs, [`ERROR: number ${second}`])])
    }
    await flow.counter.round()
    await flow.notify.sendDue()
  }
  t.ok(flow.failures.length < 150, `${flow.failures.length} failures are reported`)
  isDown = false
  clock.ms += 60_000
  await flow.counter.round()
  t.match(await list(flow), [{ count: 60 }])
})

t.test('blocks that are not counted yet are not joined; those that are counted are', async (t) => {
  const { clock, dataDir, store, flow: first } = await begin(t)
  const push = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) {
      await accept(store, clock, [stream('shop', clock.nowNs, [`ERROR: number ${i}`])])
      clock.ms += 1000
    }
  }
  await push(0, 20)
  await first.counter.round()
  await push(20, 40)
  await store.maintain()
  t.equal(store.figures().blocks, 1 + 20)
  await first.close()
  const { flow: second, store: again } = await openAgain(t, clock, dataDir, store)
  t.match(await list(second), [{ count: 40 }])
  await again.maintain()
  t.ok(again.figures().blocks < 20)
  t.equal((await list(second))[0]?.count, 40)
})

t.test('after restoring a backup from before the position, counting continues at its end', async (t) => {
  const { clock, dataDir, store, flow: first } = await begin(t)
  for (let i = 0; i < 5; i++) await accept(store, clock, [stream('shop', clock.nowNs + BigInt(i), [`ERROR: ${i}`])])
  await first.counter.round()
  await first.close()
  await store.close()
  for (const name of ['millrace.db', 'millrace.db-wal', 'millrace.db-shm']) rmSync(join(dataDir, name), { force: true })
  const fresh = openStore(t, clock, { dataDir, keepsCommitted: true })
  const { flow, store: again } = await openAgain(t, clock, dataDir, fresh)
  await accept(again, clock, [stream('shop', clock.nowNs, ['ERROR: 7'])])
  await flow.counter.round()
  t.match(await list(flow), [{ count: 6 }])
})

t.test('a flood of distinct lines opens a limited number of incidents', async (t) => {
  const { clock, store, flow } = await begin(t)
  const word = (i: number): string => [...String(i)].map((digit) => 'abcdefghij'[Number(digit)]).join('')
  for (let round = 0; round < 5; round++) {
    const lines = Array.from({ length: 300 }, (_, i) => `ERROR: ${word(round * 300 + i)} is down`)
    const full = stream('mail', clock.nowNs, [`ERROR: ${word(round)} is full`])
    await accept(store, clock, [stream('shop', clock.nowNs, lines), full])
    await flow.counter.round()
    clock.ms += 1000
  }
  const listing = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 1900, after: undefined }
  const { incidents } = await flow.store.list(listing)
  t.equal(incidents.filter(({ title }) => title.startsWith('shop: ')).length, 201, 'in all rounds together')
  t.equal(incidents.find(({ title }) => title === 'shop: various lines')?.count, 1300)
  t.equal(incidents.filter(({ title }) => title.startsWith('mail: ')).length, 5, 'a service is not lost in another')
})

for (const call of ['readCursor', 'record', 'fold'] as const) {
  t.test(`a store that fails at ${call} loses no line`, async (t) => {
    let isFailing = false
    const wrapStore = (base: IncidentStore): IncidentStore => failing(base, (name) => name === call && isFailing)
    const { clock, store, flow } = await begin(t, { wrapStore })
    await accept(store, clock, [stream('shop', clock.nowNs, ['ERROR: one'])])
    await flow.counter.round()
    isFailing = true
    const kinds = Array.from({ length: 100 }, (_, i) => `ERROR: ${'x'.repeat(i + 1)} is down`)
    await accept(store, clock, [stream('shop', clock.nowNs + 1n, ['ERROR: one', ...kinds])])
    await flow.counter.round()
    if (call !== 'readCursor') t.match(flow.failures, [/down/])
    isFailing = false
    await flow.counter.round()
    await flow.desk.sweep()
    const incidents = (await list(flow)).filter(({ title }) => title === 'shop: ERROR: one')
    t.match(incidents, [{ count: 2 }])
    const listing = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 500, after: undefined }
    t.equal((await flow.store.list(listing)).incidents.length, 101)
  })
}

t.test('a filter in LogQL decides with the level', async (t) => {
  const filter = '{service_name=~"shop|mail"} | json | status >= 500 | pod="a"'
  const accepts = compileLineFilter(filter, 0)
  const { clock, store, flow } = await begin(t, { rules: { ...RULES, levelMin: 1, accepts } })
  const offer = (app: string, line: string, pod: string) =>
    accept(store, clock, [stream(app, clock.nowNs, [line], { pod })])
  await offer('shop', '{"status":500,"msg":"taken"}', 'a')
  await offer('shop', '{"status":500,"msg":"another pod"}', 'b')
  await offer('shop', '{"status":200,"msg":"fine"}', 'a')
  await offer('bank', '{"status":500,"msg":"another service"}', 'a')
  await offer('mail', 'status=500', 'a')
  await flow.counter.round()
  t.match(await list(flow), [{ title: 'shop: taken', severity: 'info' }])
  t.equal((await list(flow)).length, 1)
  for (const bad of ['{', 'rate({a="b"}[1m])', '{a="b"} | line_format "{{"']) {
    t.throws(() => compileLineFilter(bad, 0), { code: 'query_malformed' })
  }
})

t.test('rows that do not fit into memory are read back from the store, each once', async (t) => {
  const { clock, dataDir, store, flow } = await begin(t, { rules: { ...RULES, keepsRows: true } })
  const text = 'x'.repeat(100_000)
  for (let i = 0; i < 200; i++) {
    await accept(store, clock, [stream('shop', clock.nowNs + BigInt(i), [`ERROR: ${text} ${i}`])])
  }
  await flow.counter.round()
  await flow.counter.round()
  t.match(await list(flow), [{ count: 200 }])
  const db = new DatabaseSync(join(dataDir, 'incidents.db'), { readOnly: true })
  t.equal(db.prepare('SELECT count(*) AS rows FROM audit').get()?.['rows'], 200)
  db.close()
  t.same(flow.failures, [])
})

/** Counts all lines directly: error lines by service and first word after the level. */
function bruteForce(entries: readonly FlatEntry[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { key, line } of entries) {
    if (!line.startsWith('ERROR ')) continue
    const name = `${/service_name="(\w+)"/.exec(key)?.[1]}: ERROR ${line.split(' ')[1]} <n>`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

t.test('counts are exact, whenever the process is killed', async (t) => {
  const random = new Random(7)
  const root = testFolder(t)
  const clock = new FixedClock()
  const dataDir = join(root, 'live')
  const copies: string[] = []
  const kill = (): void => {
    const copy = join(root, `copy-${copies.length}`)
    cpSync(dataDir, copy, { recursive: true })
    copies.push(copy)
  }
  const store = openStore(t, clock, { dataDir, keepsCommitted: true })
  const wrapStore = (base: IncidentStore): IncidentStore =>
    new Proxy(base, {
      get(target, name) {
        const value = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return async (...request: unknown[]) => {
          if (name === 'record' || name === 'fold') kill()
          const outcome = await Reflect.apply(value, target, request)
          if (name === 'record') kill()
          return outcome
        }
      },
    })
  const flow = openFlow(t, clock, { dataDir, blocks: store.committed, wrapStore })
  await flow.counter.begin()
  for (let step = 0; step < 20; step++) {
    clock.ms += 300
    const streams = ['shop', 'mail', 'bank'].map((app, at) => {
      const lines = Array.from({ length: random.integer(4) }, (_, i) =>
        random.chance(0.6) ? `ERROR ${random.pick(['disk', 'net', 'cpu'])} ${step * 10 + i}` : `INFO fine ${i}`,
      )
      return stream(app, clock.nowNs + BigInt(at * 100), lines)
    })
    await accept(store, clock, streams)
    kill()
    if (random.chance(0.3)) await flow.counter.round()
    if (random.chance(0.2)) await store.maintain()
    kill()
  }
  t.ok(copies.length > 40)
  for (const [i, copy] of copies.entries()) {
    const next = new SqliteLogStore(
      { ...STORE_SETTINGS, dataDir: copy, keepsCommitted: true },
      clock,
      new RecordedEvents(),
    )
    const again = openFlow(t, clock, { dataDir: copy, blocks: next.committed })
    await again.counter.begin()
    await again.counter.round()
    const wanted = bruteForce(await readAll(next))
    const counted = Object.fromEntries((await list(again)).map(({ title, count }) => [title, count]))
    if (!t.same(counted, wanted, `kill ${i}`)) return
    await again.close()
    await next.close()
    rmSync(copy, { recursive: true })
  }
})
