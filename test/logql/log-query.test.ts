import fc from 'fast-check'
import t from 'tap'
import { type Block, timeRange } from '../../src/domain/entries/block.ts'
import { matchesAll } from '../../src/domain/selector.ts'
import { finishSlices } from '../../src/kit/slices.ts'
import { compileLineFilter } from '../../src/logql/line-filter.ts'
import { LogQuery, type LogQueryOptions } from '../../src/logql/log-query.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { LogExpr } from '../../src/logql/parse/syntax.ts'
import { makeBlock, selectRuns, type TestEntry } from '../language/blocks.ts'

interface Asked extends Partial<Omit<LogQueryOptions, 'nowMs'>> {
  readonly query: string
  readonly start?: bigint
  readonly end?: bigint
}

function parseLog(query: string): LogExpr {
  const expr = parseExpr(query)
  if (expr.kind !== 'log') throw new Error(`${query} is no log query`)
  return expr
}

/** Runs a query over blocks, like those of a store, and returns the result and the number of blocks read. */
function run(blocks: readonly Block[], asked: Asked) {
  const { query, direction = 'backward', limit = 100, intervalNs = 0n, start = 0n, end = 1_000_000n } = asked
  const logQuery = new LogQuery(parseLog(query), { direction, limit, intervalNs, nowMs: 0 })
  const ranges = blocks.map((block, sequence) => ({ block, sequence, ...timeRange(block) }))
  const isForward = direction === 'forward'
  ranges.sort((a, b) => Number(isForward ? a.oldest - b.oldest : b.newest - a.newest))
  let read = 0
  for (const { block, sequence, oldest, newest } of ranges) {
    if (!logQuery.wants(oldest, newest)) continue
    const runs = selectRuns(block, ({ labels }) => matchesAll(logQuery.matchers, labels), start, end)
    if (runs.length === 0) continue
    read++
    finishSlices(logQuery.add(block, runs, sequence))
  }
  return { streams: finishSlices(logQuery.result()), read, figures: logQuery.figures }
}

function lines(blocks: readonly Block[], asked: Asked): string[] {
  return run(blocks, asked).streams.flatMap(({ entries }) => entries.map(({ line }) => line))
}

const STREAM = '{a="b"}'
const entry = (ns: number, line: string, stream = STREAM): TestEntry => ({ stream, ns: BigInt(ns), line })
const LETTERS = makeBlock([entry(1, 'alpha'), entry(2, 'beta'), entry(3, 'gamma'), entry(4, 'delta'), entry(5, 'βήτα')])

t.test('line filters keep matching lines', async (t) => {
  for (const [name, filters, wanted] of [
    ['nothing asked', '', 'alpha beta gamma delta βήτα'],
    ['contains', '|= "et"', 'beta'],
    ['contains either', '|= "et" or "amm"', 'beta gamma'],
    ['does not contain', '!= "a"', 'βήτα'],
    ['contains neither', '!= "et" or "amm"', 'alpha delta βήτα'],
    ['all filters must hold', '|= "a" != "l" |= "m"', 'gamma'],
    ['matches anywhere', '|~ "a.*a"', 'alpha gamma'],
    ['alternatives', '|~ "alp|gam"', 'alpha gamma'],
    ['case does not matter', '|~ "(?i)ALPHA"', 'alpha'],
    ['does not match', '!~ "[ld]"', 'beta gamma βήτα'],
    ['does not match a plain word', '!~ "eta"', 'alpha gamma delta βήτα'],
    ['does not match what holds a literal', '!~ "e.*a"', 'alpha gamma βήτα'],
    ['either of two expressions', '|~ "^al" or "^be"', 'alpha beta'],
    ['text beyond ASCII', '|= "ήτ"', 'βήτα'],
    ['the empty text is everywhere', '|= ""', 'alpha beta gamma delta βήτα'],
    ['no line lacks the empty text', '!= ""', ''],
    ['a pattern', '|> "<_>et<_>"', 'beta'],
    ['not a pattern: Loki takes a literal at its first place', '!> "<_>a"', 'alpha gamma βήτα'],
    ['a needle that runs over a border of lines', '|= "abet"', ''],
  ] as const) {
    t.same(
      lines([LETTERS], { query: `${STREAM} ${filters}`, direction: 'forward' }),
      wanted.split(' ').filter(Boolean),
      name,
    )
  }
})

t.test('an ip filter finds addresses in lines', async (t) => {
  const block = makeBlock([entry(1, 'from 10.1.2.3 to'), entry(2, 'from 11.1.2.3'), entry(3, 'none')])
  t.same(lines([block], { query: `${STREAM} |= ip("10.0.0.0/8")` }), ['from 10.1.2.3 to'])
  t.same(lines([block], { query: `${STREAM} != ip("10.0.0.0/8")` }), ['none', 'from 11.1.2.3'])
})

t.test('bytes that are no UTF-8 become the replacement character, and are still searched around', async (t) => {
  const block = makeBlock([entry(1, 'aXb')])
  block.text[1] = 0xff
  t.same(lines([block], { query: `${STREAM} |= "b"` }), ['a\ufffdb'])
  t.same(lines([block], { query: `${STREAM} |= "a\ufffdb"` }), ['a\ufffdb'])
})

t.test('the limit counts over all streams, by time', async (t) => {
  const blocks = [
    makeBlock([entry(1, 'one', '{a="1"}'), entry(2, 'two', '{a="2"}'), entry(3, 'three', '{a="1"}')]),
    makeBlock([entry(4, 'four', '{a="2"}'), entry(5, 'five', '{a="1"}')]),
  ]
  const { streams } = run(blocks, { query: '{a=~".+"}', limit: 3 })
  t.same(
    streams.map(({ labels, entries }) => [labels, entries.map(({ line }) => line)]),
    [
      [[{ name: 'a', value: '1' }], ['five', 'three']],
      [[{ name: 'a', value: '2' }], ['four']],
    ],
  )
  t.same(lines(blocks, { query: '{a=~".+"}', limit: 3, direction: 'forward' }), ['one', 'three', 'two'])
})

t.test('blocks that cannot matter are not requested', async (t) => {
  const blocks = [1, 2, 3, 4].map((i) => makeBlock([entry(i * 10, `old ${i}`), entry(i * 10 + 1, `new ${i}`)]))
  t.same(run(blocks, { query: STREAM, limit: 2 }).read, 1)
  t.same(run(blocks, { query: STREAM, limit: 3 }).read, 2)
  t.same(run(blocks, { query: STREAM, limit: 1, direction: 'forward' }).read, 1)
  t.same(run(blocks, { query: `${STREAM} |= "1"`, limit: 2 }).read, 4)
})

t.test('entries of one nanosecond keep the order of arrival, and backward is the reverse', async (t) => {
  const first = makeBlock([entry(5, 'a'), entry(5, 'b')])
  const second = makeBlock([entry(5, 'c'), entry(5, 'd', '{a="c"}')])
  const blocks = [first, second]
  t.same(lines(blocks, { query: STREAM, direction: 'forward' }), ['a', 'b', 'c'])
  t.same(lines(blocks, { query: STREAM, direction: 'backward' }), ['c', 'b', 'a'])
  t.same(lines(blocks, { query: STREAM, direction: 'backward', limit: 2 }), ['c', 'b'])
})

t.test('exact duplicates are returned once', async (t) => {
  const metadata = [['trace', 'x']] as const
  const blocks = [
    makeBlock([entry(1, 'same'), { ...entry(1, 'same'), metadata }, entry(1, 'same', '{a="c"}')]),
    makeBlock([entry(1, 'same'), { ...entry(1, 'same'), metadata }, entry(2, 'same')]),
  ]
  t.equal(lines(blocks, { query: '{a=~".+"}' }).length, 4)
})

t.test('an entry has its metadata, including its level', async (t) => {
  const metadata = [
    ['detected_level', 'error'],
    ['trace', 'x'],
  ] as const
  const { streams } = run([makeBlock([{ ...entry(1, 'x'), metadata }])], { query: STREAM })
  t.same(streams, [{ labels: [{ name: 'a', value: 'b' }], entries: [{ ns: 1n, line: 'x', metadata, parsed: [] }] }])
})

t.test('an interval skips entries that follow too soon, over all streams', async (t) => {
  const blocks = [
    makeBlock([entry(10, 'a'), entry(12, 'b', '{a="c"}'), entry(20, 'c')]),
    makeBlock([entry(11, 'd'), entry(29, 'e', '{a="c"}'), entry(30, 'f')]),
    makeBlock([entry(41, 'g')]),
  ]
  const query = '{a=~".+"}'
  const forward = { query, direction: 'forward', intervalNs: 10n } as const
  t.same(lines(blocks, forward), ['a', 'c', 'f', 'g'])
  t.same(lines(blocks, { ...forward, limit: 2 }), ['a', 'c'])
  t.same(lines(blocks, { query, intervalNs: 10n }), ['g', 'f', 'c', 'a'])
  t.same(lines(blocks, { query, intervalNs: 100n }), ['g'])
  t.equal(run(blocks, { query, intervalNs: 1n, limit: 1 }).streams.length, 1)
})

t.test('figures count the scanned data', async (t) => {
  const { figures } = run([LETTERS], { query: `${STREAM} |= "et"` })
  t.same(figures, { lines: 5, bytes: 27, linesAfterFilter: 1 })
})

t.test('many lines are searched in stretches', async (t) => {
  const block = makeBlock(Array.from({ length: 5000 }, (_, i) => entry(i, i % 1000 === 7 ? `needle ${i}` : `hay ${i}`)))
  t.same(lines([block], { query: `${STREAM} |= "needle"` }), [
    'needle 4007',
    'needle 3007',
    'needle 2007',
    'needle 1007',
    'needle 7',
  ])
  const { figures } = run([block], { query: STREAM, limit: 10 })
  t.ok(figures.lines < 2100, 'a query that has enough does not look at the rest')
})

const ENTRY = fc.record({
  stream: fc.constantFrom('{a="1"}', '{a="2"}', '{b="3"}'),
  ns: fc.bigInt(0n, 12n),
  line: fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 4 }),
  metadata: fc.constantFrom([], [['m', 'x']] as const, [['detected_level', 'info']] as const),
})
const FILTERS = fc.array(
  fc.constantFrom(
    '|= "a"',
    '!= "b"',
    '|= "ab" or "ba"',
    '|~ "a.b"',
    '!~ "^a"',
    '|~ "é|bb"',
    '!= "é" or "aa"',
    '|= "éa"',
  ),
  { maxLength: 3 },
)

t.test('equals a plain walk over all entries', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.array(ENTRY, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 5 }),
      FILTERS,
      fc.constantFrom('forward', 'backward'),
      fc.integer({ min: 1, max: 12 }),
      fc.bigInt(0n, 5n),
      (lists, filters, direction, limit, intervalNs) => {
        const query = `{a=~".+"} ${filters.join(' ')}`
        const asked = { query, direction, limit, intervalNs, start: 2n, end: 11n } as const
        const found = run(lists.map(makeBlock), asked).streams.flatMap(({ labels, entries }) =>
          entries.map((each) => ({ stream: `{a="${labels[0]?.value}"}`, ...each })),
        )
        const wanted = plainWalk(lists, asked)
        const show = (list: readonly TestEntry[]): string[] =>
          list.map(({ stream, ns, line, metadata }) => `${stream} ${ns} ${line} ${metadata}`)
        const byStream = wanted.toSorted((a, b) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0))
        if (show(found).join('\n') !== show(byStream).join('\n'))
          throw new Error(`${show(found)} but ${show(byStream)}`)
      },
    ),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 2000) },
  )
  t.pass('no difference was found')
})

function plainWalk(lists: readonly (readonly TestEntry[])[], asked: Required<Asked>): TestEntry[] {
  const tests = parseLog(asked.query).stages.map((stage) => compileLineFilter(stage as never))
  const forward = lists
    .flatMap((list) => list.toSorted((a, b) => Number(a.ns - b.ns)))
    .filter(({ stream, ns }) => stream.startsWith('{a=') && ns >= asked.start && ns < asked.end)
    .toSorted((a, b) => Number(a.ns - b.ns) || (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0))
  const seen = new Set<string>()
  const found: TestEntry[] = []
  for (const each of asked.direction === 'forward' ? forward : forward.toReversed()) {
    const identity = JSON.stringify([each.stream, `${each.ns}`, each.line, each.metadata])
    if (seen.has(identity) || !tests.every((test) => test(each.line))) continue
    seen.add(identity)
    const last = found.at(-1)
    const distance = last === undefined ? asked.intervalNs : each.ns - last.ns
    if ((distance < 0n ? -distance : distance) >= asked.intervalNs && found.length < asked.limit) found.push(each)
  }
  return found
}
