import fc from 'fast-check'
import t from 'tap'
import { QUERY_LIMITS } from '../../../src/domain/limits.ts'
import { CANCEL_MS, hideDeleted, processDeletions, requestDeletion } from '../../../src/flows/delete/delete-logs.ts'
import { measureIndex, measureVolume } from '../../../src/flows/query/measure-index.ts'
import { runMetricQuery } from '../../../src/flows/query/run-metric-query.ts'
import { uniteTenants } from '../../../src/flows/query/tenant-union.ts'
import { parseExpr, parseSelector } from '../../../src/logql/parse/parse.ts'
import type { MetricExpr } from '../../../src/logql/parse/syntax.ts'
import type { LogStore, ReadRequest } from '../../../src/ports/log-store.ts'
import { FixedClock, makeBatch, openAdmission, openStore, type PlainStream } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

const SECOND = 1_000_000_000n
const MINUTE = 60n * SECOND

/** Queries that summaries may answer in part or whole, and others like them. */
const QUERIES = [
  'sum by (app) (count_over_time({app=~".+"}[1m]))',
  'sum by (level, detected_level) (count_over_time({app=~".+"} | drop __error__ [1m]))',
  'count_over_time({app=~".+"}[1m])',
  'sum by (trace) (count_over_time({app=~".+"}[2m]))',
  'sum without (app) (bytes_over_time({app=~".+"}[1m]))',
  'sum(bytes_rate({app="a"}[90s]))',
  'sum by (app, detected_level) (rate({app=~".+"}[7s] offset 3s))',
  'absent_over_time({app="a", env="prod"}[1m])',
  'sum by (level) (count_over_time({app=~".+"}[5m])) / sum by (level) (bytes_over_time({app=~".+"}[5m]))',
  'sum(count_over_time({app=~".+"} |= "e" [1m]))',
  'sum by (app_extracted) (count_over_time({app=~".+"}[1h]))',
] as const

const METADATA = [
  {},
  { trace: 't1' },
  { trace: 't2', app: 'own' },
  { level: 'x' },
  { detected_level: 'notice' },
] as const

interface Push {
  readonly app: string
  readonly seconds: readonly number[]
  readonly kind: number
}

const PUSH: fc.Arbitrary<Push> = fc.record(
  {
    app: fc.constantFrom('a', 'b', 'c'),
    // Full minutes and equal times are frequent; some times are hours apart.
    seconds: fc.array(
      fc.oneof(
        fc.nat(400),
        fc.nat(9).map((m) => 60 * m),
        fc.nat(20_000),
      ),
      { minLength: 1, maxLength: 40 },
    ),
    kind: fc.nat(METADATA.length - 1),
  },
  { noNullPrototype: true },
)

const FIRST = BigInt(Date.UTC(2026, 10, 21, 6)) * 1_000_000n

function streamOf({ app, seconds, kind }: Push): PlainStream {
  const labels = app === 'c' ? { app, level: 'error', env: 'prod' } : { app }
  const entries = seconds.map((second, i) => {
    const metadata = i % 3 === 0 ? METADATA[kind] : METADATA[1]
    const level = ['info', 'error', 'none'][second % 3]
    return { ns: FIRST + BigInt(second) * SECOND, line: `level=${level} ${second}`, metadata: metadata ?? {} }
  })
  return { labels, entries }
}

/** The store as if it had no summaries. */
function withoutSummaries(store: LogStore): LogStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'read') {
        return (request: ReadRequest, signal?: AbortSignal) => target.read({ ...request, takes: undefined }, signal)
      }
      const member = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

t.test('answers are the same from summaries and from entries: joins, deletions, duplicates, borders', async (t) => {
  const clock = new FixedClock(Number(FIRST / 1_000_000n) + 12 * 3600_000)
  await fc.assert(
    fc.asyncProperty(
      fc.array(PUSH, { minLength: 1, maxLength: 14 }),
      fc.record(
        {
          joins: fc.boolean(),
          deletes: fc.constantFrom('none', 'hidden', 'done'),
          query: fc.constantFrom(...QUERIES),
          start: fc.oneof(fc.nat(500), fc.constant(0)),
          length: fc.oneof(fc.nat(600), fc.nat(20_000)),
          step: fc.constantFrom(60n, 300n, 17n, 3600n),
          tenant: fc.constantFrom('a', 'a|b'),
        },
        { noNullPrototype: true },
      ),
      async (pushes, { joins, deletes, query, start, length, step, tenant }) => {
        const store = openStore(t, clock, { dataDir: testFolder(t, {}), duplicateWindowMs: 0, blockBytes: 2000 })
        for (const [i, push] of [...pushes, ...pushes.slice(0, 2)].entries()) {
          const admission = { ...openAdmission(clock, i % 4 === 3 ? 'b' : 'a'), discoverLevels: true }
          await store.append(makeBatch([streamOf(push)], admission))
        }
        if (joins) await store.maintain()
        const { deletions } = store
        if (deletes !== 'none') {
          const order = {
            id: 'x',
            tenant: 'a',
            query: '{app=~"a|c"} |= "error"',
            start: FIRST,
            end: FIRST + 5n * MINUTE,
          }
          await requestDeletion(deletions, clock, order)
        }
        if (deletes === 'done') {
          clock.ms += CANCEL_MS
          await processDeletions(deletions, clock)
        }
        const range = { start: FIRST + BigInt(start) * SECOND, end: FIRST + BigInt(start + length) * SECOND + 1n }
        const answers = await Promise.all(
          [store, withoutSummaries(store)].map(async (source) => {
            const read = uniteTenants(hideDeleted(source, deletions))
            const expr = parseExpr(query) as MetricExpr
            const time = { kind: 'range', ...range, step: step * SECOND } as const
            const { result, stats } = await runMetricQuery(read, clock, QUERY_LIMITS, { tenant, expr, time })
            const matchers = parseSelector('{app=~".+"}')
            const selected = { tenant, matchers, ...range }
            const volume = { ...selected, aggregateBy: 'series', targetLabels: undefined, limit: 100 } as const
            return {
              result,
              stats: { ...stats, seconds: 0 },
              index: await measureIndex(read, selected),
              total: await measureVolume(read, { ...volume, stepNs: undefined }),
              steps: await measureVolume(read, { ...volume, stepNs: step * SECOND }),
            }
          }),
        )
        t.strictSame(answers[0], answers[1])
        await store.close()
      },
    ),
    { numRuns: 60 },
  )
})

t.test('a count by the minute opens no block whose entries are all in whole minutes of the query', async (t) => {
  const clock = new FixedClock(Number(FIRST / 1_000_000n) + 3600_000)
  const store = openStore(t, clock)
  const seconds = Array.from({ length: 3000 }, (_, i) => i)
  await store.append(makeBatch([streamOf({ app: 'a', seconds, kind: 0 })], openAdmission(clock)))
  let blocks = 0
  const counted = new Proxy<LogStore>(store, {
    get(target, name) {
      if (name !== 'read') return Reflect.get(target, name)
      return async function* (request: ReadRequest) {
        for await (const read of target.read(request)) {
          blocks++
          yield read
        }
      }
    },
  })
  const ask = async (query: string, step: bigint) => {
    blocks = 0
    const time = { kind: 'range', start: FIRST, end: FIRST + 60n * MINUTE, step } as const
    const request = { tenant: 'fake', expr: parseExpr(query) as MetricExpr, time }
    const { stats } = await runMetricQuery(counted, clock, QUERY_LIMITS, request)
    return { lines: stats.lines, blocks }
  }
  const volume = 'sum by (level, detected_level) (count_over_time({app="a"} | drop __error__ '
  t.same(await ask(`${volume}[1m]))`, MINUTE), { lines: 3000, blocks: 0 })
  t.same(await ask(`${volume}[1h]))`, 60n * MINUTE), { lines: 3000, blocks: 0 })
  t.same(await ask(`${volume}[7s]))`, 7n * SECOND), { lines: 3000, blocks: 1 })
})
