import t from 'tap'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import { Random } from '../support/random.ts'
import { ask, buildTestApp, pushJson } from '../support/test-app.ts'
import { fuzzLogql, knownQueries } from './logql.ts'
import { QueryMaker } from './logql-queries.ts'

t.test('20 000 random queries get an answer or a documented refusal, each in bounded time', async (t) => {
  const report = fuzzLogql({ count: 20_000, seed: 20261121 })
  t.comment(`${report.seconds.toFixed(1)} s; ${JSON.stringify([...report.outcomes])}`)
  t.comment(`slowest ${report.greatestCost.toFixed(0)} units: ${report.slowest}`)
  t.strictSame(report.faults, [])
  t.equal(report.faultCount, 0)
  t.ok((report.outcomes.get('answer') ?? 0) > 5000, 'many have an answer')
  t.ok((report.outcomes.get('query_malformed') ?? 0) > 2000, 'many are none')
  t.ok((report.outcomes.get('query_refused') ?? 0) > 100, 'some fail on what is in a line')
})

t.test('random queries over HTTP are answered 200 or 400', async (t) => {
  const { app, clock } = await buildTestApp(t)
  const values = [1, 2, 3].map((i) => [String(clock.nowNs - BigInt(i)), `v=${i} w=x`])
  await pushJson(app, [{ stream: { app: 'a' }, values }])
  const maker = new QueryMaker(new Random(1121), knownQueries())
  const statuses = new Map<number, number>()
  for (let i = 0; i < 1500; i++) {
    const query = maker.make()
    const path = i % 2 === 0 ? 'query_range' : 'query'
    const { statusCode, body } = await ask(app, path, { query, step: '60' })
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
    if (statusCode !== 200 && statusCode !== 400) t.fail(`${statusCode} for ${query}: ${body}`)
  }
  t.ok((statuses.get(200) ?? 0) > 200 && (statuses.get(400) ?? 0) > 200, JSON.stringify([...statuses]))
})

t.test('the random queries are of every kind', async (t) => {
  const maker = new QueryMaker(new Random(7), knownQueries())
  const kinds = new Set<string>()
  for (let i = 0; i < 3000; i++) {
    try {
      const expr = parseExpr(maker.make())
      kinds.add(expr.kind)
      if (expr.kind === 'log') for (const { kind } of expr.stages) kinds.add(kind)
    } catch {
      // Texts that are not queries are not counted here.
    }
  }
  const metric = ['range_aggregation', 'vector_aggregation', 'binary_operation', 'label_replace', 'vector', 'literal']
  const stages = ['line_filter', 'json', 'logfmt', 'regexp', 'pattern', 'unpack', 'label_filter', 'line_format']
  const wanted = ['log', ...metric, ...stages, 'label_format', 'decolorize', 'drop', 'keep']
  t.strictSame([...kinds].sort(), wanted.sort())
})
