import fc from 'fast-check'
import t from 'tap'
import type { Batch } from '../../../src/domain/entries/batch.ts'
import { type Block, startOf, timeRange } from '../../../src/domain/entries/block.ts'
import { batchOfBlock, buildBlocks } from '../../../src/domain/entries/block-builder.ts'
import {
  dropSampled,
  dropStored,
  type EntryOrder,
  hashEntry,
  orderEntries,
  type StoredEntries,
  sampleEntry,
} from '../../../src/domain/entries/entry-order.ts'
import { formatLabels } from '../../../src/domain/labels.ts'
import { costOf } from '../../support/cpu-time.ts'
import { FixedClock, makeBatch, openAdmission, type PlainStream, toLabels } from '../../support/helper.ts'

const ADMISSION = openAdmission(new FixedClock())

/** An entry as text, identified by stream, time, line, metadata and level. */
interface PlainEntry {
  readonly key: string
  readonly ns: bigint
  readonly text: string
}

function plainEntryOf(batch: Batch, i: number): PlainEntry {
  const key = batch.streams[batch.streamIndexes[i] as number]?.key as string
  const ns = batch.timestamps.values[i] as bigint
  const line = Buffer.from(batch.text.subarray(batch.starts[i], batch.ends[i])).toString()
  const metadata = Buffer.from(batch.metadata.subarray(startOf(batch.metadataEnds, i), batch.metadataEnds[i])).toString(
    'hex',
  )
  return { key, ns, text: `${key} ${ns} ${line} ${metadata} ${batch.levels[i]}` }
}

function plainOrder(order: EntryOrder): string[] {
  return order.streams.flatMap(({ start, end }) =>
    Array.from({ length: end - start }, (_, k) => {
      const batch = order.batches[order.batchOf[start + k] as number] as Batch
      return plainEntryOf(batch, order.entryOf[start + k] as number).text
    }),
  )
}

/** Streams in order of appearance, each by time, then by arrival; of equal entries the first. */
function naive(
  batches: readonly Batch[],
  stored: readonly PlainEntry[] = [],
): { order: string[]; duplicates: number[] } {
  const seen = new Set(stored.map(({ text }) => text))
  const kept: PlainEntry[] = []
  const duplicates = batches.map((batch) => {
    let count = 0
    for (let i = 0; i < batch.count; i++) {
      const reported = plainEntryOf(batch, i)
      if (seen.has(reported.text)) count++
      else kept.push(reported)
      seen.add(reported.text)
    }
    return count
  })
  const keys = [...new Set(batches.flatMap((batch) => batch.streams.map(({ key }) => key)))]
  const order = keys.flatMap((key) =>
    kept
      .filter((reported) => reported.key === key)
      .sort((a, b) => Number(a.ns - b.ns))
      .map(({ text }) => text),
  )
  return { order, duplicates }
}

const entry = fc.record({
  ns: fc.oneof(fc.integer({ min: -3, max: 5 }), fc.integer({ min: -1e15, max: 1e15 })).map(BigInt),
  line: fc.constantFrom('', 'a', 'ab', 'b', 'x'.repeat(60)),
  metadata: fc.constantFrom<Record<string, string>>({}, {}, { a: 'b' }, { detected_level: 'info' }),
})
const stream: fc.Arbitrary<PlainStream> = fc.record({
  labels: fc.constantFrom<Record<string, string>>({ app: 'a' }, { app: 'b' }, { app: 'c', x: 'y' }),
  entries: fc.array(entry, { minLength: 1, maxLength: 12 }),
})
const batch = fc.array(stream, { maxLength: 4 }).map((streams) => makeBatch(streams, ADMISSION))
const batches = fc.array(batch, { maxLength: 4 })

t.test('orders entries like a plain sort, and drops duplicates', async (t) => {
  fc.assert(
    fc.property(batches, (each) => {
      const order = orderEntries(each)
      const wanted = naive(each)
      t.same(plainOrder(order), wanted.order)
      t.same([...order.duplicates], wanted.duplicates)
    }),
    { numRuns: 500 },
  )
})

t.test('drops stored entries anywhere among new ones', async (t) => {
  fc.assert(
    fc.property(batches, batches, (before, each) => {
      const [block] = buildBlocks(orderEntries(before), 1e9)
      const stored = block === undefined ? undefined : batchOfBlock('fake', block)
      const order = orderEntries(each)
      for (const ordered of order.streams) {
        const run = block?.runs.find(({ key }) => key === ordered.key)
        if (stored !== undefined && run !== undefined) dropStored(order, ordered, { batch: stored, ...run })
      }
      const reported =
        stored === undefined ? [] : Array.from({ length: stored.count }, (_, i) => plainEntryOf(stored, i))
      const wanted = naive(each, reported)
      t.same(plainOrder(order), wanted.order)
      t.same([...order.duplicates], wanted.duplicates)
    }),
    { numRuns: 500 },
  )
})

t.test('stored entries are loaded only where a time and a sample are equal, and the same are dropped', async (t) => {
  fc.assert(
    fc.property(batches, batches, (before, each) => {
      const [block] = buildBlocks(orderEntries(before), 1e9)
      const plain = orderEntries(each)
      const sampled = orderEntries(each)
      for (const run of block?.runs ?? []) {
        const stored = batchOfBlock('fake', block as Block)
        const samples = Uint32Array.from({ length: stored.count }, (_, i) => sampleEntry(stored, i))
        const { start, end } = run
        const find = ({ streams }: EntryOrder) => streams.find(({ key }) => key === run.key)
        const [one, other] = [find(plain), find(sampled)]
        if (one === undefined || other === undefined) continue
        const count = one.end - one.start
        dropStored(plain, one, { batch: stored, start, end })
        let isLoaded = false
        const load = (): StoredEntries => {
          isLoaded = true
          return { batch: stored, start, end }
        }
        dropSampled(sampled, other, { timestamps: stored.timestamps, samples, start, end, load })
        if (count > one.end - one.start) t.ok(isLoaded)
      }
      t.same(plainOrder(sampled), plainOrder(plain))
      t.same([...sampled.duplicates], [...plain.duplicates])
    }),
    { numRuns: 500 },
  )
})

t.test('a sample distinguishes most entries of one time', async (t) => {
  const lines = Array.from({ length: 1000 }, (_, i) => ({ ns: 1n, line: `GET /items/${i} 200` }))
  const batch = makeBatch([{ labels: { app: 'a' }, entries: lines }], ADMISSION)
  const samples = new Set(Array.from({ length: batch.count }, (_, i) => sampleEntry(batch, i)))
  t.equal(samples.size, 1000)
})

t.test('entries that are left out are not counted', async (t) => {
  const each = makeBatch(
    [{ labels: { app: 'a' }, entries: ['1', '2', '2', '3'].map((line) => ({ ns: 1n, line })) }],
    ADMISSION,
  )
  const order = orderEntries([each], (_, entry) => entry === 1)
  t.same(
    plainOrder(order).map((text) => text.split(' ')[2]),
    ['1', '2', '3'],
  )
  t.same([...order.duplicates], [0])
})

t.test('blocks contain the whole order, split where they are full', async (t) => {
  fc.assert(
    fc.property(batches, fc.constantFrom(1, 20, 60, 150, 1e9), (each, bytesTarget) => {
      const order = orderEntries(each)
      const blocks = buildBlocks(order, bytesTarget)
      const reported = blocks.flatMap((block) => {
        const seen = batchOfBlock('fake', block)
        return Array.from({ length: block.count }, (_, i) => plainEntryOf(seen, i).text)
      })
      t.same(reported, plainOrder(order))
      for (const [i, block] of blocks.entries()) {
        const weight = (count: number): number => block.text.length + block.metadata.length + count * 16
        t.ok(block.count > 0)
        if (i < blocks.length - 1) t.ok(weight(block.count) >= bytesTarget, 'only the last may be smaller')
        const last = startOf(block.lineEnds, block.count - 1) + startOf(block.metadataEnds, block.count - 1)
        if (block.count > 1) t.ok(last + (block.count - 1) * 16 < bytesTarget, 'full with its last entry only')
        t.same(
          block.runs.map(({ start }) => start),
          [0, ...block.runs.slice(0, -1).map(({ end }) => end)],
        )
        t.equal(block.runs.at(-1)?.end, block.count)
        const times = [...block.timestamps.values].sort((a, b) => Number(a - b))
        t.same(timeRange(block), { oldest: times[0], newest: times.at(-1) })
        for (const { key, labels } of block.runs) t.equal(key, formatLabels(labels))
      }
    }),
    { numRuns: 300 },
  )
})

t.test('an order without entries gives no block', async (t) => {
  t.same(buildBlocks(orderEntries([]), 100), [])
  const each = makeBatch([{ labels: { app: 'a' }, entries: [{ ns: 1n, line: 'x' }] }], ADMISSION)
  t.same(
    buildBlocks(
      orderEntries([each], () => true),
      100,
    ),
    [],
  )
})

t.test('lines with colliding hashes are distinguished, and recognised again', async (t) => {
  const lines = collidingLines()
  t.ok(lines.length > 40, `${lines.length} lines of one hash`)
  const entries = [...lines, ...lines.toReversed()].map((line) => ({ ns: 1n, line }))
  const each = makeBatch([{ labels: { app: 'a' }, entries }], ADMISSION)
  t.equal(new Set(lines.map((_, i) => hashEntry(each, i))).size, 1)
  const order = orderEntries([each, each])
  t.same([...order.duplicates], [lines.length, 2 * lines.length])
  t.same(
    plainOrder(order),
    lines.map((line) => `{app="a"} 1 ${line}  0`),
  )
})

/**
 * Six-character lines with the same hash, by meeting in the middle: three characters forward from the start, three
 * backward from the end.
 */
function collidingLines(): string[] {
  const chars = Array.from({ length: 94 }, (_, i) => i + 33)
  const step = (hash: number, char: number): number => Math.imul(hash ^ char, 0x01000193)
  // The inverse step, with the prime's inverse modulo 2^32.
  const back = (hash: number, char: number): number => Math.imul(hash, 0x359c449b) ^ char
  const beginnings = new Map<number, string>()
  const threes = chars.flatMap((a) => chars.flatMap((b) => chars.map((c) => [a, b, c] as const)))
  for (const [a, b, c] of threes) beginnings.set(step(step(step(0x811c9dc5, a), b), c), String.fromCharCode(a, b, c))
  return threes.flatMap(([a, b, c]) => {
    const beginning = beginnings.get(back(back(back(1, c), b), a))
    return beginning === undefined ? [] : [beginning + String.fromCharCode(a, b, c)]
  })
}

t.test('labels of objects are streams as any others', async (t) => {
  const labels = Object.fromEntries([['__proto__', 'x']])
  const each = makeBatch([{ labels, entries: [{ ns: 1n, line: 'x' }] }], ADMISSION)
  t.same(
    orderEntries([each, each]).streams.map(({ key }) => key),
    [formatLabels(toLabels(labels))],
  )
})

t.test(
  'a hundred thousand entries of one nanosecond are ordered in a time that does not grow with their square',
  async (t) => {
    const entries = Array.from({ length: 100_000 }, (_, i) => ({ ns: 1n, line: `line ${i % 50_000}` }))
    const each = makeBatch([{ labels: { app: 'a' }, entries }], ADMISSION)
    const cost = costOf(() => t.same([...orderEntries([each, each]).duplicates], [50_000, 100_000]))
    t.ok(cost < 3000, `it took ${cost} units`)
  },
)
