import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import { type ArchiveTextLimits, readArchiveText } from '../../src/protocol/archive-text.ts'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 200)
const LIMITS: ArchiveTextLimits = { partBytes: 100, lineBytesMax: 1000, bytesMax: 100_000 }

/** The bytes in chunks of these sizes, the last one again and again. */
async function* chunked(bytes: Uint8Array, sizes: readonly number[] = [bytes.length]) {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[Math.min(i, sizes.length - 1)] ?? bytes.length)
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function partsOf(source: AsyncIterable<Uint8Array>, limits = LIMITS): Promise<string[]> {
  const parts: string[] = []
  for await (const part of readArchiveText(source, limits)) parts.push(Buffer.from(part).toString())
  return parts
}

const lines = fc
  .array(fc.string({ maxLength: 80 }), { maxLength: 40 })
  .map((found) => found.map((line) => `${line.replaceAll('\n', ' ')}\n`))
const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 })

t.test('whatever the members and chunks, the parts are the text, cut behind lines', async () => {
  await fc.assert(
    fc.asyncProperty(lines, sizes, fc.boolean(), fc.nat(40), async (all, sizes, isGzip, cut) => {
      const text = all.join('')
      const halves = [all.slice(0, cut).join(''), all.slice(cut).join('')]
      const bytes = isGzip ? Buffer.concat(halves.map((half) => gzipSync(half))) : Buffer.from(text)
      const parts = await partsOf(chunked(bytes, sizes))
      t.equal(parts.join(''), text)
      for (const part of parts) t.ok(part.endsWith('\n'))
    }),
    { numRuns: RUNS },
  )
})

t.test('a last line without its end is given too', async (t) => {
  t.same(await partsOf(chunked(gzipSync('a\nb'))), ['a\nb'])
})

t.test('nothing gives nothing', async (t) => {
  t.same(await partsOf(chunked(Buffer.alloc(0))), [])
  t.same(await partsOf(chunked(gzipSync(''))), [])
})

t.test('what comes before the damage is given', async (t) => {
  const good = `${'x'.repeat(200)}\n`
  const cut = gzipSync(Buffer.concat([Buffer.from(good), Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251))]))
  const found: string[] = []
  const reading = async () => {
    const source = chunked(Buffer.concat([gzipSync(good), cut.subarray(0, cut.length - 20)]), [50])
    for await (const part of readArchiveText(source, LIMITS)) found.push(Buffer.from(part).toString())
  }
  await t.rejects(reading(), { code: 'store_damaged', message: /cut short or no gzip/ })
  t.ok(found.join('').startsWith(good))
})

const DAMAGED_ROWS: [name: string, bytes: Uint8Array, message: RegExp][] = [
  ['gzip without its end', gzipSync('a\nb\n').subarray(0, 15), /cut short or no gzip/],
  ['gzip with a changed byte', gzipSync('a\nb\n').fill(0xff, 12, 14), /cut short or no gzip/],
  ['a line without an end', gzipSync('x'.repeat(1200)), /a line has more than 1000 bytes/],
  ['a bomb', gzipSync('x\n'.repeat(1_000_000)), /inflates to more than 100000 bytes/],
]
for (const [name, bytes, message] of DAMAGED_ROWS) {
  t.test(`refuses ${name}`, async (t) => {
    await t.rejects(partsOf(chunked(bytes, [10])), { code: 'store_damaged', message })
  })
}

t.test('any bytes give parts or a GatewayError', async () => {
  const gzip = gzipSync('{"line":"x"}\n'.repeat(50))
  const edited = fc
    .array(fc.tuple(fc.nat(gzip.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 })
    .map((edits) => {
      const bytes = Buffer.from(gzip)
      for (const [at, byte] of edits) bytes[at] = byte
      return bytes
    })
  await fc.assert(
    fc.asyncProperty(fc.oneof(edited, fc.uint8Array({ maxLength: 100 })), sizes, async (bytes, sizes) => {
      try {
        await partsOf(chunked(bytes, sizes))
      } catch (error) {
        t.type(error, GatewayError)
      }
    }),
    { numRuns: RUNS },
  )
})

t.test('a source that fails is not called damaged', async (t) => {
  const failure = new GatewayError('store_unavailable', 'no connection')
  const source = async function* () {
    yield gzipSync('a\n'.repeat(1000)).subarray(0, 12)
    throw failure
  }
  await t.rejects(partsOf(source()), failure)
})

t.test('a reader that stops early closes the source', async (t) => {
  let isClosed = false
  const source = async function* () {
    try {
      for (;;) yield gzipSync('a\n'.repeat(1000))
    } finally {
      isClosed = true
    }
  }
  for await (const part of readArchiveText(source(), LIMITS)) {
    t.ok(part.length > 0)
    break
  }
  t.ok(isClosed)
})
