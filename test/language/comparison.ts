/** Runs the same cases against two gateways, or a gateway and a Loki, and reports differences. */

import { readFileSync } from 'node:fs'
import { compareText, formatLabels, parseLabels } from '../../src/domain/labels.ts'
import { equalityMatcher } from '../../src/domain/selector.ts'
import { NS_PER_MS, NS_PER_SECOND } from '../../src/domain/time.ts'
import { formatLine } from '../../src/logql/parse/format.ts'
import { formatGoDuration } from '../../src/logql/parse/literal.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { Expr, LogExpr, MetricExpr } from '../../src/logql/parse/syntax.ts'
import type { TestEntry } from './blocks.ts'
import { type QueryCase, readCases, readTime } from './case-file.ts'

/** One of the two compared servers. */
export interface Side {
  /** Without a trailing slash. */
  readonly url: string
  /** Sent with every request: credentials, a tenant. */
  readonly headers: Readonly<Record<string, string>>
}

export interface ComparisonOptions {
  readonly left: Side
  readonly right: Side
  readonly files: readonly string[]
  /** Cases start an hour before this, ms since the epoch, because Loki rejects old lines. */
  readonly nowMs: number
  /** Distinguishes the lines of this run. */
  readonly run: string
}

export interface Comparison {
  readonly compared: number
  readonly differences: readonly Difference[]
}

export interface Difference {
  /** `file:row kind arguments query`. */
  readonly place: string
  /** Rows that only one side has, with times relative to the case. */
  readonly left: readonly string[]
  readonly right: readonly string[]
}

/** A label of every line of a run, which every selector matches. */
const RUN_LABEL = 'compare_run'
const HOUR = 3600n * NS_PER_SECOND
/** A side that takes longer for a case counts as not responding. */
const ANSWER_MS_MAX = 20_000

/** loadCases followed by askCases. */
export async function compareAnswers(options: ComparisonOptions): Promise<Comparison> {
  await loadCases(options)
  return askCases(options)
}

/** Pushes the lines of all cases to both sides. Throws if a side cannot be reached or rejects them. */
export async function loadCases(options: ComparisonOptions): Promise<void> {
  for (const { entries, run, base } of loadsOf(options)) {
    for (const side of [options.left, options.right]) await load(side, entries, run, base)
  }
}

/**
 * Sends all cases to both sides, which have their lines. Throws if a side cannot be reached, which is not a difference.
 */
export async function askCases(options: ComparisonOptions): Promise<Comparison> {
  const differences: Difference[] = []
  let compared = 0
  for (const { file, cases, run, base } of loadsOf(options)) {
    for (const each of cases) {
      compared++
      const [left, right] = await Promise.all([ask(options.left, each, run, base), ask(options.right, each, run, base)])
      if (areSame(left, right)) continue
      const place = `${file}:${each.row} ${[each.kind, ...each.args, each.query].join(' ')}`
      differences.push({ place, left: without(left, right), right: without(right, left) })
    }
  }
  return { compared, differences }
}

/** The entries of one `load` in a file, and the cases that use them. */
interface Load {
  readonly file: string
  readonly entries: readonly TestEntry[]
  readonly cases: readonly QueryCase[]
  /** Distinguishes its lines from those of other loads. */
  readonly run: string
  readonly base: bigint
}

function loadsOf({ files, run, nowMs }: ComparisonOptions): Load[] {
  return files.flatMap((file) => {
    const cases = readCases(readFileSync(file, 'utf8'))
    return [...new Set(cases.map(({ entries }) => entries))].map((entries, i) => ({
      file,
      entries,
      cases: cases.filter((one) => one.entries === entries),
      run: `${run}-${file.replace(/\W+/g, '-')}-${i}`,
      base: baseOf(entries, nowMs),
    }))
  })
}

export function formatComparison({ compared, differences }: Comparison): string {
  const lines = differences.map(({ place, left, right }) =>
    [place, ...left.map((row) => `  left:  ${row}`), ...right.map((row) => `  right: ${row}`)].join('\n'),
  )
  return [...lines, `${compared} queries, ${differences.length} with a difference`].join('\n')
}

/** The time of the case's zero: a full hour, because steps are multiples since the epoch, and before now. */
function baseOf(entries: readonly TestEntry[], nowMs: number): bigint {
  const latest = entries.reduce((max, { ns }) => (ns > max ? ns : max), 0n)
  return ((BigInt(nowMs) * NS_PER_MS - latest) / HOUR) * HOUR
}

async function load(side: Side, entries: readonly TestEntry[], run: string, base: bigint): Promise<void> {
  if (entries.length === 0) return
  const streams = entries.map(({ stream, ns, line, metadata = [] }) => {
    const labels = [...parseLabels(stream), { name: RUN_LABEL, value: run }]
    const pairs = labels.map(({ name, value }): [string, string] => [name, value])
    return {
      stream: Object.fromEntries(pairs),
      values: [[String(base + ns), line, Object.fromEntries(metadata)]],
    }
  })
  const response = await fetch(`${side.url}/loki/api/v1/push`, {
    method: 'POST',
    headers: { ...side.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ streams }),
  })
  if (!response.ok) throw new Error(`${side.url} does not take the lines: ${response.status} ${await response.text()}`)
}

/** The rows of the result, or one row for an error. */
async function ask(side: Side, each: QueryCase, run: string, base: bigint): Promise<string[]> {
  const params = new URLSearchParams(paramsOf(each, base))
  params.set('query', withRun(each.query, run))
  const path = each.kind === 'instant' ? 'query' : 'query_range'
  const headers = { ...side.headers, 'x-loki-response-encoding-flags': 'categorize-labels' }
  const signal = AbortSignal.timeout(ANSWER_MS_MAX)
  let response: Response
  let body: string
  try {
    response = await fetch(`${side.url}/loki/api/v1/${path}?${params}`, { headers, signal })
    body = await response.text()
  } catch (error) {
    // A side that hangs or crashes on a case counts as one difference and does not end the run.
    return [`no answer: ${error instanceof Error ? error.message : error}`]
  }
  // Error texts may differ; clients use the status.
  return response.status === 200 ? rowsOf(JSON.parse(body) as WireAnswer, base) : [`status ${response.status}`]
}

function paramsOf({ kind, args }: QueryCase, base: bigint): Record<string, string> {
  const at = (text = ''): string => String(base + readTime(text))
  const [first = '', second, third, fourth] = args
  if (kind === 'instant') return { time: at(first) }
  if (kind === 'logs') return { direction: first, start: at(second), end: at(third), limit: fourth ?? '' }
  return { start: at(first), end: at(second), step: String(Number(readTime(third ?? '')) / 1e9) }
}

/** The query with another matcher in each selector; unchanged if it has none or is not a query. */
function withRun(query: string, run: string): string {
  let expr: Expr
  try {
    expr = parseExpr(query)
  } catch {
    return query
  }
  const changed = formatLine(expr.kind === 'log' ? logWithRun(expr, run) : metricWithRun(expr, run))
  return changed === formatLine(expr) ? query : changed
}

function logWithRun(log: LogExpr, run: string): LogExpr {
  return { ...log, matchers: [...log.matchers, equalityMatcher(RUN_LABEL, '=', run)] }
}

function metricWithRun(expr: MetricExpr, run: string): MetricExpr {
  switch (expr.kind) {
    case 'range_aggregation':
      return { ...expr, range: { ...expr.range, log: logWithRun(expr.range.log, run) } }
    case 'vector_aggregation':
    case 'label_replace':
      return { ...expr, expr: metricWithRun(expr.expr, run) }
    case 'binary_operation':
      return { ...expr, left: metricWithRun(expr.left, run), right: metricWithRun(expr.right, run) }
    case 'vector':
    case 'literal':
      return expr
  }
}

type WireLabels = Readonly<Record<string, string>>
type Point = readonly [number, string]

interface WireAnswer {
  readonly data:
    | { readonly resultType: 'scalar'; readonly result: Point }
    | { readonly resultType: 'vector'; readonly result: { readonly metric: WireLabels; readonly value: Point }[] }
    | { readonly resultType: 'matrix'; readonly result: { readonly metric: WireLabels; readonly values: Point[] }[] }
    | {
        readonly resultType: 'streams'
        readonly result: { readonly stream: WireLabels; readonly values: [string, string, unknown?][] }[]
      }
}

/** Series and streams sorted by labels; entries of a stream, and the results of a sort, in their order. */
function rowsOf({ data }: WireAnswer, base: bigint): string[] {
  const shownNs = (ns: bigint): string => formatGoDuration(ns - base)
  const shown = ([seconds, value]: Point): string =>
    `${value}@${shownNs(BigInt(Math.round(seconds * 1000)) * NS_PER_MS)}`
  switch (data.resultType) {
    case 'scalar':
      // Loki shows the time of a number in milliseconds as if they were seconds.
      return [`scalar ${data.result[1]}`]
    case 'vector':
      return data.result.map(({ metric, value }) => `${labelText(metric)} ${shown(value)}`)
    case 'matrix':
      return data.result
        .map(({ metric, values }) => `${labelText(metric)} ${values.map(shown).join(' ')}`)
        .sort(compareText)
    case 'streams':
      return data.result
        .toSorted((a, b) => compareText(labelText(a.stream), labelText(b.stream)))
        .flatMap(({ stream, values }) =>
          values.map(([ns, line, third]) => {
            const categories = JSON.stringify(third ?? {})
            return `${labelText(stream)} ${shownNs(BigInt(ns))} ${categories} ${JSON.stringify(line)}`
          }),
        )
  }
}

function labelText(labels: WireLabels): string {
  const pairs = Object.entries(labels).filter(([name]) => name !== RUN_LABEL)
  const sorted = pairs.map(([name, value]) => ({ name, value })).sort((a, b) => compareText(a.name, b.name))
  return formatLabels(sorted)
}

function areSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((row, i) => isSameRow(row, right[i] ?? ''))
}

/** Equal texts, with values to nine digits: a sum may be computed in another order. */
function isSameRow(left: string, right: string): boolean {
  if (left === right) return true
  const [a, b] = [left.split(' '), right.split(' ')]
  return (
    a.length === b.length &&
    a.every((word, i) => {
      const other = b[i] ?? ''
      if (word === other) return true
      const [[value, time], [otherValue, otherTime]] = [word.split('@'), other.split('@')]
      if (time === undefined || time !== otherTime) return false
      return Math.abs(Number(value) - Number(otherValue)) <= 1e-9 * Math.abs(Number(otherValue))
    })
  )
}

/** The rows that only one side has; if only the order differs, all rows. */
function without(rows: readonly string[], others: readonly string[]): readonly string[] {
  const only = rows.filter((row) => !others.some((other) => isSameRow(row, other)))
  const isOrder = only.length === 0 && rows.length === others.length
  return isOrder ? rows : only.length === 0 && rows.length < others.length ? ['(fewer rows)'] : only
}
