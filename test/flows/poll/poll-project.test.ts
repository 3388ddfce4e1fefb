import t, { type Test } from 'tap'
import { SqliteCursors } from '../../../src/adapters/embedded/sqlite-cursors.ts'
import { CognigyLogSource } from '../../../src/adapters/outside/cognigy-log-source.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import type { SourceEntry } from '../../../src/domain/sources/source-entry.ts'
import type { PollSettings } from '../../../src/flows/poll/poll-outcome.ts'
import { SourcePoller } from '../../../src/flows/poll/poll-sources.ts'
import type { CursorStore, LogSink } from '../../../src/ports/sources.ts'
import type { FakeOptions } from '../../cognigy/fake-server.ts'
import { PROJECT, startSource } from '../../cognigy/source-parts.ts'
import { testFolder } from '../../support/test-folder.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const SETTINGS: PollSettings = {
  overlapMs: 5 * MINUTE,
  firstRunMs: 24 * HOUR,
  retentionMs: 24 * HOUR,
  runMs: 45_000,
  runRequestsMax: 200,
}

/** A sink that records every write; `fault` may throw before (`isDone` false) or after it takes effect. */
class MemorySink implements LogSink {
  readonly name = 'memory'
  readonly entries: SourceEntry[] = []
  readonly doubted: string[] = []
  writes = 0
  fault: (isDone: boolean) => void = () => {}

  async write(_project: unknown, entries: readonly SourceEntry[], doubtful: ReadonlySet<string>) {
    this.fault(false)
    this.writes++
    this.doubted.push(...doubtful)
    const known = new Set(this.entries.map(({ id }) => id))
    const fresh = entries.filter(({ id }) => !(doubtful.has(id) && known.has(id)))
    this.entries.push(...fresh)
    this.fault(true)
    return { stored: fresh.length, duplicates: entries.length - fresh.length, oversized: 0, rejected: new Map() }
  }

  get ids(): string[] {
    return this.entries.map(({ id }) => id)
  }
}

const open = async (t: Test, options: Partial<FakeOptions> = {}, settings: Partial<PollSettings> = {}) => {
  const parts = await startSource(t, options)
  const cursors = new SqliteCursors(testFolder(t), 'cognigy')
  t.teardown(() => cursors.close())
  const sink = new MemorySink()
  let holders = 0
  const makePoller = (
    given: Partial<{ cursors: CursorStore; sinks: LogSink[]; settings: Partial<PollSettings> }> = {},
  ) =>
    new SourcePoller({
      source: new CognigyLogSource(parts.client, ({ name }) => void parts.backward.push(name)),
      cursors: given.cursors ?? cursors,
      sinks: given.sinks ?? [sink],
      projects: [PROJECT],
      clock: parts.clock,
      makeHolder: () => `run-${holders++}`,
      settings: { ...SETTINGS, ...settings, ...given.settings },
    })
  const add = (behindMs: number) => parts.fake.add(PROJECT.id, { ms: parts.clock.ms - behindMs })._id
  const run = async (poller = makePoller()) => {
    const [outcome] = (await poller.poll()).outcomes
    if (outcome === undefined) throw new Error('BUG: there is a project')
    return outcome
  }
  return { ...parts, cursors, sink, makePoller, add, run }
}

t.test('the first run stores all entries, oldest first; the second only new ones', async (t) => {
  const { run, sink, add, clock } = await open(t)
  const ids = Array.from({ length: 250 }, (_, i) => add((250 - i) * 1000))
  t.match(await run(), { state: 'complete', stored: 250, requests: 3, lost: undefined })
  t.same(sink.ids, ids)
  clock.ms += MINUTE
  t.match(await run(), { state: 'complete', stored: 0 })
  const news = [add(20), add(10)]
  t.match(await run(), { state: 'complete', stored: 2, late: 0 })
  t.same(sink.ids, [...ids, ...news])
})

t.test('later entries of the last stored millisecond are stored', async (t) => {
  const { run, sink, add } = await open(t)
  const ids = [add(1000)]
  await run()
  ids.push(add(1000))
  t.match(await run(), { stored: 1 })
  t.same(sink.ids, ids)
})

t.test('late entries within the overlap are stored', async (t) => {
  const { run, sink, add, clock } = await open(t)
  add(0)
  await run()
  clock.ms += MINUTE
  const late = add(5 * MINUTE)
  const tooLate = add(7 * MINUTE)
  t.match(await run(), { stored: 1, late: 1 })
  t.ok(sink.ids.includes(late))
  t.notOk(sink.ids.includes(tooLate))
})

t.test('entries from the future do not move the cursor past the present', async (t) => {
  const { run, sink, add, clock } = await open(t)
  const ids = [add(-HOUR)]
  t.match(await run(), { stored: 1 })
  clock.ms += MINUTE
  ids.push(add(0))
  t.match(await run(), { stored: 1 })
  clock.ms += 2 * HOUR
  t.match(await run(), { stored: 0 }, 'and is stored once')
  t.same(sink.ids, ids)
})

t.test('an invalid response is an error, never "nothing new", and the next run continues', async (t) => {
  const { run, add, fake, sink } = await open(t)
  fake.options = { ...fake.options, key: 'another key' }
  add(1000)
  t.match(await run(), { state: 'failed', error: { code: 'source_unavailable' }, stored: 0 })
  fake.options = { ...fake.options, key: 'fake-key' }
  t.match(await run(), { state: 'complete', stored: 1 })
  t.equal(sink.writes, 1)
})

t.test('pages before a failure are stored', async (t) => {
  let requests = 0
  const { run, add, sink } = await open(t, {
    nextFault: () => (++requests > 2 && requests < 7 ? 'status_500' : undefined),
  })
  for (let i = 0; i < 450; i++) add((450 - i) * 1000)
  const failed = await run()
  t.match(failed, { state: 'failed', error: { code: 'source_unavailable' } })
  t.ok(failed.stored >= 199, `${failed.stored} stored`)
  t.match(await run(), { state: 'complete', stored: 450 - failed.stored })
  t.equal(new Set(sink.ids).size, 450)
  t.equal(sink.ids.length, 450)
})

for (const [name, options] of [
  ['forward', {}],
  ['backward', { honoursSort: false, honoursStartDate: false }],
] as const) {
  t.test(`a run that uses up its requests is continued by the next, without a gap: ${name}`, async (t) => {
    const { run, add, sink, clock, backward } = await open(t, options, { runRequestsMax: 8 })
    const ids = Array.from({ length: 2500 }, (_, i) => add((2500 - i) * 1000))
    let runs = 0
    for (let state = ''; state !== 'complete' && runs < 40; runs++) {
      state = (await run()).state
      ids.push(add(0))
      clock.ms += MINUTE
    }
    t.ok(runs > 3, `${runs} runs`)
    await run()
    t.same(new Set(sink.ids), new Set(ids))
    t.equal(sink.ids.length, ids.length)
    t.equal(backward.length > 0, name === 'backward')
  })
}

t.test('under a load that fills the overlap, new entries are read before the overlap is reread', async (t) => {
  const { run, add, clock, sink } = await open(t, {}, { runRequestsMax: 20 })
  const ids: string[] = []
  for (let minute = 0; minute < 8; minute++) {
    for (let i = 0; i < 700; i++) ids.push(add(MINUTE - i * 80))
    await run()
    clock.ms += MINUTE
  }
  const last = await run()
  t.ok((clock.ms - (last.lastTsMs ?? 0)) / 1000 < 120, 'it keeps up')
  for (let i = 0; i < 12; i++) await run()
  t.equal(new Set(sink.ids).size, ids.length)
  t.equal(sink.ids.length, ids.length)
})

t.test('a failing sink does not move the cursor; the next run checks, and writes missing entries once', async (t) => {
  for (const isDone of [false, true]) {
    const { run, add, sink, clock } = await open(t)
    await run()
    const id = add(1000)
    sink.fault = (done) => {
      if (done === isDone) throw new GatewayError('store_unavailable', 'the sink is down')
    }
    t.match(await run(), { state: 'failed', stored: 0, error: { code: 'store_unavailable' } })
    sink.fault = () => {}
    t.match(await run(), { state: 'busy' }, 'not at once: a sink may show late what it has')
    clock.ms += 10_000
    t.match(await run(), { state: 'complete', stored: isDone ? 0 : 1, found: isDone ? 1 : 0 })
    t.same(sink.ids, [id])
    t.ok(sink.doubted.includes(id))
  }
})

t.test('with two sinks, each gets its missing entries', async (t) => {
  const { run, add, sink, makePoller, clock } = await open(t)
  const second = new MemorySink()
  second.fault = (isDone) => {
    if (!isDone) throw new GatewayError('store_unavailable', 'the second sink is down')
  }
  const id = add(1000)
  const poller = makePoller({ sinks: [sink, second] })
  t.match(await run(poller), { state: 'failed' })
  second.fault = () => {}
  clock.ms += MINUTE
  t.match(await run(poller), { state: 'complete' })
  t.same([sink.ids, second.ids], [[id], [id]])
})

t.test('a dead run is detected by its lease, until the lease expires', async (t) => {
  const { run, add, sink, cursors, clock, makePoller } = await open(t)
  const id = add(1000)
  const dying: CursorStore = {
    load: (project) => cursors.load(project),
    claim: (project, loaded, lease) => cursors.claim(project, loaded, lease),
    save: async () => {
      throw new GatewayError('store_unavailable', 'the process is dead')
    },
  }
  t.match(await run(makePoller({ cursors: dying })), { state: 'failed' })
  t.same(sink.ids, [id])
  clock.ms += MINUTE
  t.match(await run(), { state: 'busy' })
  clock.ms += MINUTE
  t.match(await run(), { state: 'complete', stored: 0, found: 1 })
  t.same(sink.ids, [id])
  t.match((await cursors.load(PROJECT.id)).lease, undefined)
})

t.test('a clock that is set back by an hour does not leave the lease of a dead run for an hour', async (t) => {
  const { run, add, sink, cursors, clock, makePoller } = await open(t)
  const id = add(1000)
  const dying: CursorStore = {
    load: (project) => cursors.load(project),
    claim: (project, loaded, lease) => cursors.claim(project, loaded, lease),
    save: () => Promise.reject(new GatewayError('store_unavailable', 'the process is dead')),
  }
  t.match(await run(makePoller({ cursors: dying })), { state: 'failed' })
  clock.ms -= 60 * MINUTE
  t.match(await run(), { state: 'complete', stored: 0 })
  t.same(sink.ids, [id])
})

t.test('of two concurrent runs, one stores', async (t) => {
  const { run, add, sink, makePoller } = await open(t)
  await run()
  for (let i = 0; i < 300; i++) add(1000 + i)
  const outcomes = await Promise.all([run(makePoller()), run(makePoller())])
  t.equal(
    outcomes.reduce((sum, { stored }) => sum + stored, 0),
    300,
  )
  t.equal(sink.ids.length, 300)
  const states = outcomes.map(({ state, error }) => error?.code ?? state).sort()
  t.same(states, ['complete', 'state_conflict'])
})

t.test('a run that was suspended beyond its lease writes nothing', async (t) => {
  const { run, add, sink, clock, cursors, makePoller } = await open(t)
  add(1000)
  const slow: CursorStore = {
    load: (project) => cursors.load(project),
    claim: async (project, loaded, lease) => {
      const revision = await cursors.claim(project, loaded, lease)
      clock.ms += 2 * MINUTE
      return revision
    },
    save: (project, revision, cursor, lease) => cursors.save(project, revision, cursor, lease),
  }
  t.match(await run(makePoller({ cursors: slow })), { state: 'failed', error: { code: 'state_conflict' } })
  t.same(sink.ids, [])
  clock.ms += MINUTE
  t.match(await run(), { state: 'complete', stored: 1 })
})

t.test('reports a loss if the poller was down for longer than the retention of the source', async (t) => {
  const { run, add, clock } = await open(t)
  add(1000)
  const { checkedMs = 0 } = await run()
  clock.ms += 30 * HOUR
  add(1000)
  t.match(await run(), { state: 'complete', lost: { fromMs: checkedMs, toMs: clock.ms - 24 * HOUR } })
  t.match(await run(), { lost: undefined }, 'once')
})

t.test('an idle source reports no loss', async (t) => {
  const { run, clock } = await open(t)
  for (let hour = 0; hour < 30; hour++) {
    t.match(await run(), { state: 'complete', lost: undefined })
    clock.ms += HOUR
  }
})

t.test('reports the time range that the first run skips', async (t) => {
  const { run, add, clock, sink } = await open(t, {}, { firstRunMs: HOUR })
  add(2 * HOUR)
  const id = add(MINUTE)
  t.match(await run(), { stored: 1, lost: { fromMs: clock.ms - 24 * HOUR, toMs: clock.ms - HOUR } })
  t.same(sink.ids, [id])
})

t.test('a first run checks for entries of another poller', async (t) => {
  const { run, add, sink } = await open(t)
  const id = add(1000)
  sink.entries.push({ id, timestampMs: 0, level: 'info', line: '', metadata: [], json: '{}' })
  t.match(await run(), { stored: 0, found: 1 })
  t.same(sink.ids, [id])
})

t.test('a run without new entries writes nothing', async (t) => {
  const { run, add, cursors, clock } = await open(t)
  add(1000)
  await run()
  const { revision } = await cursors.load(PROJECT.id)
  clock.ms += MINUTE
  await run()
  t.equal((await cursors.load(PROJECT.id)).revision, revision)
  clock.ms += 15 * MINUTE
  await run()
  t.not((await cursors.load(PROJECT.id)).revision, revision, 'but now and then that it looked')
})
