import t from 'tap'
import { findGramsByKernel, type GramTexts } from '../../src/kernel/kernel-grams.ts'
import { Grams } from '../../src/protocol/blocks/grams.ts'

function linesOf(lines: readonly string[]): GramTexts {
  let end = 0
  const ends = Uint32Array.from(lines, (line) => {
    end += Buffer.byteLength(line)
    return end
  })
  return { bytes: Buffer.from(lines.join('')), ends, arePairs: false }
}

t.test('few bytes are left to TypeScript', async (t) => {
  const grams = new Grams()
  t.equal(findGramsByKernel(linesOf(['a line', 'x'.repeat(4000)]), grams), 0)
  t.notOk(grams.seen.includes(1))
})

t.test('a text larger than the memory ends the part of WebAssembly, and TypeScript goes on from there', async (t) => {
  const id = (i: number): string => (i * 0x9e3779b1).toString(16).padStart(16, 'f')
  const lines = Array.from({ length: 9000 }, (_, i) => `line ${i} of request ${id(i)} `)
  const huge = linesOf([...lines, `${'y'.repeat(5_000_000)} ${id(10_000)}`, ...lines.map((line) => `${line}again`)])
  const [wanted, found] = [new Grams(), new Grams()]
  t.equal(findGramsByKernel(huge, found), 9000)
  found.clear()
  found.add(huge)
  wanted.addFrom(0, huge)
  t.ok(Buffer.from(found.seen).equals(wanted.seen))
  t.ok(wanted.keys.size > 8000)
  t.strictSame(found.keys.values.toSorted(), wanted.keys.values.toSorted())
})
