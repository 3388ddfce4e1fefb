/** Batches for the tests of the archive: random streams, and decoded batches as plain values. */

import fc from 'fast-check'
import { type Batch, type BatchStream, metadataWithLevel } from '../../../src/domain/entries/batch.ts'
import { BatchBuilder } from '../../../src/domain/entries/batch-builder.ts'
import { startOf } from '../../../src/domain/entries/block.ts'
import { compareText, formatLabels } from '../../../src/domain/labels.ts'
import { decodeArchiveLines } from '../../../src/protocol/archive/archive-lines.ts'
import type { FileEntry } from '../../../src/protocol/archive/parquet-file.ts'
import { FixedClock, openAdmission, type PlainStream } from '../../support/helper.ts'

const name = fc.constantFrom('app', 'host', '__proto__', 'constructor', 'level', 'detected_level', 'k')
const value = fc.oneof(
  fc.string(),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('info', 'INFO', 'é"\\\n\u0000', 'half \ud800'),
)
const pairs = fc
  .array(fc.tuple(name, value), { maxLength: 4 })
  .map((found) => Object.fromEntries(found) as Record<string, string>)
const ns = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n) + 2_000_000_000n, max: 2n ** 63n - 2_000_000_000n }),
  fc.bigInt({ min: -3n, max: 3n }),
  fc.bigInt({ min: 1_795_000_000_000_000_000n, max: 1_795_000_003_000_000_000n }),
)

/** Streams with every kind of text, time and metadata. */
export const plainStreams: fc.Arbitrary<PlainStream[]> = fc.array(
  fc.record({
    labels: pairs.map((found) => ({ ...found, app: 'x' })),
    entries: fc.array(fc.record({ ns, line: value, metadata: pairs }), { minLength: 1, maxLength: 5 }),
  }),
  { minLength: 1, maxLength: 5 },
)

export function allEntries(batch: Batch): Uint32Array {
  return Uint32Array.from({ length: batch.count }, (_, i) => i)
}

/** Decodes lines to a batch for each tenant. */
export function decodeToBatches(text: Uint8Array): { batches: Map<string, Batch>; refused: number } {
  const clock = new FixedClock()
  const builders = new Map<string, BatchBuilder>()
  const { refused } = decodeArchiveLines(text, (tenant) => {
    const builder = new BatchBuilder(openAdmission(clock, tenant))
    builders.set(tenant, builder)
    return builder
  })
  return { batches: new Map(Array.from(builders, ([tenant, builder]) => [tenant, builder.build()])), refused }
}

/** Entries of batches as sorted texts, with the exact bytes of their lines, without duplicates. */
export function textsOf(...batches: readonly Batch[]): string[] {
  const texts = batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, i) => {
      const line = Buffer.from(batch.text.subarray(batch.starts[i], batch.ends[i])).toString('latin1')
      const start = startOf(batch.metadataEnds, i)
      const pairs = metadataWithLevel(batch.metadata, start, batch.metadataEnds[i] as number, batch.levels[i] as number)
      const { key } = batch.streams[batch.streamIndexes[i] as number] as BatchStream
      return `${batch.tenant} ${key} ${batch.timestamps.values[i]} ${line} ${JSON.stringify(pairs)}`
    }),
  )
  return [...new Set(texts)].sort()
}

/** An entry of a file as `textsOf` has it. */
export function textOfEntry({ tenant, labels, ns, line, metadata }: FileEntry): string {
  const pairs = metadata.map(({ name, value }) => [name, value]).sort((a, b) => compareText(a[0] ?? '', b[0] ?? ''))
  return `${tenant} ${formatLabels(labels)} ${ns} ${Buffer.from(line).toString('latin1')} ${JSON.stringify(pairs)}`
}
