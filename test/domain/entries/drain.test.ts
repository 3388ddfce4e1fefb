import fc from 'fast-check'
import t from 'tap'
import { type Cluster, DRAIN_SETTINGS, Drain, formatPattern } from '../../../src/domain/entries/drain.ts'
import { compilePatternFilter } from '../../../src/logql/pipeline/pattern-filter.ts'

function mine(lines: readonly string[], settings = {}): Cluster[] {
  const drain = new Drain({ ...DRAIN_SETTINGS, ...settings })
  for (const line of lines) drain.add(line, 0)
  return [...drain.clusters]
}

const patternsOf = (lines: readonly string[]): string[] => mine(lines).map(({ tokens }) => formatPattern(tokens))

const ROWS: readonly (readonly [name: string, lines: readonly string[], patterns: readonly string[]])[] = [
  ['lines that are the same', ['user logged in', 'user logged in'], ['user logged in']],
  ['a word that varies', ['user anna logged in', 'user bert logged in'], ['user <_> logged in']],
  ['numbers that vary', ['took 12 ms', 'took 1300 ms'], ['took <_> ms']],
  ['numbers that stay', ['HTTP/1.1 200 ok', 'HTTP/1.1 200 ok'], ['HTTP/1.1 200 ok']],
  ['neighbours that vary', ['a b c d (12:33)', 'a b c d (14:59)'], ['a b c d (<_>:<_>)']],
  [
    'logfmt',
    ['level=info msg="got it" took=3ms', 'level=info msg="got it" took=17ms'],
    ['level=info msg="got it" took=<_>'],
  ],
  ['JSON', ['{"id":"a1","msg":"done"}', '{"id":"b2","msg":"done"}'], ['{"id":"<_>","msg":"done"}']],
  ['white space that varies', ['INFO  all is well', 'INFO all is well'], ['INFO<_>all is well']],
  ['text like a placeholder', ['see <_> and <b>it</b>'], ['see <_> and <_>it</b>']],
  ['captures side by side', ['see <a><b> now'], ['see <_> now']],
  ['lines that have little in common', ['alpha beta gamma', 'one two three'], ['alpha beta gamma', 'one two three']],
  ['free text', ['it is told: "ab 1 cd" once', 'it is told: "gh 2 kl" once'], ['it is told: "<_>" once']],
  ['an empty line', [''], ['']],
  ['letters beyond ASCII', ['größe 12 übernommen', 'größe 13 übernommen'], ['größe <_> übernommen']],
]

for (const [name, lines, patterns] of ROWS) {
  t.test(`finds the pattern of ${name}`, async (t) => {
    t.strictSame(patternsOf(lines), patterns)
  })
}

t.test('counts the lines of a cluster by slot', async (t) => {
  const drain = new Drain()
  for (const slot of [7, 7, 9]) drain.add(`took ${slot} ms`, slot)
  const [cluster] = [...drain.clusters]
  t.strictSame(
    [...(cluster as Cluster).counts],
    [
      [7, 2],
      [9, 1],
    ],
  )
  t.equal(cluster?.size, 3)
})

t.test('ends a long line with a placeholder', async (t) => {
  const line = `begin ${'word '.repeat(500)}`
  const [pattern = ''] = patternsOf([line])
  t.ok(pattern.endsWith('<_>'))
  t.ok(compilePatternFilter(pattern)(line))
  t.equal(patternsOf(['x'.repeat(5000)])[0], '<_>')
})

t.test('keeps the clusters with the most lines, up to the maximum', async (t) => {
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  const words = [...letters].flatMap((a) => [...letters].map((b) => `${a}${b} ${b}${a}`))
  const clusters = mine(['often seen', 'often seen', ...words], { clustersMax: 50 })
  t.equal(clusters.length, 50)
  t.ok(clusters.some(({ size }) => size === 2))
})

t.test('remembers a bounded number of shapes', async (t) => {
  const lines = Array.from({ length: 5000 }, (_, i) => `a${'='.repeat(1 + (i % 2500))}b`)
  const clusters = mine(lines, { charsMax: 5000 })
  t.ok(clusters.length <= DRAIN_SETTINGS.clustersMax)
})

/**
 * Matches every line with the pattern's literals in order. `|>` matches fewer lines: as in Loki, each literal matches
 * at its first occurrence.
 */
function shapeOf(pattern: string): RegExp {
  const literals = pattern.split('<_>').map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${literals.join('.*')}$`, 's')
}

t.test('a pattern has the shape of every line of its cluster', async (t) => {
  const word = fc.constantFrom(
    'a',
    'b',
    'user',
    '12',
    'x9',
    '<_>',
    '<a>',
    '<',
    '>',
    '=',
    '"',
    ' ',
    '  ',
    '\t',
    'ü',
    '{}',
    '€',
  )
  const line = fc.oneof(
    fc.array(word, { maxLength: 12 }).map((words) => words.join('')),
    fc.string(),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), fc.integer({ min: 1, max: 8 }), (lines, wordsMax) => {
      const drain = new Drain({ ...DRAIN_SETTINGS, similarityMin: 0.3, wordsMax })
      for (const [i, each] of lines.entries()) drain.add(each, i)
      let total = 0
      for (const { tokens, counts, size } of drain.clusters) {
        const shape = shapeOf(formatPattern(tokens))
        for (const i of counts.keys()) if (!shape.test(lines[i] as string)) return false
        total += size
      }
      return total === lines.length
    }),
    { numRuns: 2000 },
  )
  t.pass('2000 sets of lines')
})
