import fc from 'fast-check'
import t from 'tap'
import { readMetadata } from '../../../src/domain/entries/batch.ts'
import { type Block, type StreamRun, startOf } from '../../../src/domain/entries/block.ts'
import {
  type LevelCount,
  SUMMARY_NAMES_MAX,
  type SummaryPart,
  summariseRuns,
  wholeOf,
} from '../../../src/domain/entries/run-summary.ts'
import { makeBlock, type TestEntry } from '../../language/blocks.ts'

const MINUTE = 60_000_000_000n
const HOUR = 60n * MINUTE

const ENTRY: fc.Arbitrary<TestEntry> = fc.record({
  stream: fc.constantFrom('{a="1"}', '{a="2"}', '{b="é"}'),
  // Many on full minutes, and beside them.
  ns: fc.tuple(fc.bigInt(-3n, 200n), fc.constantFrom(-1n, 0n, 1n, 30_000_000_000n)).map(([m, ns]) => m * MINUTE + ns),
  line: fc.constantFrom('', 'x', 'é line', 'a longer line'),
  metadata: fc.constantFrom<NonNullable<TestEntry['metadata']>>(
    [],
    [['detected_level', 'info']],
    [['detected_level', 'notice']],
    [
      ['detected_level', 'error'],
      ['trace', 'f00'],
    ],
    [
      ['pod', 'p'.repeat(200)],
      ['trace', ''],
    ],
  ),
})

function countsOf({ levels, lineEnds }: Block, start: number, end: number): LevelCount[] {
  const counts: LevelCount[] = []
  for (let level = 0; level < 256; level++) {
    const own = Array.from({ length: end - start }, (_, i) => start + i).filter((i) => levels[i] === level)
    const bytes = own.reduce((sum, i) => sum + (lineEnds[i] as number) - startOf(lineEnds, i), 0)
    if (own.length > 0) counts.push({ level, entries: own.length, bytes })
  }
  return counts
}

function namesOf({ metadata, metadataEnds }: Block, { start, end }: StreamRun): string[] {
  const names = new Set<string>()
  for (let i = start; i < end; i++) {
    const pairs = readMetadata(metadata, startOf(metadataEnds, i), metadataEnds[i] as number)
    for (const [name] of pairs) names.add(name)
  }
  return [...names].sort()
}

t.test('parts have all entries of a run in order, with the counts of those entries', async (t) => {
  fc.assert(
    fc.property(fc.array(ENTRY, { minLength: 1, maxLength: 120 }), (entries) => {
      const block = makeBlock(entries)
      const summaries = summariseRuns(block)
      t.equal(summaries.length, block.runs.length)
      for (const [i, run] of block.runs.entries()) {
        const { parts = [], metadataNames = [] } = summaries[i] ?? {}
        let at = run.start
        for (const part of parts) {
          const end = at + part.entries
          const [oldest, newest] = [block.timestamps.values[at], block.timestamps.values[end - 1]]
          t.strictSame(part, { oldest, newest, entries: part.entries, counts: countsOf(block, at, end) })
          at = end
        }
        t.equal(at, run.end)
        t.strictSame([...metadataNames].sort(), namesOf(block, run))
        const [oldest, newest] = [block.timestamps.values[run.start], block.timestamps.values[run.end - 1]]
        const counts = countsOf(block, run.start, run.end)
        t.strictSame(wholeOf({ parts, metadataNames }), { oldest, newest, entries: run.end - run.start, counts })
      }
    }),
    { numRuns: 60 },
  )
})

function partsOf(times: readonly bigint[]): readonly SummaryPart[] {
  const block = makeBlock(times.map((ns) => ({ stream: '{a="1"}', ns, line: 'x' })))
  return summariseRuns(block)[0]?.parts ?? []
}

const times = (count: number, first: bigint, step: bigint): bigint[] =>
  Array.from({ length: count }, (_, i) => first + BigInt(i) * step)

const CUTS: readonly (readonly [name: string, times: readonly bigint[], entries: readonly number[]])[] = [
  ['the full minute is the last instant of a part', [...times(20, MINUTE - 19n, 1n), MINUTE + 1n], [20, 1]],
  ['few entries go on after the minute', times(20, MINUTE / 2n, MINUTE), [8, 8, 4]],
  ['the hour ends every part', times(4, HOUR - 1n, 1n), [2, 2]],
  ['rare entries have a part an hour', times(6, HOUR / 4n, HOUR / 2n), [2, 2, 2]],
  ['times before 1970', times(20, -MINUTE - 9n, 1n), [10, 10]],
  ['equal times', times(50, 5n, 0n), [50]],
]
for (const [name, given, entries] of CUTS) {
  t.test(`cuts parts: ${name}`, async (t) => {
    t.same(
      partsOf(given).map((part) => part.entries),
      entries,
    )
  })
}

t.test('the names of many, or of long, metadata are not listed', async (t) => {
  const named = (...names: string[]) =>
    summariseRuns(makeBlock([{ stream: '{a="1"}', ns: 1n, line: '', metadata: names.map((name) => [name, 'v']) }]))[0]
  const many = Array.from({ length: SUMMARY_NAMES_MAX + 1 }, (_, i) => `n${i}`)
  t.equal(named(...many)?.metadataNames, undefined)
  t.equal(named(...many.slice(1))?.metadataNames?.length, SUMMARY_NAMES_MAX)
  t.equal(named('x'.repeat(128))?.metadataNames, undefined)
  t.equal(named('x'.repeat(127))?.metadataNames?.length, 1)
})
