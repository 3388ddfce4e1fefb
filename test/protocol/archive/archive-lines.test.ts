import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import type { Batch } from '../../../src/domain/entries/batch.ts'
import { encodeArchive } from '../../../src/protocol/archive/archive-encode.ts'
import { decodeArchiveLines } from '../../../src/protocol/archive/archive-lines.ts'
import { FixedClock, makeBatch, openAdmission } from '../../support/helper.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { allEntries, decodeToBatches, plainStreams, textsOf } from './archive-batches.ts'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 500)
const LIMITS = { memberBytesMax: 1_000_000 }
const clock = new FixedClock()

async function encodeText(batch: Batch): Promise<Buffer> {
  const members = await encodeArchive(batch, allEntries(batch), LIMITS)
  return gunzipSync(Buffer.concat(members.map(({ bytes }) => bytes)))
}

const one = (line: string, ns = 1_795_255_200_000_000_001n) =>
  makeBatch(
    [{ labels: { app: 'a', __proto__x: 'b' }, entries: [{ ns, line, metadata: { k: 'v', detected_level: 'warn' } }] }],
    openAdmission(clock),
  )

t.test('a line is one JSON object with the complete entry', async (t) => {
  const text = (await encodeText(one('a "quoted"\tline\u0001'))).toString()
  const before =
    '{"time":"2026-11-21T10:00:00.000000001Z","tenant":"fake","labels":{"__proto__x":"b","app":"a"},"metadata":{"detected_level":"warn","k":"v"},"line":"a \\"quoted\\"\\tline\\u0001"'
  const id = createHash('sha256').update(before).digest('hex').slice(0, 16)
  t.equal(text, `${before},"id":"${id}"}\n`)
})

t.test('an entry without metadata has none in its line', async (t) => {
  const batch = makeBatch([{ labels: { app: 'a' }, entries: [{ ns: 5n, line: 'x' }] }], openAdmission(clock))
  t.notMatch((await encodeText(batch)).toString(), 'metadata')
})

const TIME_ROWS: [ns: bigint, time: string][] = [
  [0n, '1970-01-01T00:00:00.000000000Z'],
  [-1n, '1969-12-31T23:59:59.999999999Z'],
  [999_999_999n, '1970-01-01T00:00:00.999999999Z'],
  [1_795_219_199_999_999_999n, '2026-11-20T23:59:59.999999999Z'],
  [1_795_219_200_000_000_000n, '2026-11-21T00:00:00.000000000Z'],
  [9_223_372_035_999_999_999n, '2262-04-11T23:47:15.999999999Z'],
  [-9_223_372_035_000_000_000n, '1677-09-21T00:12:45.000000000Z'],
]
for (const [ns, time] of TIME_ROWS) {
  t.test(`${ns} ns is written as ${time}`, async (t) => {
    t.match((await encodeText(one('x', ns))).toString(), `{"time":"${time}"`)
  })
}

t.test('decoding returns every encoded entry', async () => {
  await fc.assert(
    fc.asyncProperty(plainStreams, async (streams) => {
      const batch = makeBatch(streams, openAdmission(clock, 'ten"ant'))
      const { batches, refused } = decodeToBatches(await encodeText(batch))
      const found = batches.get('ten"ant') as Batch
      t.equal(refused, 0)
      t.same(textsOf(found), textsOf(batch))
    }),
    { numRuns: RUNS },
  )
})

t.test('lines of any bytes come back as they were', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 5 }), async (lines) => {
      const plain = makeBatch(
        [{ labels: { app: 'a' }, entries: lines.map((_, i) => ({ ns: BigInt(i), line: '' })) }],
        openAdmission(clock),
      )
      let at = 0
      const ends = Uint32Array.from(lines, ({ length }) => (at += length))
      const starts = Uint32Array.from(lines, ({ length }, i) => (ends[i] as number) - length)
      const batch = { ...plain, text: Buffer.concat(lines), starts, ends }
      const text = await encodeText(batch)
      // The output is always UTF-8: an invalid line must not make the object unreadable for other readers.
      new TextDecoder('utf-8', { fatal: true }).decode(text)
      t.same(textsOf(decodeToBatches(text).batches.get('fake') as Batch), textsOf(batch))
    }),
    { numRuns: RUNS },
  )
})

const GOOD = '{"time":"2026-11-21T10:00:00.5Z","tenant":"a","labels":{"x":"1"},"line":"good"}'

function decodeText(text: string | Uint8Array) {
  const sinks: RecordingSink[] = []
  const counts = decodeArchiveLines(Buffer.from(text), () => {
    const sink = new RecordingSink()
    sinks.push(sink)
    return sink
  })
  return { ...counts, streams: sinks.flatMap(({ streams }) => streams) }
}

const ACCEPTED_ROWS: [name: string, text: string, entries: number][] = [
  ['keys in another order', '{"line":"x","labels":{},"tenant":"a","time":"2026-11-21T10:00:00Z"}', 1],
  ['keys that nobody knows', GOOD.replace('{', '{"extra":[1,{"line":"no"}],'), 1],
  ['a time with an offset', GOOD.replace('.5Z', '+01:00'), 1],
  ['lines that end with CR LF', `${GOOD}\r\n${GOOD}\r\n`, 2],
  ['empty lines between', `\n${GOOD}\n\n  \n${GOOD}`, 2],
]
for (const [name, text, entries] of ACCEPTED_ROWS) {
  t.test(`takes ${name}`, async (t) => {
    t.match(decodeText(text), { entries, refused: 0 })
  })
}

const REFUSED_ROWS: [name: string, line: string][] = [
  ['no JSON', 'hello'],
  ['an array', '[]'],
  ['a line that ends early', '{"time":"2026-11-21T10:00:00Z","tenant":"a","labels":{'],
  ['a string that never ends', '{"time":"'],
  ['an object that goes on in the next line', '{"line":'],
  ['two objects', `${GOOD}${GOOD}`],
  ['no time', GOOD.replace('time', 'when')],
  ['no tenant', GOOD.replace('tenant', 'owner')],
  ['no labels', GOOD.replace('labels', 'stream')],
  ['no line', GOOD.replace('"line"', '"text"')],
  ['an invalid time', GOOD.replace('21T', '41T')],
  ['a time with letters', GOOD.replace('00.5', '00.x')],
  ['a line that is a number', GOOD.replace('"good"', '5')],
  ['labels that are an array', GOOD.replace('{"x":"1"}', '["x"]')],
  ['a label that is a number', GOOD.replace('"1"', '1')],
  ['metadata that is null', GOOD.replace('{', '{"metadata":null,')],
  ['a pair of metadata that is an object', GOOD.replace('{', '{"metadata":{"k":{}},')],
  ['a NUL', `${GOOD.slice(0, -1)}\u0000}`],
]
for (const [name, line] of REFUSED_ROWS) {
  t.test(`counts ${name} and reads the lines around it`, async (t) => {
    const { entries, refused, streams } = decodeText(`${GOOD}\n${line}\n${GOOD}\n`)
    t.match({ entries, refused }, { entries: 2, refused: 1 })
    t.same(
      streams.flatMap((stream) => stream.entries.map((entry) => entry.line)),
      ['good', 'good'],
    )
  })
}

t.test('only the requested tenants are read', async (t) => {
  const sink = new RecordingSink()
  const text = Buffer.from([GOOD, GOOD.replace('"a"', '"b"'), GOOD].join('\n'))
  t.match(
    decodeArchiveLines(text, (tenant) => (tenant === 'a' ? sink : undefined)),
    { entries: 3, refused: 0 },
  )
  t.equal(sink.streams.flatMap(({ entries }) => entries).length, 2)
})

t.test('any bytes give entries or rejections', async (t) => {
  const good = Buffer.from(`${GOOD}\n${GOOD.replace('}', ',"bytes":"/w=="}')}\n`)
  const broken = fc
    .tuple(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }), fc.nat(good.length))
    .map(([edits, length]) => {
      const bytes = Buffer.from(good)
      for (const [at, byte] of edits) bytes[at] = byte
      return bytes.subarray(0, length)
    })
  fc.assert(
    fc.property(fc.oneof(broken, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      const lines = bytes.filter((byte) => byte === 0x0a).length + 1
      const { entries, refused, streams } = decodeText(bytes)
      t.ok(entries + refused <= lines)
      t.equal(streams.flatMap((stream) => stream.entries).length, entries)
    }),
    { numRuns: RUNS },
  )
})
