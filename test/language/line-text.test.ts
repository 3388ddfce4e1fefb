import fc from 'fast-check'
import t from 'tap'
import type { Block } from '../../src/domain/entries/block.ts'
import { lineText } from '../../src/logql/block-search.ts'
import { makeBlock } from './blocks.ts'

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

t.test('the text of a line does not depend on the type of its array', async (t) => {
  const nasty = fc.constantFrom([0xef, 0xbb, 0xbf], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x92], [0xc3, 0xa9])
  const bytes = fc.array(
    fc.oneof(
      nasty,
      fc.uint8Array({ maxLength: 4 }).map((each) => [...each]),
    ),
    { maxLength: 8 },
  )
  const property = fc.property(bytes, (parts) => {
    const text = Uint8Array.from(parts.flat())
    const block: Block = { ...makeBlock([]), count: 1, lineEnds: Uint32Array.of(text.length), text }
    t.equal(lineText(block, 0), UTF8.decode(text))
    t.equal(lineText({ ...block, text: Buffer.from(text) }, 0), UTF8.decode(text))
  })
  fc.assert(property, { numRuns: 1000 })
})
