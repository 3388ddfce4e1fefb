import t, { type Test } from 'tap'
import { SqliteLogStore } from '../../src/adapters/embedded/sqlite-log-store.ts'
import type { StreamRun } from '../../src/domain/entries/block.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import { formatLabels } from '../../src/domain/labels.ts'
import { QUERY_LIMITS } from '../../src/domain/limits.ts'
import type { MetricResult } from '../../src/domain/query-result.ts'
import { matchesAll } from '../../src/domain/selector.ts'
import { NS_MAX, NS_MIN } from '../../src/domain/time.ts'
import { runLogQuery } from '../../src/flows/query/run-log-query.ts'
import { runMetricQuery } from '../../src/flows/query/run-metric-query.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { Expr } from '../../src/logql/parse/syntax.ts'
import type { LogStore, ReadBlock, ReadRequest } from '../../src/ports/log-store.ts'
import { knownQueries } from '../fuzz/logql.ts'
import { QueryMaker } from '../fuzz/logql-queries.ts'
import {
  FixedClock,
  makeBatch,
  openAdmission,
  type PlainEntry,
  type PlainStream,
  RecordedEvents,
  STORE_SETTINGS,
} from '../support/helper.ts'
import { Random } from '../support/random.ts'
import { testFolder } from '../support/test-folder.ts'

/** Increase it for a longer manual run: FUZZ_RUNS=200 node test/contract/push-down.test.ts */
const STORES = Number(process.env['FUZZ_RUNS'] ?? 6)
const QUERIES = 120
const SECOND = 1_000_000_000n
const STREAMS = [{ app: 'a' }, { app: 'a', v: '1' }, { app: 'b' }, { app: 'b', trace: '7', w: 'x' }]
const METADATA = [
  {},
  {},
  { trace: '4' },
  { detected_level: 'info' },
  { v: '8', detected_level: 'error' },
  { level: 'x' },
]
const LINES = [
  ...['v=1 w=2', 'v=5ms x', '{"v":3,"n":{"w":"x"}}', 'a 10.0.0.1 b', '', 'é', 'info v=7', 'v="a b"', 'v=1kb'],
  'v=-0.5 level=warn',
]

/** Always reads everything of the tenant, and filters the entries itself. */
function carelessStore(store: LogStore): LogStore {
  return {
    append: (batch) => store.append(batch),
    streams: (range) => store.streams(range),
    version: (range) => store.version(range),
    trouble: () => store.trouble(),
    figures: () => store.figures(),
    close: () => store.close(),
    async *read({ tenant, direction, ...asked }: ReadRequest): AsyncGenerator<ReadBlock> {
      const everything = { tenant, direction, matchers: [], start: NS_MIN, end: NS_MAX }
      for await (const { block, runs, sequence } of store.read(everything)) {
        const wanted = runs
          .filter(({ labels }) => matchesAll(asked.matchers, labels))
          .map((run) => narrow(block.timestamps.values, run, asked.start, asked.end))
          .filter((run) => run.start < run.end)
        if (wanted.length > 0) yield { block, runs: wanted, sequence }
      }
    },
  }
}

/** Entries of a run are sorted by time. */
function narrow(times: BigInt64Array, run: StreamRun, from: bigint, to: bigint): StreamRun {
  let { start, end } = run
  while (start < end && (times[start] as bigint) < from) start++
  while (start < end && (times[end - 1] as bigint) >= to) end--
  return { ...run, start, end }
}

interface Question {
  readonly query: string
  readonly expr: Expr
  /** Seconds from the clock's time. */
  readonly start: number
  readonly end: number
  readonly limit: number
  readonly direction: 'forward' | 'backward'
  readonly intervalNs: bigint
  readonly isInstant: boolean
}

function makeQuestion(random: Random, maker: QueryMaker): Question {
  for (;;) {
    const query = maker.make()
    const start = -70 + random.integer(60)
    try {
      return {
        query,
        expr: parseExpr(query),
        start,
        end: start + random.integer(70),
        limit: random.pick([1, 3, 10, 1000]),
        direction: random.pick(['forward', 'backward']),
        intervalNs: random.chance(0.15) ? 3n * SECOND : 0n,
        isInstant: random.chance(0.5),
      }
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
    }
  }
}

/** The result as text, with sums to nine digits because their order may differ; or the code of the error. */
async function answer(store: LogStore, clock: FixedClock, question: Question): Promise<string> {
  const { expr, limit, direction, intervalNs } = question
  const start = clock.nowNs + BigInt(question.start) * SECOND
  const end = clock.nowNs + BigInt(question.end) * SECOND
  const tenant = 'fake'
  try {
    if (expr.kind === 'log') {
      const request = { tenant, expr, start, end, limit, direction, intervalNs }
      const { streams } = await runLogQuery(store, clock, QUERY_LIMITS, request)
      return JSON.stringify(streams, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
    }
    const time = question.isInstant
      ? ({ kind: 'instant', time: end } as const)
      : ({ kind: 'range', start, end, step: 10n * SECOND } as const)
    return shown((await runMetricQuery(store, clock, QUERY_LIMITS, { tenant, expr, time })).result)
  } catch (error) {
    if (error instanceof GatewayError && error.status === 400) return error.code
    throw new Error(question.query, { cause: error })
  }
}

function shown(result: MetricResult): string {
  const number = (value: number): string => (Number.isFinite(value) ? value.toPrecision(9) : `${value}`)
  if (result.kind === 'scalar') return number(result.value)
  const rows =
    result.kind === 'vector'
      ? result.samples.map(({ labels, value }) => `${formatLabels(labels)} ${number(value)}`)
      : result.series.map(({ labels, points }) => {
          return `${formatLabels(labels)} ${[...points].map(({ ns, value }) => `${number(value)}@${ns}`).join(' ')}`
        })
  return rows.join('\n')
}

/** Twenty to forty pushes of a few entries each, in any order of time, which makes as many blocks. */
async function fill(store: LogStore, clock: FixedClock, random: Random): Promise<void> {
  for (let push = 20 + random.integer(21); push > 0; push--) {
    const streams = Array.from({ length: 1 + random.integer(2) }, (): PlainStream => {
      const entries = Array.from({ length: 1 + random.integer(5) }, (): PlainEntry => {
        const ns = clock.nowNs - BigInt(random.integer(60)) * SECOND
        return { ns, line: random.pick(LINES), metadata: random.pick(METADATA) }
      })
      return { labels: random.pick(STREAMS), entries }
    })
    await store.append(makeBatch(streams, openAdmission(clock)))
  }
}

async function compare(t: Test, seed: number): Promise<number> {
  const random = new Random(seed)
  const clock = new FixedClock()
  const settings = { ...STORE_SETTINGS, dataDir: testFolder(t) }
  const store = new SqliteLogStore(settings, clock, new RecordedEvents())
  t.teardown(() => store.close())
  await fill(store, clock, random)
  const maker = new QueryMaker(random, knownQueries())
  const questions = Array.from({ length: QUERIES }, () => makeQuestion(random, maker))
  const careless = carelessStore(store)
  const wanted: string[] = []
  for (const question of questions) wanted.push(await answer(careless, clock, question))
  const check = async (name: string, asked: LogStore): Promise<void> => {
    for (const [i, question] of questions.entries()) {
      const found = await answer(asked, clock, question)
      if (found !== wanted[i]) t.equal(found, wanted[i], `${name}: ${JSON.stringify(question.query)}`)
    }
  }
  await check('with what is pushed down', store)
  const { blocks } = store.figures()
  await store.maintain()
  t.ok(store.figures().blocks < blocks, 'blocks were joined')
  await check('after a join, with nothing pushed down', careless)
  await check('after a join', store)
  return wanted.filter((text) => text !== '' && text !== '[]' && !text.startsWith('query_')).length
}

for (let seed = 1; seed <= STORES; seed++) {
  t.test(
    `a query has one answer, whatever the store leaves out and however entries lie in blocks: ${seed}`,
    async (t) => {
      const found = await compare(t, seed)
      t.ok(found > QUERIES / 6, `${found} of ${QUERIES} queries found something`)
    },
  )
}
