import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import type { Block } from '../../src/domain/entries/block.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import { formatLabels } from '../../src/domain/labels.ts'
import type { MetricResult } from '../../src/domain/query-result.ts'
import { matchesAll } from '../../src/domain/selector.ts'
import { finishSlices } from '../../src/kit/slices.ts'
import { LogQuery } from '../../src/logql/log-query.ts'
import { MetricQuery, type MetricTime } from '../../src/logql/metric/metric-query.ts'
import { formatDuration } from '../../src/logql/parse/literal.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import { formatValue } from '../../src/protocol/loki/loki-number.ts'
import { makeBlock, selectRuns, type TestEntry } from './blocks.ts'
import { type QueryCase, readCases, readTime, writeLine, writePairs } from './case-file.ts'

const LIMITS = { seriesMax: 500, pointsMax: 11_000 }
const FOLDER = new URL('./cases/', import.meta.url)

/** Ways to distribute the same entries over blocks, which must not change any result. */
const LAYOUTS: readonly (readonly [name: string, cut: (entries: readonly TestEntry[]) => Block[]])[] = [
  ['one block', (entries) => (entries.length === 0 ? [] : [makeBlock(entries)])],
  ['a block an entry', (entries) => entries.map((entry) => makeBlock([entry]))],
  [
    'two blocks that overlap',
    (entries) =>
      [0, 1]
        .map((half) => entries.filter((_, i) => i % 2 === half))
        .filter((part) => part.length > 0)
        .map(makeBlock),
  ],
]

for (const name of readdirSync(FOLDER)
  .filter((file) => file.endsWith('.txt'))
  .sort()) {
  t.test(name, async (t) => {
    for (const each of readCases(readFileSync(new URL(name, FOLDER), 'utf8'))) {
      for (const [layout, cut] of LAYOUTS) {
        const found = answer(each, cut(each.entries))
        const isRight =
          found.length === each.wanted.length && found.every((row, i) => isEqual(row, each.wanted[i] ?? ''))
        t.same(isRight ? each.wanted : found, each.wanted, `row ${each.row}, ${layout}: ${each.query}`)
      }
    }
  })
}

function answer(each: QueryCase, blocks: readonly Block[]): string[] {
  try {
    const rows = each.kind === 'logs' ? logRows(each, blocks) : metricRows(metricResult(each, blocks))
    return rows.length === 0 ? ['(nothing)'] : rows
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return [`error ${error.message}`]
  }
}

function logRows({ query, args }: QueryCase, blocks: readonly Block[]): string[] {
  const [direction = '', start = '', end = '', limit = ''] = args
  const expr = parseExpr(query)
  if (expr.kind !== 'log') throw new Error(`${query} is no log query`)
  const isForward = direction === 'forward'
  const logQuery = new LogQuery(expr, {
    direction: isForward ? 'forward' : 'backward',
    limit: Number(limit),
    intervalNs: 0n,
    nowMs: 0,
  })
  for (const [sequence, block] of blocks.entries()) {
    const runs = selectRuns(
      block,
      ({ labels }) => matchesAll(logQuery.matchers, labels),
      readTime(start),
      readTime(end),
    )
    if (runs.length > 0) finishSlices(logQuery.add(block, runs, sequence))
  }
  return finishSlices(logQuery.result())
    .flatMap(({ labels, entries }) => entries.map((entry) => ({ labels, ...entry })))
    .sort((a, b) => Number(isForward ? a.ns - b.ns : b.ns - a.ns))
    .map(({ labels, ns, metadata, parsed, line }) => {
      const pairs = writePairs(metadata, '[', ']') + writePairs(parsed, '<', '>')
      return `${formatDuration(ns)} ${formatLabels(labels)} ${pairs}${writeLine(line)}`
    })
}

function metricResult({ kind, args, query }: QueryCase, blocks: readonly Block[]): MetricResult {
  const [start = '', end = '', step = ''] = args
  const expr = parseExpr(query)
  if (expr.kind === 'log') throw new Error(`${query} is no metric query`)
  const time: MetricTime =
    kind === 'instant'
      ? { kind: 'instant', time: readTime(start) }
      : { kind: 'range', start: readTime(start), end: readTime(end), step: readTime(step) }
  const metricQuery = new MetricQuery(expr, { time, limits: LIMITS, nowMs: 0 })
  for (const read of metricQuery.reads) {
    for (const [sequence, block] of blocks.entries()) {
      const runs = selectRuns(block, ({ labels }) => matchesAll(read.matchers, labels), read.start, read.end)
      if (runs.length === 0) continue
      const shown = read.withoutText ? { ...block, text: new Uint8Array(0), metadata: new Uint8Array(0) } : block
      finishSlices(read.add(shown, runs, sequence))
    }
  }
  return finishSlices(metricQuery.result())
}

function metricRows(result: MetricResult): string[] {
  if (result.kind === 'scalar') return [`scalar ${formatValue(result.value)}`]
  if (result.kind === 'vector') {
    return result.samples.map(({ labels, value }) => `${formatLabels(labels)} ${formatValue(value)}`)
  }
  return result.series.map(({ labels, points }) => {
    const values = [...points].map(({ ns, value }) => `${formatValue(value)}@${formatDuration(ns)}`)
    return `${formatLabels(labels)} ${values.join(' ')}`
  })
}

/** Equal texts, with numbers to nine digits, and errors by a part of their text. */
function isEqual(found: string, wanted: string): boolean {
  if (wanted.startsWith('error ')) return found.startsWith('error ') && found.includes(wanted.slice(6))
  const [a, b] = [found.split(' '), wanted.split(' ')]
  return (
    a.length === b.length &&
    a.every((word, i) => {
      const [value = '', time] = word.split('@')
      const [other = '', otherTime] = (b[i] ?? '').split('@')
      if (word === b[i]) return true
      return time === otherTime && Math.abs(Number(value) - Number(other)) <= 1e-9 * Math.abs(Number(other))
    })
  )
}
