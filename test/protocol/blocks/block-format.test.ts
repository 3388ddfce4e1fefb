import { crc32, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import type { Block, StreamRun } from '../../../src/domain/entries/block.ts'
import { startOf } from '../../../src/domain/entries/block.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import { makeNsColumn, NS_MAX, NS_MIN } from '../../../src/domain/time.ts'
import {
  decodeBlock,
  decodeColumns,
  type EncodedBlock,
  encodeBlock,
  PartialBlock,
} from '../../../src/protocol/blocks/block-format.ts'

interface PlainRun {
  readonly times: readonly bigint[]
  readonly entries: readonly { readonly line: Uint8Array; readonly metadata: Uint8Array; readonly level: number }[]
}

function makeBlock(plain: readonly PlainRun[]): Block {
  const entries = plain.flatMap((run) => run.entries)
  const times = plain.flatMap((run) => run.times)
  const timestamps = makeNsColumn(times.length)
  timestamps.values.set(times)
  const runs: StreamRun[] = []
  for (const [i, run] of plain.entries()) {
    const start = runs.at(-1)?.end ?? 0
    runs.push({ key: `{run="${i}"}`, labels: [{ name: 'run', value: `${i}` }], start, end: start + run.times.length })
  }
  return {
    runs,
    count: times.length,
    timestamps,
    levels: Uint8Array.from(entries, ({ level }) => level),
    lineEnds: endsOf(entries.map(({ line }) => line.length)),
    text: Buffer.concat(entries.map(({ line }) => line)),
    metadataEnds: endsOf(entries.map(({ metadata }) => metadata.length)),
    metadata: Buffer.concat(entries.map(({ metadata }) => metadata)),
  }
}

function endsOf(lengths: readonly number[]): Uint32Array {
  let end = 0
  return Uint32Array.from(lengths, (length) => {
    end += length
    return end
  })
}

/** The contents of a block, comparable by value. */
function describe(block: Block): unknown {
  const { runs, count, timestamps, levels, lineEnds, text, metadataEnds, metadata } = block
  const bytes = [levels, text, metadata].map((each) => Buffer.from(each).toString('base64'))
  return {
    runs,
    count,
    times: [...timestamps.values].map(String),
    bytes,
    lineEnds: [...lineEnds],
    metadataEnds: [...metadataEnds],
  }
}

const time = fc.oneof(
  fc.bigInt({ min: NS_MIN, max: NS_MAX }),
  fc.bigInt({ min: -3n, max: 3n }),
  fc.bigInt({ min: 2n ** 32n - 3n, max: 2n ** 32n + 3n }),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
  fc.bigInt({ min: 1_795_262_400_000_000_000n, max: 1_795_262_400_000_001_000n }),
)
const bytesOf = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.constant(new Uint8Array(0)),
    fc.uint8Array({ maxLength }),
    fc.integer({ min: 0, max: 60_000 }).map((n) => new Uint8Array(n).fill(65)),
  )
const entry = fc.record({ line: bytesOf(40), metadata: fc.uint8Array({ maxLength: 20 }), level: fc.nat(8) })
const run: fc.Arbitrary<PlainRun> = fc.array(fc.tuple(time, entry), { minLength: 1, maxLength: 8 }).map((pairs) => ({
  times: pairs.map(([ns]) => ns).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
  entries: pairs.map(([, each]) => each),
}))
const block = fc.array(run, { minLength: 1, maxLength: 5 }).map(makeBlock)

t.test('a decoded block equals the encoded one: any times, empty lines, metadata, levels', async (t) => {
  fc.assert(
    fc.property(block, (each) => {
      const encoded = encodeBlock(each)
      t.same(describe(decodeBlock(encoded, each.runs)), describe(each))
      const columns = decodeColumns(encoded.columns, each.runs)
      t.same(describe(columns), describe({ ...each, text: new Uint8Array(0), metadata: new Uint8Array(0) }))
    }),
    { numRuns: 200 },
  )
})

t.test('a block read for some runs has their lines and metadata', async (t) => {
  const property = fc.asyncProperty(block, fc.array(fc.nat(5)), async (each, picks) => {
    const encoded = encodeBlock(each)
    const columns = decodeColumns(encoded.columns, each.runs)
    const runs = each.runs.filter((_, i) => picks.includes(i))
    for (const isAhead of [false, true]) {
      const part = await openPart(columns, encoded, runs, isAhead)
      t.equal(part.text.length, each.text.length)
      for (const { start, end } of runs) {
        t.same(slice(part.text, part.lineEnds, start, end), slice(each.text, each.lineEnds, start, end))
        t.same(slice(part.metadata, part.metadataEnds, start, end), slice(each.metadata, each.metadataEnds, start, end))
      }
    }
  })
  await fc.assert(property, { numRuns: 200 })
})

/** A part of a block, in used memory that is longer than needed. */
async function openPart(
  columns: Block,
  encoded: EncodedBlock,
  runs: readonly StreamRun[],
  isAhead: boolean,
): Promise<PartialBlock> {
  const part = new PartialBlock(columns, encoded, runs, (bytes) => Buffer.alloc(bytes + 100, 0xaa))
  if (isAhead) await part.loadText()
  return part
}

function slice(bytes: Uint8Array, ends: Uint32Array, start: number, end: number): string {
  return Buffer.from(bytes.subarray(startOf(ends, start), ends[end - 1])).toString('base64')
}

t.test('a section of several frames is cut between runs', async (t) => {
  const text = (letter: string): Uint8Array => Buffer.from(letter.repeat(300_000))
  const runs = ['a', 'b', 'c'].map((letter) => ({
    times: [1n],
    entries: [{ line: text(letter), metadata: new Uint8Array(0), level: 0 }],
  }))
  const each = makeBlock(runs)
  const encoded = encodeBlock(each)
  t.equal(new DataView(encoded.text.buffer, encoded.text.byteOffset).getUint32(0, true), 3)
  t.same(describe(decodeBlock(encoded, each.runs)), describe(each))
  const [, second] = each.runs
  const part = await openPart(decodeColumns(encoded.columns, each.runs), encoded, [second as StreamRun], true)
  t.equal(slice(part.text, part.lineEnds, 1, 2), Buffer.from(text('b')).toString('base64'))
})

t.test('lines that are loaded with help are the same', async (t) => {
  const runs = ['a', 'b', 'c', 'd'].map((letter) => ({
    times: [1n],
    entries: [{ line: Buffer.from(letter.repeat(200_000)), metadata: new Uint8Array(0), level: 0 }],
  }))
  const each = makeBlock(runs)
  const encoded = encodeBlock(each)
  for (const helps of [0, 1, 3]) {
    const part = await openPart(decodeColumns(encoded.columns, each.runs), encoded, each.runs, false)
    const loaded = part.loadText()
    for (let i = 0; i < helps; i++) t.equal(part.helpLoadText(), true)
    if (helps === 3) t.equal(part.helpLoadText(), false, 'the first frame is on its way already')
    await loaded
    t.equal(part.helpLoadText(), false)
    t.ok(Buffer.from(each.text).equals(part.text))
  }
})

const SAMPLE = makeBlock([
  { times: [1n, 2n, 10n ** 18n], entries: [line('one', 'k'), line('', ''), line('three', 'm')] },
  { times: [5n], entries: [line('a line that is somewhat longer', 'metadata')] },
])

function line(text: string, metadata: string): PlainRun['entries'][number] {
  return { line: Buffer.from(text), metadata: Buffer.from(metadata), level: 4 }
}

const SECTIONS = ['columns', 'metadata', 'text'] as const

/** The result of decoding damaged sections must be an equal block or store_damaged. */
async function decodeDamaged(encoded: EncodedBlock, streams: readonly StreamRun[] = SAMPLE.runs): Promise<void> {
  for (const decode of [
    async () => decodeBlock(encoded, streams),
    async () => openPart(decodeColumns(encoded.columns, streams), encoded, SAMPLE.runs, true),
  ]) {
    const outcome = await decode().catch((error: unknown) => error)
    if (!(outcome instanceof GatewayError))
      throw new Error(`gave ${outcome instanceof Error ? outcome.stack : 'a block'}`)
    if (outcome.code !== 'store_damaged') throw outcome
  }
}

for (const section of SECTIONS) {
  t.test(`${section}: any flipped bit is detected`, async () => {
    const encoded = encodeBlock(SAMPLE)
    for (let bit = 0; bit < encoded[section].length * 8; bit++) {
      const bytes = Uint8Array.from(encoded[section])
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      await decodeDamaged({ ...encoded, [section]: bytes })
    }
  })
  t.test(`${section}: any change of length is detected`, async () => {
    const encoded = encodeBlock(SAMPLE)
    for (let length = 0; length < encoded[section].length; length++) {
      await decodeDamaged({ ...encoded, [section]: encoded[section].slice(0, length) })
    }
    await decodeDamaged({ ...encoded, [section]: Uint8Array.from([...encoded[section], 0]) })
  })
  t.test(`${section}: random bytes are detected`, async () => {
    const encoded = encodeBlock(SAMPLE)
    const property = fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), (bytes) =>
      decodeDamaged({ ...encoded, [section]: bytes }),
    )
    await fc.assert(property, { numRuns: 300 })
  })
}

t.test('columns with correct checksums and wrong contents are detected', async (t) => {
  const encoded = encodeBlock(SAMPLE)
  const property = fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), (bytes) =>
    decodeDamaged({ ...encoded, columns: frame(Buffer.concat([keys(), bytes])) }),
  )
  await fc.assert(property, { numRuns: 500 })
  await decodeDamaged({ ...encoded, columns: frame(Buffer.concat([keys(), Buffer.alloc(9, 0xff)])) })
  t.pass()
})

t.test('a frame that is not zstd, or has a wrong length, is detected', async (t) => {
  const encoded = encodeBlock(SAMPLE)
  const rows: [name: string, section: Uint8Array][] = [
    ['no zstd', frame(SAMPLE.text, { data: Buffer.from('not compressed at all') })],
    ['more than it declares', frame(SAMPLE.text, { rawLength: SAMPLE.text.length - 1 })],
    ['less than it declares', frame(SAMPLE.text, { rawLength: SAMPLE.text.length + 1 })],
    ['4 GiB', frame(SAMPLE.text, { rawLength: 0xffffffff })],
    ['a bomb', frame(new Uint8Array(50_000_000), { rawLength: SAMPLE.text.length })],
    ['nothing', new Uint8Array(0)],
  ]
  for (const [name, section] of rows) {
    for (const which of SECTIONS) {
      const before = process.memoryUsage().rss
      await decodeDamaged({ ...encoded, [which]: section })
      t.ok(process.memoryUsage().rss - before < 100_000_000, `${which}: ${name}`)
    }
  }
})

t.test('streams other than the encoded ones are detected', async (t) => {
  const [first, second] = SAMPLE.runs as [StreamRun, StreamRun]
  const encoded = encodeBlock(SAMPLE)
  for (const streams of [[second, first], [first, first], [first], [first, second, second], []]) {
    await decodeDamaged(encoded, streams)
  }
  t.pass()
})

/** A section with one frame, whose checksum is correct even if other parts are wrong. */
function frame(raw: Uint8Array, wrong: { rawLength?: number; data?: Uint8Array } = {}): Uint8Array {
  const { rawLength = raw.length, data = zstdCompressSync(raw) } = wrong
  const section = Buffer.alloc(16 + data.length)
  section.writeUInt32LE(1, 0)
  section.writeUInt32LE(rawLength, 4)
  section.writeUInt32LE(data.length, 8)
  section.writeUInt32LE(crc32(data, rawLength), 12)
  section.set(data, 16)
  return section
}

function keys(): Buffer {
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32LE(SAMPLE.runs.reduce((sum, { key }) => crc32(key, sum), 0))
  return checksum
}
