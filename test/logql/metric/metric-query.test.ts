import fc from 'fast-check'
import t from 'tap'
import { formatLabels } from '../../../src/domain/labels.ts'
import type { MetricResult } from '../../../src/domain/query-result.ts'
import { matchesAll } from '../../../src/domain/selector.ts'
import { finishSlices } from '../../../src/kit/slices.ts'
import { MetricQuery, type MetricTime } from '../../../src/logql/metric/metric-query.ts'
import { parseExpr } from '../../../src/logql/parse/parse.ts'
import type { MetricExpr } from '../../../src/logql/parse/syntax.ts'
import { makeBlock, selectRuns, type TestEntry } from '../../language/blocks.ts'

const LIMITS = { seriesMax: 500, pointsMax: 11_000 }

function parseMetric(query: string): MetricExpr {
  const expr = parseExpr(query)
  if (expr.kind === 'log') throw new Error(`${query} is no metric query`)
  return expr
}

function makeQuery(query: string, time: MetricTime, limits = LIMITS): MetricQuery {
  return new MetricQuery(parseMetric(query), { time, limits, nowMs: 0 })
}

function run(lists: readonly (readonly TestEntry[])[], query: string, time: MetricTime, limits = LIMITS): MetricResult {
  const metricQuery = makeQuery(query, time, limits)
  const blocks = lists.filter((list) => list.length > 0).map(makeBlock)
  for (const read of metricQuery.reads) {
    for (const [sequence, block] of blocks.entries()) {
      const runs = selectRuns(block, ({ labels }) => matchesAll(read.matchers, labels), read.start, read.end)
      if (runs.length > 0) finishSlices(read.add(block, runs, sequence))
    }
  }
  return finishSlices(metricQuery.result())
}

const NS = 1_000_000_000n
const instant = (seconds: number): MetricTime => ({ kind: 'instant', time: BigInt(seconds) * NS })

t.test('a read requests what the query needs from the store', async (t) => {
  for (const [query, withoutText] of [
    ['sum(count_over_time({a="b"}[1m]))', true],
    ['sum by (a) (rate({a="b"}[1m]))', true],
    ['sum by (a) (rate({a=~"b|c"}[1m]))', true],
    ['sum by (a) (bytes_over_time({a="b"}[1m]))', true],
    ['sum by (a) (rate({a=~"b|", c="d"}[1m]))', false],
    ['sum by (x) (rate({a="b"}[1m]))', false],
    ['sum by (detected_level) (rate({a="b"}[1m]))', false],
    ['count_over_time({a="b"}[1m])', false],
    ['sum without (a) (rate({a="b"}[1m]))', false],
    ['sum(rate({a="b"} |= "x" [1m]))', false],
    ['sum(rate({a="b"} |= "" [1m]))', true],
    ['max(rate({a="b"}[1m]))', false],
    ['sum(sum_over_time({a="b"} | unwrap x [1m]))', false],
  ] as const) {
    t.equal(makeQuery(query, instant(60)).reads[0]?.withoutText, withoutText, query)
  }
  const [read] = makeQuery('rate({a="b", c!="d"}[1m] offset 10s)', {
    kind: 'range',
    start: 60n * NS,
    end: 180n * NS,
    step: 60n * NS,
  }).reads
  t.same([read?.start, read?.end], [-10n * NS + 1n, 170n * NS + 1n])
  t.same(
    read?.matchers.map(({ name, operator, value }) => `${name}${operator}${value}`),
    ['a=b', 'c!=d'],
  )
})

t.test('equal range aggregations are read once', async (t) => {
  t.equal(makeQuery('rate({a="b"}[1m]) / rate({a="b"}[1m])', instant(60)).reads.length, 1)
  t.equal(makeQuery('rate({a="b"}[1m]) / rate({a="b"}[2m])', instant(60)).reads.length, 2)
  t.equal(makeQuery('sum(rate({a="b"}[1m])) / rate({a="b"}[1m])', instant(60)).reads.length, 2)
  t.equal(makeQuery('vector(1)', instant(60)).reads.length, 0)
})

t.test('blocks in the gaps between windows are not needed', async (t) => {
  const [read] = makeQuery('rate({a="b"}[10s])', { kind: 'range', start: 0n, end: 300n * NS, step: 60n * NS }).reads
  t.same(
    [
      [55n, 58n],
      [0n, 0n],
      [1n, 49n],
      [45n, 51n],
      [301n, 400n],
      [-20n, -10n],
    ].map(([from = 0n, to = 0n]) => read?.wants(from * NS, to * NS)),
    [true, true, false, true, false, false],
  )
})

t.test('refuses more series than the limit, but only of the answer', async (t) => {
  const list = Array.from({ length: 12 }, (_, i) => ({ stream: `{a="${i}"}`, ns: 30n * NS, line: 'x' }))
  const limits = { ...LIMITS, seriesMax: 10 }
  t.throws(() => run([list], 'rate({a=~".+"}[1m])', instant(60), limits), {
    code: 'query_refused',
    message: /^maximum number of series \(10\) reached for a single query; /,
  })
  const summed = run([list], 'sum(count_over_time({a=~".+"}[1m]))', instant(60), limits)
  t.same(summed, { kind: 'vector', samples: [{ labels: [], ns: 60n * NS, value: 12 }] })
  const top = run([list], 'topk(10, count_over_time({a=~".+"}[1m]))', instant(60), limits)
  t.equal(top.kind === 'vector' && top.samples.length, 10)
})

t.test('refuses more values in between than memory is set aside for', async (t) => {
  const list = Array.from({ length: 3000 }, (_, i) => ({ stream: `{a="${i}"}`, ns: 30n * NS, line: 'x' }))
  const time: MetricTime = { kind: 'range', start: 0n, end: 10_000n * NS, step: NS }
  t.throws(() => run([list], 'count(rate({a=~".+"}[10s]))', time), {
    code: 'query_refused',
    message: /^the query makes \d+ series/,
  })
  t.equal(run([list], 'sum(rate({a=~".+"}[10s]))', time).kind, 'matrix')
})

t.test('a pipeline error names the series and never the line', async (t) => {
  const list = [{ stream: '{a="b"}', ns: NS, line: 'secret words' }]
  t.throws(() => run([list], 'sum by (x) (rate({a="b"} | json [1m]))', instant(1)), {
    code: 'query_refused',
    status: 400,
    message: /^pipeline error: 'JSONParserErr' for series: '\{__error__="JSONParserErr", (?!.*secret)/s,
  })
})

const ENTRY = fc.record({
  stream: fc.constantFrom('{a="1"}', '{a="2"}'),
  ns: fc.bigInt(0n, 60n),
  line: fc.integer({ min: -5, max: 20 }).map((v) => `v=${v}`),
})
const OPERATION = fc.constantFrom(
  ...['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'sum_over_time', 'avg_over_time', 'min_over_time'],
  ...['max_over_time', 'first_over_time', 'last_over_time', 'stdvar_over_time', 'stddev_over_time', 'rate_counter'],
  ...['quantile_over_time', 'unwrapped rate'],
)

t.test('every operation equals its definition, window by window', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.array(ENTRY, { maxLength: 15 }), { minLength: 1, maxLength: 4 }),
      OPERATION,
      fc.bigInt(1n, 70n),
      fc.bigInt(1n, 20n),
      fc.bigInt(-10n, 10n),
      (lists, operation, range, step, offset) => {
        // Entries with the same nanosecond in several blocks have no defined order across streams, so avoid them.
        const seen = new Set<string>()
        const distinct = lists.map((list) =>
          list.filter(({ stream, ns }) => {
            const key = `${stream}${ns}`
            return seen.has(key) ? false : seen.add(key)
          }),
        )
        const [start, end] = [5n, 50n]
        const result = run(distinct, queryOf(operation, range, offset), { kind: 'range', start, end, step })
        const found = new Map<string, number>()
        if (result.kind !== 'matrix') throw new Error('no matrix')
        for (const { labels, points } of result.series) {
          for (const { ns, value } of points) found.set(`${formatLabels(labels)}@${ns}`, value)
        }
        const wanted = definition(distinct.flat(), operation, { range, step, offset, start, end })
        if (found.size !== wanted.size) throw new Error(`${[...found.keys()]} but ${[...wanted.keys()]}`)
        for (const [key, value] of wanted) {
          const other = found.get(key) ?? Number.NaN
          if (Math.abs(other - value) > 1e-9 * Math.max(1, Math.abs(value)))
            throw new Error(`${key}: ${other}, not ${value}`)
        }
      },
    ),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 3000) },
  )
  t.pass('no difference was found')
})

const COUNTING = ['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate']

function queryOf(operation: string, range: bigint, offset: bigint): string {
  const tail = `[${range}ns] offset ${offset < 0n ? '-' : ''}${offset < 0n ? -offset : offset}ns`
  if (COUNTING.includes(operation)) return `${operation}({a=~".+"}${tail})`
  const name = operation === 'unwrapped rate' ? 'rate' : operation
  const parameter = operation === 'quantile_over_time' ? '0.7, ' : ''
  return `${name}(${parameter}{a=~".+"} | logfmt | unwrap v ${tail})`
}

interface Window {
  readonly range: bigint
  readonly step: bigint
  readonly offset: bigint
  readonly start: bigint
  readonly end: bigint
}

/** Computes each window separately, from the definition. */
function definition(entries: readonly TestEntry[], operation: string, { range, step, offset, start, end }: Window) {
  const values = new Map<string, number>()
  const last = ((end + step - 1n) / step) * step
  for (let at = (start / step) * step; at <= last; at += step) {
    for (const stream of ['{a="1"}', '{a="2"}']) {
      const inside = entries
        .filter((entry) => entry.stream === stream && entry.ns > at - offset - range && entry.ns <= at - offset)
        .sort((a, b) => Number(a.ns - b.ns))
      if (inside.length > 0) values.set(`${stream}@${at}`, defined(operation, inside, Number(range) / 1e9, at - offset))
    }
  }
  return values
}

function defined(operation: string, inside: readonly TestEntry[], seconds: number, end: bigint): number {
  const numbers = inside.map(({ line }) => Number(line.slice(2)))
  const sum = numbers.reduce((a, b) => a + b, 0)
  const mean = sum / numbers.length
  const variance = numbers.reduce((total, v) => total + (v - mean) ** 2, 0) / numbers.length
  const bytes = inside.reduce((total, { line }) => total + line.length, 0)
  switch (operation) {
    case 'count_over_time':
      return inside.length
    case 'rate':
      return inside.length / seconds
    case 'bytes_over_time':
      return bytes
    case 'bytes_rate':
      return bytes / seconds
    case 'sum_over_time':
      return sum
    case 'unwrapped rate':
      return sum / seconds
    case 'avg_over_time':
      return mean
    case 'min_over_time':
      return Math.min(...numbers)
    case 'max_over_time':
      return Math.max(...numbers)
    case 'first_over_time':
      return numbers[0] as number
    case 'last_over_time':
      return numbers.at(-1) as number
    case 'stdvar_over_time':
      return variance
    case 'stddev_over_time':
      return Math.sqrt(variance)
    case 'quantile_over_time':
      return interpolated(numbers, 0.7)
    default:
      return extrapolated(inside, numbers, seconds, end)
  }
}

function interpolated(numbers: readonly number[], quantile: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const rank = quantile * (sorted.length - 1)
  const low = sorted[Math.floor(rank)] as number
  const high = sorted[Math.ceil(rank)] as number
  return low + (high - low) * (rank - Math.floor(rank))
}

/** Prometheus's extrapolated rate of a counter, for samples in order. */
function extrapolated(inside: readonly TestEntry[], numbers: readonly number[], seconds: number, end: bigint): number {
  const first = inside[0] as TestEntry
  const last = inside.at(-1) as TestEntry
  const sampled = Number(last.ns - first.ns) / 1e9
  if (inside.length < 2) return 0
  let increase = (numbers.at(-1) as number) - (numbers[0] as number)
  for (let i = 1; i < numbers.length; i++) {
    if ((numbers[i] as number) < (numbers[i - 1] as number)) increase += numbers[i - 1] as number
  }
  const toEnd = Number(end - last.ns) / 1e9
  let toStart = seconds - toEnd - sampled
  const average = sampled / (numbers.length - 1)
  if (toStart >= average * 1.1) toStart = average / 2
  if (increase > 0 && (numbers[0] as number) >= 0)
    toStart = Math.min(toStart, (sampled * (numbers[0] as number)) / increase)
  const covered = sampled + toStart + (toEnd >= average * 1.1 ? average / 2 : toEnd)
  return (increase * covered) / sampled / seconds
}

t.test('metadata counts where the query reads it, and nowhere else', async (t) => {
  const pair = (name: string) => fc.constantFrom(undefined, [name, '1'] as const, [name, 'warn'] as const)
  const metadata = fc
    .tuple(pair('b'), pair('detected_level'), pair('x'), pair('x_extracted'))
    .map((pairs) => pairs.filter((each) => each !== undefined))
  const entry = fc.record({
    stream: fc.constantFrom('{app="a"}', '{app="a", x="s"}'),
    ns: fc.constant(5n * NS),
    line: fc.constantFrom('x=1 y=2', 'b=3', 'y=1', ''),
    metadata,
  })
  const names = fc.constantFrom('b', 'detected_level', 'x', 'x_extracted', 'y', 'app', 'b_extracted')
  const query = fc.tuple(fc.constantFrom('', 'b', 'x', 'detected_level'), names)
  const property = fc.property(fc.array(entry, { maxLength: 6 }), query, (entries, [filtered, grouped]) => {
    const filter = filtered === '' ? '' : `| ${filtered} != "1"`
    const counted = `count_over_time({app="a"} | logfmt ${filter} [1m])`
    // The second form keeps every label until the sum.
    const [few, all] = [counted, `(${counted} > 0)`].map((each) =>
      run([entries], `sum by (${grouped}) (${each})`, instant(60)),
    )
    t.same(few, all)
  })
  fc.assert(property, { numRuns: 500 })
})

t.test('a pipeline error shows metadata that the query does not read', async (t) => {
  const entries = [{ stream: '{app="a"}', ns: 5n * NS, line: 'no JSON', metadata: [['trace', '7'] as const] }]
  t.throws(() => run([entries], 'sum by (x) (count_over_time({app="a"} | json [1m]))', instant(60)), {
    message: /trace="7"/,
  })
})
