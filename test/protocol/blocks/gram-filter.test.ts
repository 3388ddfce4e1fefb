import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { writeVarint } from '../../../src/domain/entries/batch.ts'
import type { Block } from '../../../src/domain/entries/block.ts'
import { makeNsColumn } from '../../../src/domain/time.ts'
import { foldCase } from '../../../src/logql/regexp/case-fold.ts'
import {
  FilterBuilder,
  gramsOf,
  mayHaveHex,
  mayHaveTrigrams,
  openSection,
} from '../../../src/protocol/blocks/gram-filter.ts'

const ID = 7

function blockOf(lines: readonly Uint8Array[], values: readonly Uint8Array[] = []): Block {
  const count = Math.max(lines.length, values.length, 1)
  const texts = Array.from({ length: count }, (_, i) => lines[i] ?? new Uint8Array(0))
  const pairs = Array.from({ length: count }, (_, i) => {
    const value = values[i]
    if (value === undefined) return new Uint8Array(0)
    const bytes = new Uint8Array(value.length + 20)
    let at = writeVarint(bytes, 0, 4)
    bytes.set(Buffer.from('name'), at)
    at = writeVarint(bytes, at + 4, value.length)
    bytes.set(value, at)
    return bytes.subarray(0, at + value.length)
  })
  return {
    runs: [{ key: '{}', labels: [], start: 0, end: count }],
    count,
    timestamps: makeNsColumn(count),
    levels: new Uint8Array(count),
    lineEnds: endsOf(texts),
    text: Buffer.concat(texts),
    metadataEnds: endsOf(pairs),
    metadata: Buffer.concat(pairs),
  }
}

function endsOf(parts: readonly Uint8Array[]): Uint32Array {
  let end = 0
  return Uint32Array.from(parts, ({ length }) => {
    end += length
    return end
  })
}

const builder = new FilterBuilder()

function asker(block: Block): (bytes: Uint8Array, ignoresCase?: boolean) => boolean {
  const encoded = builder.build(block, ID)
  const [trigrams, hex] = [openSection(encoded.trigrams, ID), openSection(encoded.hex, ID)]
  return (bytes, ignoresCase = false) => {
    const grams = gramsOf({ bytes, ignoresCase })
    return mayHaveTrigrams(trigrams, grams) && mayHaveHex(hex, grams)
  }
}

const hexText = fc
  .array(fc.constantFrom(...'0123456789abcdefABCDEF-'), { maxLength: 80 })
  .map((chars) => Buffer.from(chars.join('')))
const piece = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  hexText,
  fc.string({ unit: 'grapheme', maxLength: 10 }).map((text) => Buffer.from(text)),
  fc
    .constantFrom('trace_id=', '"', '\n', 'ERROR ', 'Kelvin \u212a s \u017f', 'request ')
    .map((text) => Buffer.from(text)),
)
const line = fc.array(piece, { maxLength: 6 }).map((pieces) => Buffer.concat(pieces))
const cut = fc.tuple(fc.nat({ max: 1_000_000 }), fc.nat({ max: 1_000_000 }), fc.nat({ max: 100 }))

t.test('any substring of any line or metadata value is possibly there, whatever its bytes', async (t) => {
  const lines = fc.array(line, { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(
      lines,
      fc.array(line, { maxLength: 8 }),
      fc.array(cut, { minLength: 1, maxLength: 20 }),
      (a, b, cuts) => {
        const mayHave = asker(blockOf(a, b))
        const all = [...a, ...b]
        for (const [which, start, length] of cuts) {
          const text = all[which % all.length] as Uint8Array
          const from = start % (text.length + 1)
          const needle = text.subarray(from, from + length)
          if (!mayHave(needle)) throw new Error(`no for ${Buffer.from(needle).toString('hex')}`)
        }
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('a text that is equal under the flag i is possibly there', async (t) => {
  const char = fc.constantFrom(
    ...'kKsSaAzZ09_ ',
    '\u212a',
    '\u017f',
    'ä',
    'Ä',
    'ß',
    'ẞ',
    'İ',
    'ı',
    'Å',
    '\u212b',
    'Σ',
    'ς',
  )
  const text = fc.array(char, { minLength: 1, maxLength: 12 }).map((chars) => chars.join(''))
  fc.assert(
    fc.property(text, fc.array(fc.nat({ max: 20 })), (stored, flips) => {
      const variants = [...stored].map((each, i) => {
        const all = [...'kKsSaAzZäÄßẞİıåÅΣςσ\u212a\u017f\u212b'].filter((other) => foldCase(other) === foldCase(each))
        return all.length === 0 ? each : (all[(flips[i] ?? 0) % all.length] as string)
      })
      const needle = variants.join('')
      if (!asker(blockOf([Buffer.from(stored)]))(Buffer.from(needle), true)) throw new Error(`no for ${needle}`)
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

t.test('absent words and identifiers are excluded', async (t) => {
  const id = (n: number): string => createHash('md5').update(`${n}`).digest('hex')
  const lines = Array.from({ length: 5000 }, (_, i) =>
    Buffer.from(`level=info msg="served request" trace=${id(i)} status=${i}`),
  )
  const mayHave = asker(blockOf(lines, [Buffer.from(`${id(9_000)}`)]))
  for (const word of ['deadlock', 'OutOfMemoryError', 'panic:', 'xyz']) t.notOk(mayHave(Buffer.from(word)), word)
  t.ok(mayHave(Buffer.from('SERVED request')), 'letters of either case are one')
  t.ok(mayHave(Buffer.from(id(4321))))
  t.ok(mayHave(Buffer.from(id(9_000).slice(3, 25))), 'of the metadata')
  const absent = Array.from({ length: 500 }, (_, i) => id(10_000 + i))
  t.ok(absent.filter((each) => mayHave(Buffer.from(each))).length <= 2)
  t.ok(absent.filter((each) => mayHave(Buffer.from(each.slice(0, 16)))).length <= 25)
  t.ok(mayHave(Buffer.from('ab')), 'two bytes rule out nothing')
})

t.test('a needle across two lines does not match', async (t) => {
  const mayHave = asker(blockOf([Buffer.from('abc'), Buffer.from('xyz')]))
  t.ok(mayHave(Buffer.from('abc')))
  t.notOk(mayHave(Buffer.from('bcx')))
})

t.test('damage at any byte, truncation, or another block: rejected', async (t) => {
  const { trigrams, hex } = builder.build(blockOf([Buffer.from('0123456789abcdef0123')]), ID)
  for (const section of [trigrams.slice(), hex.slice()]) {
    t.equal(openSection(section, ID).length, section.length - 5)
    t.throws(() => openSection(section, ID + 1), { code: 'store_damaged' })
    t.throws(() => openSection(section.subarray(0, -1), ID), { code: 'store_damaged' })
    t.throws(() => openSection(section.subarray(0, 3), ID), { code: 'store_damaged' })
    for (let at = 0; at < section.length; at += Math.ceil(section.length / 40)) {
      const damaged = section.slice()
      damaged[at] = (damaged[at] as number) ^ 1
      t.throws(() => openSection(damaged, ID), { code: 'store_damaged' })
    }
  }
})
