import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import { formatLabels } from '../../src/domain/labels.ts'
import type { MetricResult } from '../../src/domain/query-result.ts'
import { matchesAll } from '../../src/domain/selector.ts'
import { finishSlices } from '../../src/kit/slices.ts'
import { LogQuery } from '../../src/logql/log-query.ts'
import { MetricQuery } from '../../src/logql/metric/metric-query.ts'
import { formatLine } from '../../src/logql/parse/format.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { Expr } from '../../src/logql/parse/syntax.ts'
import { makeBlock, selectRuns, type TestEntry } from './blocks.ts'

const SELECTOR = fc.constantFrom(
  '{app=~".+"}',
  '{app="a"}',
  '{app="a", x!="1"}',
  '{app=~"a|b", x=~"1|"}',
  '{app="never"}',
)
const STAGE = fc.constantFrom(
  ...['|= "a"', '!= "b"', '|~ "a.b|c"', '!~ "[0-9]"', '|> "<_>=<_>"', '|= ip("10.0.0.0/8")', '| json', '| logfmt'],
  ...[
    '| json v, w="n.w"',
    '| logfmt --strict',
    '| logfmt --keep-empty v',
    '| regexp "(?P<v>[0-9]+)"',
    '| pattern "<v>=<w>"',
  ],
  ...[
    '| unpack',
    '| decolorize',
    '| v > 1',
    '| v="1" or w!="2"',
    '| v >= 5ms',
    '| v < 1KB',
    '| w=~".+"',
    '| v=ip("10.0.0.1")',
  ],
  ...[
    '| line_format "{{.v}} {{.app}}"',
    '| label_format z=v, w="{{.v}}x"',
    '| drop v',
    '| keep app, v',
    '| drop __error__',
  ],
  ...['| __error__=""', '| drop app="a", trace', '| label_format app=v', '| line_format "{{ .v | add 1 }}"'],
)
const STAGES = fc.array(STAGE, { maxLength: 4 }).map((stages) => stages.join(' '))
const GROUPING = fc.constantFrom(
  '',
  '',
  ' by (app)',
  ' by (v, w)',
  ' without (app)',
  ' by ()',
  ' without (v)',
  ' by (trace, detected_level)',
)
const RANGE = fc.constantFrom('[1s]', '[5s]', '[7s]', '[1m]', '[3s] offset 2s', '[10s] offset -4s')
const LEAF = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('rate', 'count_over_time', 'bytes_rate', 'bytes_over_time', 'absent_over_time'),
      SELECTOR,
      STAGES,
      RANGE,
    )
    .map(([name, selector, stages, range]) => `${name}(${selector} ${stages} ${range})`),
  fc
    .tuple(
      fc.constantFrom('rate', 'sum_over_time', 'rate_counter', 'absent_over_time'),
      fc.tuple(SELECTOR, STAGES, fc.constantFrom('v', 'bytes(v)', 'duration(v)', 'v | v > 1', 'trace')),
      RANGE,
    )
    .map(([name, [selector, stages, label], range]) => `${name}(${selector} ${stages} | unwrap ${label} ${range})`),
  fc
    .tuple(
      fc.constantFrom(
        'max_over_time(',
        'first_over_time(',
        'stddev_over_time(',
        'quantile_over_time(0.3, ',
        'avg_over_time(',
      ),
      fc.tuple(SELECTOR, STAGES),
      RANGE,
      GROUPING,
    )
    .map(
      ([name, [selector, stages], range, grouping]) => `${name}${selector} ${stages} | unwrap v ${range})${grouping}`,
    ),
  fc.constantFrom('vector(2)', '3', '-0.5'),
)
const METRIC = fc.letrec<{ metric: string; inner: string }>((tie) => ({
  inner: fc.oneof({ maxDepth: 3, depthSize: 'small' }, LEAF, tie('metric')),
  metric: fc.oneof(
    { maxDepth: 3 },
    LEAF,
    fc
      .tuple(fc.constantFrom('sum', 'avg', 'min', 'max', 'count', 'stddev'), GROUPING, tie('inner'))
      .map(([name, grouping, inner]) => `${name}${grouping} (${inner})`),
    fc
      .tuple(fc.constantFrom('topk', 'bottomk'), fc.constantFrom(1, 2), tie('inner'), GROUPING)
      .map(([name, k, inner, grouping]) => `${name}(${k}, ${inner})${grouping}`),
    fc.tuple(fc.constantFrom('sort', 'sort_desc'), tie('inner')).map(([name, inner]) => `${name}(${inner})`),
    tie('inner').map((inner) => `label_replace(${inner}, "w", "$1-", "app", "(.).*")`),
    fc
      .tuple(
        tie('inner'),
        fc.constantFrom('+', '-', '/', '%', '^', '>', '== bool', '<=', 'and', 'or', 'unless', '+ on (app)', 'or on ()'),
        tie('inner'),
      )
      .map(([left, operator, right]) => `(${left}) ${operator} (${right})`),
    fc
      .tuple(tie('inner'), fc.constantFrom('* on (app) group_left', '> ignoring (v) group_right (w)'), tie('inner'))
      .map(([left, operator, right]) => `(${left}) ${operator} (${right})`),
  ),
})).metric
const LOG = fc.tuple(SELECTOR, STAGES).map((parts) => parts.join(' '))

const ENTRY = fc.record({
  stream: fc.constantFrom('{app="a"}', '{app="a", x="1"}', '{app="b", v="7"}'),
  ns: fc.integer({ min: 0, max: 30 }).map((seconds) => BigInt(seconds) * 1_000_000_000n),
  line: fc.constantFrom(
    'v=1 w=2',
    'v=5ms',
    '{"v":3,"n":{"w":"x"}}',
    '{"_entry":"a=b","v":"9"}',
    'a 10.0.0.1',
    'v=1kb c',
    '',
    'é',
  ),
  metadata: fc.constantFrom(
    [],
    [['trace', '4']] as const,
    [['detected_level', 'info']] as const,
    [['v', '8']] as const,
  ),
})

/** The result as text, or the code of the error; `inBlocks` says which entries share a block. */
function answer(query: string, expr: Expr, lists: readonly (readonly TestEntry[])[], isInstant: boolean): string {
  const blocks = lists.filter((list) => list.length > 0).map(makeBlock)
  try {
    if (expr.kind === 'log') {
      const logQuery = new LogQuery(expr, { direction: 'forward', limit: 1000, intervalNs: 0n, nowMs: 0 })
      for (const [sequence, block] of blocks.entries()) {
        const runs = selectRuns(block, ({ labels }) => matchesAll(logQuery.matchers, labels), 0n, 40_000_000_000n)
        if (runs.length > 0) finishSlices(logQuery.add(block, runs, sequence))
      }
      return JSON.stringify(finishSlices(logQuery.result()), (_, value) =>
        typeof value === 'bigint' ? `${value}` : value,
      )
    }
    const time = isInstant
      ? ({ kind: 'instant', time: 20_000_000_000n } as const)
      : ({ kind: 'range', start: 0n, end: 30_000_000_000n, step: 5_000_000_000n } as const)
    const metricQuery = new MetricQuery(expr, { time, limits: { seriesMax: 500, pointsMax: 100 }, nowMs: 0 })
    for (const read of metricQuery.reads) {
      for (const [sequence, block] of blocks.entries()) {
        const runs = selectRuns(block, ({ labels }) => matchesAll(read.matchers, labels), read.start, read.end)
        if (runs.length > 0 && read.wants(0n, 60_000_000_000n)) finishSlices(read.add(block, runs, sequence))
      }
    }
    return shown(finishSlices(metricQuery.result()))
  } catch (error) {
    if (error instanceof GatewayError && /^query_/.test(error.code)) return error.code
    throw new Error(query, { cause: error })
  }
}

function shown(result: MetricResult): string {
  const number = (value: number): string => (Number.isFinite(value) ? value.toPrecision(9) : `${value}`)
  if (result.kind === 'scalar') return number(result.value)
  if (result.kind === 'vector')
    return result.samples.map(({ labels, value }) => `${formatLabels(labels)} ${number(value)}`).join('\n')
  return result.series
    .map(
      ({ labels, points }) =>
        `${formatLabels(labels)} ${[...points].map(({ ns, value }) => `${number(value)}@${ns}`).join(' ')}`,
    )
    .join('\n')
}

t.test('any query has a result or an error, the same for any blocks', async (t) => {
  fc.assert(
    fc.property(
      fc.oneof(METRIC, LOG),
      fc.array(ENTRY, { maxLength: 12 }),
      fc.boolean(),
      (query, entries, isInstant) => {
        let expr: Expr
        try {
          expr = parseExpr(query)
        } catch (error) {
          if (error instanceof GatewayError && error.code === 'query_malformed') return
          throw error
        }
        const together = answer(query, expr, [entries], isInstant)
        const alone = answer(
          query,
          expr,
          entries.map((entry) => [entry]),
          isInstant,
        )
        if (together !== alone) throw new Error(`${query}\n${together}\nbut with a block an entry\n${alone}`)
        const line = formatLine(expr)
        // Folded literals may be NaN or infinite, which cannot be written.
        if (/NaN|Infinity/.test(line)) return
        if (formatLine(parseExpr(line)) !== line) throw new Error(`${query} does not read back`)
      },
    ),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 2000) },
  )
  t.pass('no difference was found')
})
