import t from 'tap'
import type { Batch } from '../../../src/domain/entries/batch.ts'
import { splitBatch } from '../../../src/domain/entries/batch-parts.ts'
import { startOf } from '../../../src/domain/entries/block.ts'
import { FixedClock, makeBatch, openAdmission } from '../../support/helper.ts'

const clock = new FixedClock()

/** `count` entries in turns of three streams, with lines of `lineBytes`. */
function batchOf(count: number, lineBytes: number): Batch {
  const streams = Array.from({ length: 3 }, (_, s) => ({
    labels: { app: `app-${s}` },
    entries: Array.from({ length: count }, (_, i) => ({
      ns: clock.nowNs - BigInt(i),
      line: `${s} ${i} `.padEnd(lineBytes, 'x'),
      metadata: i % 2 === 0 ? { n: `${i}` } : {},
    })),
  }))
  return makeBatch(streams, openAdmission(clock))
}

function entriesOf(batch: Batch): string[] {
  const text = (bytes: Uint8Array, start: number, end: number): string =>
    Buffer.from(bytes.subarray(start, end)).toString()
  return Array.from({ length: batch.count }, (_, i) =>
    [
      batch.streams[batch.streamIndexes[i] as number]?.key,
      batch.timestamps.values[i],
      text(batch.text, batch.starts[i] as number, batch.ends[i] as number),
      text(batch.metadata, startOf(batch.metadataEnds, i), batch.metadataEnds[i] as number),
      batch.levels[i],
    ].join('|'),
  )
}

t.test('a small batch stays whole', async (t) => {
  const batch = batchOf(10, 20)
  t.same(splitBatch(batch, 1024 * 1024), [batch])
})

t.test('the parts of a batch are its entries, in their order', async (t) => {
  for (const [count, lineBytes, bytesMax] of [
    [100, 50, 1000],
    [10, 5000, 1000],
    [33, 10, 400],
  ] as const) {
    const batch = batchOf(count, lineBytes)
    const parts = splitBatch(batch, bytesMax)
    t.ok(parts.length > 1)
    t.same(parts.flatMap(entriesOf), entriesOf(batch))
    t.equal(
      parts.reduce((sum, part) => sum + part.lineBytes, 0),
      batch.lineBytes,
    )
    for (const part of parts.slice(0, -1)) t.ok(part.lineBytes < bytesMax + lineBytes, 'parts are of the wanted size')
    for (const part of parts) {
      t.equal(new Set(part.streamIndexes.subarray(0, part.count)).size, part.streams.length, 'only its own streams')
    }
  }
})

t.test('ids stay with their entries', async (t) => {
  const batch = { ...batchOf(20, 50), ids: [3, 21, 59].map((entry) => ({ entry, id: `id-${entry}` })) }
  const all = entriesOf(batch)
  const parts = splitBatch(batch, 1000)
  const found = parts.flatMap((part) => part.ids.map(({ entry, id }) => [id, entriesOf(part)[entry]]))
  t.same(
    found,
    [3, 21, 59].map((entry) => [`id-${entry}`, all[entry]]),
  )
})
