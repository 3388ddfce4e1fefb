import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { QUERY_LIMITS } from '../../../../src/domain/limits.ts'
import { NS_MAX, NS_MIN } from '../../../../src/domain/time.ts'
import { runLogQuery } from '../../../../src/flows/query/run-log-query.ts'
import { runMetricQuery } from '../../../../src/flows/query/run-metric-query.ts'
import { neededText } from '../../../../src/logql/needed-text.ts'
import { parseExpr } from '../../../../src/logql/parse/parse.ts'
import type { LogExpr, MetricExpr } from '../../../../src/logql/parse/syntax.ts'
import type { LogStore } from '../../../../src/ports/log-store.ts'
import {
  FixedClock,
  makeBatch,
  openAdmission,
  openStore,
  type PlainStream,
  RecordedEvents,
  readAll,
} from '../../../support/helper.ts'
import { testFolder } from '../../../support/test-folder.ts'

const START = BigInt(Date.UTC(2026, 10, 21, 11)) * 1_000_000n

/** By default blocks of 3 bytes of lines have a filter, from maintenance; those of 12 from their commit. */
async function filled(t: Test, blockBytes = 24) {
  const clock = new FixedClock()
  const events = new RecordedEvents()
  const dataDir = testFolder(t)
  const store = openStore(t, clock, { dataDir, blockBytes }, events)
  const db = new DatabaseSync(join(dataDir, 'millrace.db'))
  t.teardown(() => db.close())
  const push = (...streams: PlainStream[]) => store.append(makeBatch(streams, openAdmission(clock)))
  const rows = (): number => db.prepare('SELECT count(*) AS count FROM block_filters').get()?.['count'] as number
  const lines = async (pipeline: string): Promise<string[]> => {
    const needs = neededText(parseLog(`{a=~".+"} ${pipeline}`).stages)
    return (await readAll(store, { needs })).map(({ line }) => line).sort()
  }
  return { clock, store, events, db, push, rows, lines }
}

const stream = (a: string, line: string, metadata: Record<string, string> = {}): PlainStream => {
  return { labels: { a }, entries: [{ ns: START, line, metadata }] }
}

t.test('a block without the text is not opened once maintenance has built its filter', async (t) => {
  const { store, db, push, lines, rows } = await filled(t, 64)
  await push(stream('x', 'first deadlock'))
  await push(stream('x', 'second line', { trace_id: '0af7651916cd43dd8448eb211c80319c' }))
  t.same(await lines('|= "deadlock"'), ['first deadlock', 'second line'], 'blocks without a filter come')
  await store.maintain()
  t.equal(rows(), 2)
  const table: [pipeline: string, lines: string[]][] = [
    ['|= "deadlock"', ['first deadlock']],
    ['|~ "(?i)DEADLOCK"', ['first deadlock']],
    ['|= "deadlock" or "second"', ['first deadlock', 'second line']],
    ['|= "deadlock" |= "second"', []],
    ['|= "de"', ['first deadlock', 'second line']],
    ['| trace_id="0af7651916cd43dd8448eb211c80319c"', ['second line']],
    ['| trace_id="0af7651916cd43dd8448eb211c80319d"', []],
    ['| trace_id="0af7651916cd43dd8448eb211c80319d" or trace_id="nobody"', []],
    ['| a="x"', ['first deadlock', 'second line']],
  ]
  for (const [pipeline, wanted] of table) t.same(await lines(pipeline), wanted, pipeline)
  db.exec("UPDATE blocks SET columns = x'00'")
  t.same(await lines('|= "nowhere"'), [])
})

t.test('a block that will not be joined has its filter from its commit on', async (t) => {
  const { push, rows, lines } = await filled(t, 20)
  await push(stream('x', 'ten bytes.'))
  await push(stream('x', 'nine byte'))
  t.equal(rows(), 1)
  t.same(await lines('|= "nowhere"'), ['nine byte'])
  t.same(await lines('|= "ten"'), ['nine byte', 'ten bytes.'])
})

t.test('a label of the stream is not looked for in the metadata', async (t) => {
  const { store, push, lines } = await filled(t)
  await push({ labels: { a: 'x', pod: 'web-1' }, entries: [{ ns: START, line: 'one' }] })
  await push(stream('y', 'two', { pod: 'web-1' }))
  await push(stream('z', 'three', { pod: 'db-1' }))
  await store.maintain()
  t.same(await lines('| pod="web-1"'), ['one', 'two'])
})

t.test('filters follow joins, deletions and the removal of blocks', async (t) => {
  const { clock, store, db, push, rows, lines } = await filled(t)
  await push(stream('x', 'keep this'), stream('y', 'delete this'))
  await store.maintain()
  const blocks = () => db.prepare('SELECT id FROM blocks').all().length
  t.equal(rows(), blocks())
  await store.deletions.erase({ tenant: 'fake', matchers: [], start: NS_MIN, end: NS_MAX }, (_, run) =>
    run.key === '{a="y"}' ? [] : [run],
  )
  await store.maintain()
  t.same(await lines('|= "delete"'), [])
  t.same(await lines('|= "keep"'), ['keep this'])
  clock.ms += 3600_000
  await store.maintain()
  t.equal(rows(), 1, 'those of replaced blocks are gone with them')
  t.equal(blocks(), 1)
})

t.test('small blocks that will be joined have no filter yet', async (t) => {
  const clock = new FixedClock()
  const dataDir = testFolder(t)
  const store = openStore(t, clock, { dataDir, blockBytes: 400 })
  const db = new DatabaseSync(join(dataDir, 'millrace.db'))
  t.teardown(() => db.close())
  const filters = () => db.prepare('SELECT block FROM block_filters').all().length
  const push = (i: number) =>
    store.append(makeBatch([stream('x', `line ${i} ${'.'.repeat(30)}`)], openAdmission(clock)))
  await push(0)
  await store.maintain()
  t.equal(filters(), 0)
  for (let i = 1; i < 8; i++) await push(i)
  await store.maintain()
  t.equal(filters(), 1, 'the joined block')
  const needs = neededText(parseLog('{a="x"} |= "absent"').stages)
  t.same(await readAll(store, { needs }), [])
})

t.test('a damaged filter is reported, and its block is read', async (t) => {
  const { store, db, push, lines, events } = await filled(t)
  await push(stream('x', 'one'))
  await store.maintain()
  db.exec("UPDATE block_filters SET trigrams = x'00'")
  t.same(await lines('|= "nowhere"'), ['one'])
  t.same(events.damaged, [1])
})

t.test('a damaged block stops neither maintenance nor the filters of others', async (t) => {
  const { store, db, push, lines, events, rows } = await filled(t)
  await push(stream('x', 'one'))
  await push(stream('x', 'two'))
  db.exec("UPDATE blocks SET text = x'00' WHERE id = 1")
  await store.maintain()
  t.ok(events.damaged.includes(1))
  t.same(events.maintenanceFailures, [])
  t.equal(rows(), 1)
  await t.rejects(lines('|= "two"'), { code: 'store_damaged' }, 'a block without a filter is read')
})

const word = fc.constantFrom(
  ...['error', 'Error', 'ERROR', 'k\u212a', 'sS', 'ok', '', 'ä', '"', '\n', '\ufffd'],
  'deadbeefdeadbeef01',
)
const text = fc.array(word, { maxLength: 4 }).map((words) => words.join(' '))
const entry = fc.record({
  ns: fc.nat({ max: 20 }).map((offset) => START + BigInt(offset)),
  line: text,
  metadata: fc.constantFrom<Record<string, string>>(
    {},
    { m: 'error' },
    { m: 'ok', pod: 'deadbeefdeadbeef01' },
    { pod: 'x' },
  ),
})
const push = fc.array(
  fc.record({
    labels: fc.constantFrom<Record<string, string>>({ a: 'x' }, { a: 'y', pod: 'error' }),
    entries: fc.array(entry, { minLength: 1, maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 3 },
)
const quoted = fc
  .oneof(
    word,
    fc.tuple(word, fc.nat({ max: 6 }), fc.nat({ max: 12 })).map(([w, from, to]) => w.slice(from, from + to)),
  )
  .map((value) => JSON.stringify(value))
const stage = fc.oneof(
  fc
    .tuple(fc.constantFrom('|=', '!='), quoted, quoted, fc.boolean())
    .map(([op, a, b, isOr]) => `${op} ${a}${isOr ? ` or ${b}` : ''}`),
  fc.constantFrom(
    '|~ "err.*k"',
    '|~ "(?i)ERROR"',
    '|~ "(?i)k+|ss"',
    '!~ "error"',
    '|~ "[Ee]rror (ok|ERROR)"',
    '|~ "(?i)KK|\u017fs"',
  ),
  fc.constantFrom('| json', '| line_format "{{.m}}"', '| decolorize', '| label_format m=pod', '| drop pod', '| keep m'),
  fc
    .tuple(
      fc.constantFrom('m', 'pod', 'a', 'pod_extracted', 'detected_level'),
      fc.constantFrom('=', '!=', '=~', '!~'),
      quoted,
    )
    .map(([name, op, value]) => `| ${name}${op}${value}`),
  fc.constantFrom('| pod="x" or m="ok"', '| pod=~"(?i)DEADBEEF.+"', '| m="error" and pod="x"', '| pod=~"x|"'),
)

t.test('random queries have the same answers with filters as without', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(push, { minLength: 1, maxLength: 5 }),
      fc.array(fc.array(stage, { minLength: 1, maxLength: 3 }), { minLength: 5, maxLength: 10 }),
      async (pushes, pipelines) => {
        const clock = new FixedClock()
        const store = openStore(t, clock, { dataDir: testFolder(t), blockBytes: 8 })
        for (const streams of pushes) await store.append(makeBatch(streams, openAdmission(clock)))
        await store.maintain()
        const plain: LogStore = Object.assign(Object.create(store) as LogStore, {
          read: (request: Parameters<LogStore['read']>[0]) => store.read({ ...request, needs: undefined }),
        })
        for (const stages of pipelines) {
          const query = `{a=~".+"} ${stages.join(' ')}`
          const [found, wanted] = [await ask(store, clock, query), await ask(plain, clock, query)]
          if (found !== wanted) throw new Error(`${query}: ${found} instead of ${wanted}`)
        }
        await store.close()
      },
    ),
    { numRuns: 60 },
  )
  t.pass()
})

/** The answers of a log query and a count as text, or the error. */
async function ask(store: LogStore, clock: FixedClock, query: string): Promise<string> {
  const range = { start: START, end: START + 100n }
  try {
    const request = {
      tenant: 'fake',
      expr: parseLog(query),
      ...range,
      limit: 100,
      direction: 'forward',
      intervalNs: 0n,
    } as const
    const { streams } = await runLogQuery(store, clock, QUERY_LIMITS, request)
    const time = { kind: 'instant', time: START + 100n } as const
    const expr = parseMetric(`sum by (a, m) (count_over_time(${query} [1m]))`)
    const { result } = await runMetricQuery(store, clock, QUERY_LIMITS, { tenant: 'fake', expr, time })
    return JSON.stringify([streams, result], (_, value) => (typeof value === 'bigint' ? `${value}` : value))
  } catch (error) {
    return String(error)
  }
}

function parseLog(query: string): LogExpr {
  return parseExpr(query) as LogExpr
}

function parseMetric(query: string): MetricExpr {
  return parseExpr(query) as MetricExpr
}
