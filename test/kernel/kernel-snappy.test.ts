import snappyjs from 'snappyjs'
import t from 'tap'
import { decodeElementsByKernel } from '../../src/kernel/kernel-snappy.ts'

/** Position of the elements: the declared length of these blocks takes `headBytes`. */
function decoded(text: Buffer, headBytes: number): { isDecoded: boolean; output: Buffer } {
  const output = Buffer.alloc(text.length)
  return { isDecoded: decodeElementsByKernel(snappyjs.compress(text), headBytes, output), output }
}

t.test('decodes blocks of any size that fits', async (t) => {
  for (const length of [1024, 1025, 5000, 16_383]) {
    const text = Buffer.from(Array.from({ length }, (_, i) => (i * i) & 0x3f))
    const { isDecoded, output } = decoded(text, 2)
    t.ok(isDecoded, `${length} bytes`)
    t.ok(output.equals(text), `${length} bytes`)
  }
  const large = Buffer.alloc(3_000_000, 'a line that comes again and again\n')
  const { isDecoded, output } = decoded(large, 4)
  t.ok(isDecoded)
  t.ok(output.equals(large))
})

t.test('leaves blocks that are too small or too large to TypeScript', async (t) => {
  t.notOk(decoded(Buffer.alloc(1023, 'a'), 2).isDecoded)
  t.notOk(decoded(Buffer.alloc(9_000_000, 'a'), 4).isDecoded)
})
