import fc from 'fast-check'
import t from 'tap'
import { readLines } from '../../../src/cli/push/read-lines.ts'

async function linesOf(chunks: readonly Uint8Array[], lineBytesMax = 100) {
  const source = (async function* () {
    yield* chunks
  })()
  const lines: [number, string][] = []
  const tooLong: number[] = []
  for await (const read of readLines(source, lineBytesMax, () => 0)) {
    for (const [i, line] of read.lines.entries()) lines.push([read.numbers[i] as number, Buffer.from(line).toString()])
    tooLong.push(...read.tooLong)
  }
  return { lines, tooLong }
}

const ROWS: readonly (readonly [name: string, text: string, lines: readonly [number, string][], tooLong: number[]])[] =
  [
    [
      'LF',
      'a\nb\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
      [],
    ],
    [
      'CRLF',
      'a\r\nb\r\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
      [],
    ],
    [
      'no end of the last line',
      'a\nb',
      [
        [1, 'a'],
        [2, 'b'],
      ],
      [],
    ],
    [
      'empty lines are left out but counted',
      '\na\n\n\nb\n',
      [
        [2, 'a'],
        [5, 'b'],
      ],
      [],
    ],
    ['nothing', '', [], []],
    [
      'characters of several bytes',
      'é\n漢字\n👍\n',
      [
        [1, 'é'],
        [2, '漢字'],
        [3, '👍'],
      ],
      [],
    ],
    [
      'a line that is too long is skipped',
      `a\n${'x'.repeat(101)}\nb\n`,
      [
        [1, 'a'],
        [3, 'b'],
      ],
      [2],
    ],
    ['the last line is too long', `a\n${'x'.repeat(500)}`, [[1, 'a']], [2]],
  ]

for (const [name, text, lines, tooLong] of ROWS) {
  t.test(`lines of bytes: ${name}`, async (t) => {
    t.strictSame(await linesOf([Buffer.from(text)]), { lines, tooLong })
    const bytes = [...Buffer.from(text)].map((byte) => Uint8Array.of(byte))
    t.strictSame(await linesOf(bytes), { lines, tooLong }, 'the same byte by byte')
  })
}

t.test('chunk boundaries make no difference', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(60)), async (text, cuts) => {
      const bytes = Buffer.from(text)
      const edges = [0, ...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length]
      const chunks = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge))
      t.strictSame(await linesOf(chunks, 40), await linesOf([bytes], 40))
    }),
    { numRuns: 200 },
  )
})
