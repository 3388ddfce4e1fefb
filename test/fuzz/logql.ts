/** Runs random queries through the parser, the formatter and the engine: each gives a result or a documented error. */

import { readdirSync, readFileSync } from 'node:fs'
import { type ErrorCode, GatewayError } from '../../src/domain/errors.ts'
import { matchesAll } from '../../src/domain/selector.ts'
import { finishSlices } from '../../src/kit/slices.ts'
import { LogQuery } from '../../src/logql/log-query.ts'
import { MetricQuery, type MetricTime } from '../../src/logql/metric/metric-query.ts'
import { formatExpr, formatLine } from '../../src/logql/parse/format.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { Expr } from '../../src/logql/parse/syntax.ts'
import type { Body } from '../../src/protocol/bytes/body-writer.ts'
import { formatMetricAnswer, formatStreamsAnswer } from '../../src/protocol/loki/loki-result.ts'
import { makeBlock, selectRuns, type TestEntry } from '../language/blocks.ts'
import { readCases } from '../language/case-file.ts'
import { costOf } from '../support/cpu-time.ts'
import { Random } from '../support/random.ts'
import { QueryMaker } from './logql-queries.ts'

export interface LogqlFuzzOptions {
  readonly count: number
  readonly seed: number
  /** Called every hundred thousand queries. */
  readonly onProgress?: (report: LogqlReport) => void
}

export interface LogqlReport {
  done: number
  /** Number of queries with a result, and by error code. */
  readonly outcomes: Map<string, number>
  /** Faults: another error, formatted text that does not parse, a query of more than a second. Up to a limit. */
  readonly faults: string[]
  faultCount: number
  /** In units of costOf. */
  greatestCost: number
  slowest: string
  seconds: number
}

/** The codes that docs/errors.md has for queries. */
const DOCUMENTED: readonly ErrorCode[] = ['query_malformed', 'query_refused', 'query_unsupported', 'parameter_invalid']
/** In units of costOf: about a second on a common machine. */
const QUERY_COST_MAX = 1000
const FAULTS_RECORDED_MAX = 20
const PROGRESS_EVERY = 100_000
const SECOND = 1_000_000_000n
const LIMITS = { seriesMax: 500, pointsMax: 11_000 }
const STATS = { bytes: 0, lines: 0, linesAfterFilter: 0, entriesReturned: 0, seconds: 0 }
const CASES = new URL('../language/cases/', import.meta.url)

const LINES = [
  ...['v=1 w=2', 'v=5ms x', '{"v":3,"n":{"w":"x"},"w":[1,2]}', '{"_entry":"v=4","v":"9"}', 'a 10.0.0.1 b', 'v=1kb'],
  ...[
    '',
    'é 😀',
    '\u001b[31mred\u001b[0m',
    '{"v":',
    'v="a b" w=',
    'info v=7',
    'a\nb',
    '{"v":1e999}',
    'v=-0.5 level=warn',
  ],
]

/** Three blocks, two of them overlapping, with three streams. */
const BLOCKS = [0, 1, 2].map((part) =>
  makeBlock(
    LINES.map(
      (line, i): TestEntry => ({
        stream: ['{app="a"}', '{app="a", v="1"}', '{app="b"}'][(i + part) % 3] as string,
        ns: BigInt((i * 7 + part * 9) % 40) * SECOND,
        line,
        metadata: i % 4 === 0 ? [['detected_level', 'info']] : i % 4 === 1 ? [['trace', `${i}`]] : [],
      }),
    ),
  ),
)

/** The queries of the cases. */
export function knownQueries(): string[] {
  const files = readdirSync(CASES).filter((name) => name.endsWith('.txt'))
  return files.flatMap((name) => readCases(readFileSync(new URL(name, CASES), 'utf8')).map(({ query }) => query))
}

export function fuzzLogql({ count, seed, onProgress }: LogqlFuzzOptions): LogqlReport {
  const random = new Random(seed)
  const maker = new QueryMaker(random, knownQueries())
  const outcomes = new Map<string, number>()
  const report: LogqlReport = { done: 0, outcomes, faults: [], faultCount: 0, greatestCost: 0, slowest: '', seconds: 0 }
  const startedMs = performance.now()
  const onFault = (fault: string): void => addFault(report, fault)
  while (report.done < count) {
    const query = maker.make()
    const mode = random.integer(4)
    let outcome = ''
    const cost = costOf(() => {
      outcome = tryQuery(query, mode, onFault)
    })
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    if (cost > report.greatestCost) noteSlow(report, query, mode, cost)
    report.done++
    report.seconds = (performance.now() - startedMs) / 1000
    if (report.done % PROGRESS_EVERY === 0) onProgress?.(report)
  }
  return report
}

/** A garbage collection may fall into one run, but not into two of the same query. */
function noteSlow(report: LogqlReport, query: string, mode: number, first: number): void {
  const cost = Math.min(
    first,
    costOf(() => void tryQuery(query, mode, () => undefined)),
  )
  if (cost <= report.greatestCost) return
  report.greatestCost = cost
  report.slowest = query
  if (cost > QUERY_COST_MAX) addFault(report, `${Math.round(cost)} units of work: ${query}`)
}

function addFault(report: LogqlReport, fault: string): void {
  report.faultCount++
  if (report.faults.length < FAULTS_RECORDED_MAX) report.faults.push(fault)
}

/** `answer`, the code of a documented error, or `fault`. */
function tryQuery(query: string, mode: number, onFault: (fault: string) => void): string {
  try {
    const expr = parseExpr(query)
    const fault = readsBack(expr, mode % 2 === 0)
    if (fault !== undefined) onFault(`${fault}: ${query}`)
    evaluate(expr, mode)
    return 'answer'
  } catch (error) {
    if (error instanceof GatewayError && DOCUMENTED.includes(error.code)) return error.code
    onFault(`${error instanceof Error ? error.stack : error}: ${query}`)
    return 'fault'
  }
}

/** A formatted query must have the same meaning: parsed and formatted again, it must be equal. */
function readsBack(expr: Expr, isPretty: boolean): string | undefined {
  const line = formatLine(expr)
  // Folded literals may be NaN or infinite, which have no spelling.
  if (/NaN|Inf/.test(line)) return undefined
  const text = isPretty ? formatExpr(expr) : line
  try {
    if (formatLine(parseExpr(text)) === line) return undefined
    return `formats as ${JSON.stringify(text)}, which is another query`
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return `formats as ${JSON.stringify(text)}, which is refused: ${error.message}`
  }
}

function textOf(body: Body): string {
  return Buffer.concat(body).toString()
}

function evaluate(expr: Expr, mode: number): string {
  if (expr.kind === 'log') {
    const direction = mode % 2 === 0 ? 'forward' : 'backward'
    const intervalNs = mode === 3 ? 2n * SECOND : 0n
    const query = new LogQuery(expr, { direction, limit: mode < 2 ? 1000 : 3, intervalNs, nowMs: 0 })
    const ordered = direction === 'forward' ? BLOCKS : BLOCKS.toReversed()
    for (const block of ordered) {
      const runs = selectRuns(block, ({ labels }) => matchesAll(query.matchers, labels), 0n, 40n * SECOND)
      if (runs.length > 0) finishSlices(query.add(block, runs, BLOCKS.indexOf(block)))
    }
    return textOf(finishSlices(formatStreamsAnswer(finishSlices(query.result()), mode < 2, STATS)))
  }
  const time: MetricTime =
    mode % 2 === 0
      ? { kind: 'instant', time: 30n * SECOND }
      : { kind: 'range', start: 0n, end: 40n * SECOND, step: 10n * SECOND }
  const query = new MetricQuery(expr, { time, limits: LIMITS, nowMs: 0 })
  for (const read of query.reads) {
    for (const [sequence, block] of BLOCKS.entries()) {
      const runs = selectRuns(block, ({ labels }) => matchesAll(read.matchers, labels), read.start, read.end)
      if (runs.length > 0) finishSlices(read.add(block, runs, sequence))
    }
  }
  return textOf(finishSlices(formatMetricAnswer(finishSlices(query.result()), STATS)))
}
