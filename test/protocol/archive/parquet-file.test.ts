import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import t, { type Test } from 'tap'
import { type FileEntry, readParquetEntries } from '../../../src/protocol/archive/parquet-file.ts'
import { testFolder } from '../../support/test-folder.ts'
import { textOfEntry } from './archive-batches.ts'

/** A file as written by any DuckDB. */
async function writeFile(t: Test, sql: string, options = ''): Promise<Uint8Array> {
  const path = join(testFolder(t, {}), 'file.parquet')
  const db = await (await DuckDBInstance.create(':memory:')).connect()
  await db.run(`COPY (${sql}) TO '${path}' (FORMAT parquet${options})`)
  db.disconnectSync()
  return readFileSync(path)
}

async function read(bytes: Uint8Array): Promise<{ entries: FileEntry[]; groups: number }> {
  const copy = new Uint8Array(bytes)
  const entries: FileEntry[] = []
  let groups = 0
  const slice = (start: number, end?: number) => copy.buffer.slice(start, end)
  for await (const group of readParquetEntries({ byteLength: copy.length, slice })) {
    entries.push(...group)
    groups++
  }
  return { entries, groups }
}

const ROW = `'fake' AS tenant_id, MAP {'b': 'é', 'a': '1'} AS labels, NULL::BLOB AS body_bytes, NULL::VARCHAR AS severity_text,
  NULL::VARCHAR AS trace_id, NULL::VARCHAR AS span_id, MAP {}::MAP(VARCHAR, VARCHAR) AS log_attributes`

for (const options of ['', ', COMPRESSION zstd', ', COMPRESSION gzip', ', PARQUET_VERSION v2']) {
  t.test(`a foreign file is read by its footer, a row group at a time${options}`, async (t) => {
    const sql = `SELECT ${ROW}, i::BIGINT - 1 AS time_unix_nano, 'line ' || i AS body FROM range(5000) AS rows(i)`
    const codec = options.includes('gzip') ? '' : options
    const { entries, groups } = await read(await writeFile(t, sql, `${codec}, ROW_GROUP_SIZE 2048`))
    t.equal(groups, 3)
    t.equal(entries.length, 5000)
    t.equal(textOfEntry(entries[0] as FileEntry), 'fake {a="1", b="é"} -1 line 0 []')
    t.equal(textOfEntry(entries.at(-1) as FileEntry), 'fake {a="1", b="é"} 4998 line 4999 []')
    t.equal(entries[1]?.labels, entries[0]?.labels, 'consecutive entries of a stream share their labels')
  })
}

t.test('exact bytes, metadata columns and the map of the rest are complete', async (t) => {
  const sql = `SELECT 'x' AS tenant_id, MAP {'__proto__': 'p'} AS labels, 1::BIGINT AS time_unix_nano, '?' AS body,
    '\\xFF\\x00'::BLOB AS body_bytes, 'warn' AS severity_text, 'abc' AS trace_id, '' AS span_id,
    MAP {'constructor': 'c', 'k': ''} AS log_attributes`
  const { entries } = await read(await writeFile(t, sql))
  t.strictSame(entries.map(textOfEntry), [
    'x {__proto__="p"} 1 \u00ff\u0000 [["constructor","c"],["detected_level","warn"],["k",""],["span_id",""],["trace_id","abc"]]',
  ])
})

t.test('a file of another kind is rejected with an explanation', async (t) => {
  const missing = await writeFile(t, `SELECT 'x' AS tenant_id, 1::BIGINT AS time_unix_nano, 'a' AS body`)
  await t.rejects(read(missing), { code: 'store_damaged', message: /has no column labels, severity_text, body_bytes/ })
  const wrong = await writeFile(t, `SELECT ${ROW}, 1.5::DOUBLE AS time_unix_nano, 'a' AS body`)
  await t.rejects(read(wrong), { code: 'store_damaged' })
  for (const bytes of [Buffer.alloc(0), Buffer.from('PAR1'), Buffer.from(`${'x'.repeat(100)}PAR1`)]) {
    await t.rejects(read(bytes), { code: 'store_damaged', message: /not a Parquet file/ })
  }
})

t.test('a damaged file is an error or its rows, never another failure', async (t) => {
  const bytes = await writeFile(
    t,
    `SELECT ${ROW}, i::BIGINT AS time_unix_nano, 'l' || i AS body FROM range(50) AS rows(i)`,
  )
  for (let at = 0; at < bytes.length; at++) {
    const damaged = new Uint8Array(bytes)
    damaged[at] = (damaged[at] as number) ^ 0xff
    await read(damaged).catch((cause) => t.equal(cause.code, 'store_damaged', `byte ${at}: ${cause.message}`))
  }
})
