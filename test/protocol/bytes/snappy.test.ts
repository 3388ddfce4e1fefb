import fc from 'fast-check'
import snappyjs from 'snappyjs'
import t from 'tap'
import { decodeSnappy } from '../../../src/protocol/bytes/snappy.ts'

const LIMIT = 1_000_000

t.test('decodes a block', async (t) => {
  const rows: [name: string, body: number[], wanted: string][] = [
    ['of nothing', [0], ''],
    ['of one literal', [3, 2 << 2, 97, 98, 99], 'abc'],
    ['with a literal length of one byte', [3, 60 << 2, 2, 97, 98, 99], 'abc'],
    ['with a literal length of two bytes', [3, 61 << 2, 2, 0, 97, 98, 99], 'abc'],
    ['with a literal length of four bytes', [3, 63 << 2, 2, 0, 0, 0, 97, 98, 99], 'abc'],
    ['with a short copy', [7, 2 << 2, 97, 98, 99, 1, 3], 'abcabca'],
    ['with a copy of two offset bytes', [6, 2 << 2, 97, 98, 99, (2 << 2) | 2, 3, 0], 'abcabc'],
    ['with a copy of four offset bytes', [6, 2 << 2, 97, 98, 99, (2 << 2) | 3, 3, 0, 0, 0], 'abcabc'],
    ['with a copy that overlaps itself', [65, 0, 97, (63 << 2) | 2, 1, 0], 'a'.repeat(65)],
    ['with a length in more bytes than needed', [0x83, 0x80, 0, 2 << 2, 97, 98, 99], 'abc'],
  ]
  for (const [name, body, wanted] of rows) t.equal(decodeSnappy(Uint8Array.from(body), LIMIT).toString(), wanted, name)
})

t.test('refuses a block', async (t) => {
  const rows: [name: string, body: number[], code: string][] = [
    ['of no bytes', [], 'body_malformed'],
    ['whose length does not end', [0x80, 0x80], 'body_malformed'],
    ['whose length has six bytes', [0x80, 0x80, 0x80, 0x80, 0x80, 0], 'body_malformed'],
    ['whose length passes 32 bits', [0xff, 0xff, 0xff, 0xff, 0x1f], 'body_malformed'],
    ['that declares more than the limit', [0xff, 0xff, 0xff, 0x7f, 0], 'body_too_large'],
    ['that declares more than its bytes can hold', [0x80, 0x80, 0x20, 0, 97], 'body_malformed'],
    ['that ends within a literal', [3, 2 << 2, 97, 98], 'body_malformed'],
    ['that ends within a literal length', [3, 61 << 2, 2], 'body_malformed'],
    ['with a literal of 2^31 bytes', [3, 63 << 2, 0xff, 0xff, 0xff, 0x7f, 97, 98, 99], 'body_malformed'],
    ['with a literal of 2^32 bytes', [3, 63 << 2, 0xff, 0xff, 0xff, 0xff, 97, 98, 99], 'body_malformed'],
    ['that ends within a short copy', [7, 2 << 2, 97, 98, 99, 1], 'body_malformed'],
    ['that ends within a copy of two offset bytes', [6, 2 << 2, 97, 98, 99, (2 << 2) | 2, 3], 'body_malformed'],
    ['that ends within a copy of four offset bytes', [6, 2 << 2, 97, 98, 99, 11, 3, 0, 0], 'body_malformed'],
    ['with a copy of offset 0', [6, 2 << 2, 97, 98, 99, (2 << 2) | 2, 0, 0], 'body_malformed'],
    ['with a copy from before the output', [6, 2 << 2, 97, 98, 99, (2 << 2) | 2, 4, 0], 'body_malformed'],
    ['with a copy from 2^31 bytes before', [6, 2 << 2, 97, 98, 99, 11, 0, 0, 0, 0x80], 'body_malformed'],
    ['that holds more than it declares', [2, 2 << 2, 97, 98, 99], 'body_malformed'],
    ['that copies more than it declares', [5, 2 << 2, 97, 98, 99, (2 << 2) | 2, 3, 0], 'body_malformed'],
    ['that holds less than it declares', [4, 2 << 2, 97, 98, 99], 'body_malformed'],
    ['of the framed format', [0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59], 'body_malformed'],
  ]
  for (const [name, body, code] of rows) t.throws(() => decodeSnappy(Uint8Array.from(body), LIMIT), { code }, name)
})

t.test('reports both sizes of a block over the limit', async (t) => {
  const words = 'request body too large: 6 bytes of snappy declare 1000001, the limit is 1000000 bytes'
  t.throws(() => decodeSnappy(Uint8Array.from([0xc1, 0x84, 0x3d, 0, 0, 0]), LIMIT), { message: new RegExp(words) })
})

t.test('decodes what snappyjs encodes', async (t) => {
  // Few distinct pieces, so that there are many copies.
  const pieces = fc.array(fc.constantFrom('a', 'abc', '{"level":"info"}', 'é', '0123456789'.repeat(20), '\n'), {
    maxLength: 400,
  })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    pieces.map((some) => new Uint8Array(Buffer.from(some.join('')))),
  )
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        bytes,
        (original) => Buffer.compare(decodeSnappy(snappyjs.compress(original), LIMIT), original) === 0,
      ),
      { numRuns: 300 },
    ),
  )
})

t.test('equals snappyjs for any elements', async (t) => {
  const literal = fc
    .uint8Array({ minLength: 1, maxLength: 59 })
    .map((bytes) => ({ wire: [(bytes.length - 1) << 2, ...bytes], length: bytes.length }))
  const copy = fc
    .tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 40 }))
    .map(([length, offset]) => ({ wire: [((length - 1) << 2) | 2, offset, 0], length }))
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(fc.oneof(literal, copy), { maxLength: 40 }), (elements) => {
        const length = elements.reduce((sum, element) => sum + element.length, 0)
        const body = Uint8Array.from([(length & 0x7f) | 0x80, length >> 7, ...elements.flatMap(({ wire }) => wire)])
        const wanted = attempt(() => snappyjs.uncompress(body))
        const given = attempt(() => decodeSnappy(body, LIMIT))
        return wanted === given
      }),
      { numRuns: 500 },
    ),
  )
})

function attempt(decode: () => Uint8Array): string {
  try {
    return Buffer.from(decode()).toString('hex')
  } catch {
    return 'refused'
  }
}
