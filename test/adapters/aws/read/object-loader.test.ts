import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { type Damage, loadObject } from '../../../../src/adapters/aws/read/object-loader.ts'
import type { Batch } from '../../../../src/domain/entries/batch.ts'
import { encodeArchive } from '../../../../src/protocol/archive/archive-encode.ts'
import { allEntries, plainStreams, textsOf } from '../../../protocol/archive/archive-batches.ts'
import { FixedClock, makeBatch, openAdmission } from '../../../support/helper.ts'

/** The entries and the damage of an object of these pieces. */
async function load(
  pieces: readonly Uint8Array[],
  careFrom?: number,
): Promise<{ texts: string[]; damage: Damage | undefined }> {
  const texts: string[] = []
  const append = async (batch: Batch) => void texts.push(...textsOf(batch))
  const damage = await loadObject(pieces, append, careFrom === undefined ? {} : { careFrom })
  return { texts: [...new Set(texts)].sort(), damage }
}

async function encode(batch: Batch, memberBytesMax = 1_000_000): Promise<Buffer> {
  const members = await encodeArchive(batch, allEntries(batch), { memberBytesMax, textBytesMax: 200 })
  return Buffer.concat(members.map(({ bytes }) => bytes))
}

function cut(bytes: Uint8Array, length: number): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += length) pieces.push(bytes.subarray(at, at + length))
  return pieces
}

t.test('returns the entries of any number of members and tenants, for any split of the bytes', async (t) => {
  const streams = fc.array(plainStreams, { minLength: 1, maxLength: 3 })
  const property = fc.asyncProperty(streams, fc.integer({ min: 1, max: 400 }), async (all, length) => {
    const batches = all.map((each, i) => makeBatch(each, openAdmission(new FixedClock(), ['a', '__proto__', 'b'][i])))
    const bytes = Buffer.concat(await Promise.all(batches.map((batch) => encode(batch))))
    const { texts, damage } = await load(cut(bytes, length))
    if (damage !== undefined) throw new Error(damage.why)
    if (texts.join('\n') !== textsOf(...batches).join('\n')) throw new Error(`found ${texts}`)
  })
  await fc.assert(property, { numRuns: 60 })
  t.pass()
})

t.test('an empty object has no entries', async (t) => {
  t.same(await load([]), { texts: [], damage: undefined })
})

t.test('truncated anywhere, it returns all entries of complete lines', async (t) => {
  const streams = Array.from({ length: 6 }, (_, i) => ({
    labels: { app: `${i}` },
    entries: [{ ns: 1n, line: `line ${i}` }],
  }))
  const bytes = await encode(makeBatch(streams, openAdmission(new FixedClock())))
  let known = 0
  for (let length = 1; length < bytes.length; length++) {
    const { texts, damage } = await load([bytes.subarray(0, length)])
    t.ok(texts.length >= known && texts.length <= 6, `${texts.length} entries of ${length} bytes`)
    if (damage === undefined) known = texts.length
  }
})

t.test('careFrom recovers entries of the piece in which zlib failed', async (t) => {
  const good = await encode(
    makeBatch([{ labels: { a: 'b' }, entries: [{ ns: 1n, line: 'good' }] }], openAdmission(new FixedClock())),
  )
  const pieces = [Buffer.concat([good, Buffer.from('no gzip')])]
  const careless = await load(pieces)
  t.same(careless.texts, [])
  t.equal(careless.damage?.failedAt, 0)
  const careful = await load(pieces, careless.damage?.failedAt)
  t.equal(careful.texts.length, 1)
  t.match(careful.damage?.why, /cannot be decompressed/)
})

t.test('any bytes give entries or damage', async (t) => {
  const noise = fc.uint8Array({ maxLength: 300 })
  const text = fc.oneof(
    noise,
    fc.string().map((line) => Buffer.from(`{"time":"2026-11-21T10:00:00Z",${line}}\n`)),
  )
  const object = fc.oneof(
    noise,
    fc.array(text).map((texts) => Buffer.concat(texts.map((each) => gzipSync(each)))),
  )
  const property = fc.asyncProperty(object, fc.integer({ min: 1, max: 50 }), async (bytes, length) => {
    const { damage } = await load(cut(bytes, length))
    if (damage?.failedAt !== undefined) await load(cut(bytes, length), damage.failedAt)
  })
  await fc.assert(property, { numRuns: 200 })
  t.pass()
})

t.test('an endless line is damage, and is not buffered', async (t) => {
  const megabyte = gzipSync(Buffer.alloc(1024 * 1024, 'x'))
  const { texts, damage } = await load(Array.from({ length: 70 }, () => megabyte))
  t.same(texts, [])
  t.match(damage?.why, /longer than 67108864 bytes/)
})

t.test('an abort ends an inflation without entries', async (t) => {
  const member = gzipSync(Buffer.alloc(2 ** 20, '\n'))
  const leaving = new AbortController()
  let pieces = 0
  const body = function* () {
    for (let i = 0; i < 8; i++) {
      if (++pieces === 3) leaving.abort(new Error('left'))
      yield member
    }
  }
  const loading = loadObject(body(), () => Promise.reject(new Error('BUG: no entries')), { signal: leaving.signal })
  await t.rejects(loading, { message: 'left' })
  t.equal(pieces, 3)
})
