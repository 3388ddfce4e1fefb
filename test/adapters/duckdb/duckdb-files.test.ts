import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { STORED } from '../../../src/adapters/aws/read/object-loader.ts'
import { DuckdbFiles } from '../../../src/adapters/duckdb/duckdb-files.ts'
import type { Batch } from '../../../src/domain/entries/batch.ts'
import { BatchBuilder } from '../../../src/domain/entries/batch-builder.ts'
import type { BuiltFile } from '../../../src/ports/archive.ts'
import { encodeArchive } from '../../../src/protocol/archive/archive-encode.ts'
import {
  decodeDirectory,
  decodeTenantIndex,
  filtersStart,
  rowGroupRange,
} from '../../../src/protocol/archive/file-index.ts'
import { mayHaveId } from '../../../src/protocol/archive/id-filter.ts'
import { readRowGroup } from '../../../src/protocol/archive/parquet-rows.ts'
import { allEntries, plainStreams, textsOf } from '../../protocol/archive/archive-batches.ts'
import { FixedClock, makeBatch, openAdmission, type PlainStream } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

const MIB = 2 ** 20

function openFiles(t: Test): { files: DuckdbFiles; folder: string } {
  const folder = testFolder(t, {})
  return { files: new DuckdbFiles({ folder, memoryBytes: 256 * MIB, fileLineBytes: 2 ** 30 }), folder }
}

const clock = new FixedClock()
const batchOf = (streams: readonly PlainStream[], tenant: string): Batch =>
  makeBatch(streams, openAdmission(clock, tenant))

let names = 0

/** Writes the batches as one file of archive lines. */
async function write(folder: string, batches: readonly Batch[]): Promise<string> {
  const path = join(folder, `lines-${names++}.ndjson.zst`)
  const members = await Promise.all(
    batches.map((batch) => encodeArchive(batch, allEntries(batch), { memberBytesMax: MIB, codec: 'zstd' })),
  )
  writeFileSync(path, Buffer.concat(members.flat().map(({ bytes }) => bytes)))
  return path
}

/** All entries of the files, read by index and row group. */
async function read(files: readonly BuiltFile[]): Promise<Batch[]> {
  const batches: Batch[] = []
  for (const { path, indexStart, indexBytes } of files) {
    const bytes = readFileSync(path)
    const index = bytes.subarray(indexStart, indexStart + indexBytes)
    const directory = decodeDirectory(index)
    for (const { tenant, start, bytes: length } of directory.tenants) {
      const { streams, filters } = decodeTenantIndex(index.subarray(start, start + length), filtersStart(directory))
      for (const [i, group] of directory.groups.entries()) {
        const runs = streams
          .map(({ labels, row, rows }) => ({
            labels,
            start: Math.max(0, row - group.row),
            end: Math.min(group.rows, row + rows - group.row),
          }))
          .filter(({ start, end }) => start < end)
        if (runs.length === 0) continue
        const range = rowGroupRange(directory, group)
        const part = { start: range.start, bytes: bytes.subarray(range.start, range.end) }
        const builder = new BatchBuilder({ ...STORED, tenant })
        await readRowGroup(directory, group, part, runs, builder)
        batches.push(builder.build())
        const filter = filters.find((each) => each.group === i)
        const own = filter && index.subarray(filter.start, filter.start + filter.bytes)
        for (const id of traceIds(batches.at(-1) as Batch)) {
          if (own === undefined || !mayHaveId(own, id)) throw new Error(`the filter of group ${i} misses ${id}`)
        }
      }
    }
  }
  return batches
}

function traceIds(batch: Batch): string[] {
  return textsOf(batch).flatMap((text) => /\["trace_id","([^"\\]*)"\]/.exec(text)?.[1] ?? [])
}

t.test('files give back any entries exactly, once each, and so do merged files', async (t) => {
  const { files, folder } = openFiles(t)
  await fc.assert(
    fc.asyncProperty(fc.array(plainStreams, { minLength: 1, maxLength: 3 }), async (pushes) => {
      const batches = pushes.map((streams, i) => batchOf(streams, i % 2 === 0 ? 'fake' : 'other'))
      const wanted = textsOf(...batches)
      const lines = await write(folder, [...batches, ...batches])
      const built = await files.build([lines])
      t.equal(built.rows, 2 * batches.reduce((sum, { count }) => sum + count, 0), 'equal lines are counted')
      t.strictSame(textsOf(...(await read(built.files))), wanted)
      t.equal(
        built.files.reduce((sum, { rows }) => sum + rows, 0),
        wanted.length,
      )
      const byDay = Map.groupBy(built.files, ({ day }) => day)
      const merged: BuiltFile[] = []
      for (const [, each] of byDay) merged.push(...(await files.merge([...each, ...each].map(({ path }) => path))))
      t.strictSame(textsOf(...(await read(merged))), wanted, 'merged with themselves')
      await files.dispose([...built.files, ...merged])
    }),
    { numRuns: 25 },
  )
})

t.test('names of metadata that SQL asks for have columns of their own, others are in the map', async (t) => {
  const { files, folder } = openFiles(t)
  const metadata = { trace_id: 'abc', span_id: '', a: '1', b: '', c: 'é' }
  const streams = [
    {
      labels: { app: 'x' },
      entries: [
        { ns: clock.nowNs, line: '', metadata },
        { ns: 5n, line: 'y' },
      ],
    },
  ]
  const batch = batchOf(streams, 'fake')
  const { files: built } = await files.build([await write(folder, [batch])])
  t.strictSame(textsOf(...(await read(built))), textsOf(batch))
  t.same(
    built.map(({ day, rows }) => [day, rows]),
    [
      ['1970-01-01', 1],
      ['2026-11-21', 1],
    ],
  )
})

t.test('large files have row groups of about 4 MB of lines, and pieces of the size asked for', async (t) => {
  const { folder } = openFiles(t)
  const files = new DuckdbFiles({ folder, memoryBytes: 256 * MIB, fileLineBytes: 4 * MIB })
  const entries = Array.from({ length: 12_000 }, (_, i) => ({
    ns: clock.nowNs + BigInt(i),
    line: `${i} `.padEnd(1000, 'x'),
    metadata: { trace_id: `trace-${i}` },
  }))
  const batch = batchOf([{ labels: { app: 'a' }, entries }], 'fake')
  const { files: built } = await files.build([await write(folder, [batch])])
  t.equal(built.length, 1)
  const bytes = readFileSync(built[0]?.path as string)
  const { indexStart, indexBytes } = built[0] as BuiltFile
  const { groups } = decodeDirectory(bytes.subarray(indexStart, indexStart + indexBytes))
  t.equal(groups.length, 3)
  const merged = await files.merge(built.map(({ path }) => path))
  t.equal(merged.length, 3)
  t.strictSame(textsOf(...(await read(built))), textsOf(batch))
  t.strictSame(textsOf(...(await read(merged))), textsOf(batch))
})

t.test(
  'a file that threads make together has its first and last stream, its order and its filters right',
  async (t) => {
    const { files, folder } = openFiles(t)
    const streamsOf = (tenant: number) =>
      Array.from({ length: 10 }, (_, stream) => ({
        labels: { app: `a${stream}` },
        entries: Array.from({ length: 2500 }, (_, i) => ({
          ns: clock.nowNs + BigInt(i),
          line: `${tenant} ${i}`,
          metadata: { trace_id: `${tenant}-${stream}-${i}` },
        })),
      }))
    // More rows than a thread takes at a time, arriving in another order than they are sorted.
    const batches = [7, 3, 0, 5, 1, 6, 2, 4].map((tenant) => batchOf(streamsOf(tenant), `tenant-${tenant}`))
    const { files: built } = await files.build([await write(folder, batches)])
    t.equal(built.length, 1)
    t.match(built, [{ rows: 200_000, first: { tenant: 'tenant-0' }, last: { tenant: 'tenant-7' } }])
    const found = await read(built)
    t.same([...new Set(found.map(({ tenant }) => tenant))].sort(), batches.map(({ tenant }) => tenant).sort())
    for (const { tenant } of batches) {
      const [wanted, own] = [batches, found].map((all) => textsOf(...all.filter((batch) => batch.tenant === tenant)))
      t.strictSame(own, wanted)
    }
  },
)

const POISONS: [name: string, text: string | Uint8Array][] = [
  ['text that is not JSON', 'no json\n'],
  ['a line without a time', '{"tenant":"a","labels":{},"line":"x"}\n'],
  ['an invalid time', '{"time":"yesterday","tenant":"a","labels":{},"line":"x"}\n'],
  ['labels that are no texts', '{"time":"2026-11-21T10:00:00.000000001Z","tenant":"a","labels":{"a":{}},"line":"x"}\n'],
  ['a byte that is not UTF-8', Buffer.from([...Buffer.from('{"time":"'), 0xff, 0x0a])],
]
for (const [name, text] of POISONS) {
  t.test(`${name} is store_damaged`, async (t) => {
    const { files, folder } = openFiles(t)
    const path = join(folder, 'lines.ndjson')
    writeFileSync(path, text)
    const good = await write(folder, [batchOf([{ labels: { app: 'x' }, entries: [{ ns: 1n, line: 'y' }] }], 'fake')])
    await t.rejects(files.build([good, path]), { code: 'store_damaged' })
  })
}
