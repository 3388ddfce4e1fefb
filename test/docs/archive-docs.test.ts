import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import t from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import { NS_MAX, NS_MIN } from '../../src/domain/time.ts'
import { runExport } from '../../src/processes/archive/export-logs.ts'
import { listen } from '../cli/asking.ts'
import { makeBatch, openAdmission } from '../support/helper.ts'

const document = readFileSync('docs/archive.md', 'utf8')
const questions = document
  .split('\n**')
  .slice(1)
  .map((text) => ({
    name: text.slice(0, text.indexOf('.**')),
    command: /```sh\nmillrace (.*)\n```/.exec(text)?.[1] ?? '',
    sql: /```sql\n-- DuckDB\n([\s\S]*?)```/.exec(text)?.[1] ?? '',
    athena: /```sql\n-- Athena\n([\s\S]*?)```/.exec(text)?.[1] ?? '',
  }))

const splitWords = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare = '']) => quoted ?? bare)

t.test('docs/archive.md asks three questions in three ways, and LogQL and DuckDB give the same answers', async (t) => {
  t.equal(questions.length, 3)
  const { run, store, clock, dataDir } = await listen(t)
  const hour = 3_600_000_000_000n
  const streams = ['shop', 'mill'].map((app) => ({
    labels: { app, service_name: app },
    entries: Array.from({ length: 400 }, (_, i) => ({
      ns: clock.nowNs - BigInt(i) * (hour / 7n),
      line: i % 3 === 0 ? `order ${i} failed` : `order ${i}`,
      metadata: {
        detected_level: i % 3 === 0 ? 'error' : 'info',
        trace_id: i % 20 === 0 ? '4bf92f3577b34da6a3ce929d0e0e4736' : `${i}`.padStart(32, '0'),
      },
    })),
  }))
  for (const tenant of ['fake', 'other']) await store.append(makeBatch(streams, openAdmission(clock, tenant)))
  const folder = join(dataDir, 'november')
  const config = readConfig({ MILLRACE_DATA_DIR: dataDir })
  await runExport(config, folder, { start: NS_MIN, end: NS_MAX, query: undefined, tenant: undefined })
  const db = await (await DuckDBInstance.create(':memory:')).connect()
  const described = await db.runAndReadAll(`DESCRIBE SELECT * FROM '${folder}/*/*/*.parquet'`)
  const columns = described.getRows().map(([name]) => String(name))
  const listed = [...document.matchAll(/^\| (`[a-z_]+`(?:, `[a-z_]+`)?) \| /gm)].flatMap(([, names = '']) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  )
  t.strictSame([...listed, 'dt', 'tb'].sort(), columns.toSorted(), 'the table of columns is that of the files')
  const table = /CREATE EXTERNAL TABLE logs \(\n([\s\S]*?)\n\)/.exec(document)?.[1] ?? ''
  const declared = [...table.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name)
  // Without `timestamp`, which repeats `time_unix_nano` for readers that know nanoseconds.
  t.strictSame(
    declared.toSorted(),
    columns.filter((name) => !['timestamp', 'dt', 'tb'].includes(name)).sort(),
    'the table of Athena has the columns of the files',
  )
  t.teardown(() => db.disconnectSync())
  for (const { name, command, sql, athena } of questions) {
    const { code, notes, lines } = await run([...splitWords(command), '--output', 'json'])
    t.match({ code, notes }, { code: 0, notes: '' }, name)
    const answers = lines.map((line) => JSON.parse(line))
    const asked = sql.replaceAll("'november/", `'${folder}/`)
    const rows = (await db.runAndReadAll(asked)).getRowObjects()
    t.ok(rows.length > 1, name)
    const found = rows.map((row) => ('body' in row ? row['body'] : [row['app'], Number(row['lines'])]))
    const wanted = answers.map((each) => ('line' in each ? each.line : [each.metric.app, Number(each.values[0][1])]))
    t.strictSame(found.length, wanted.length, name)
    if (name.includes('newest')) t.strictSame(found, wanted, name)
    else t.strictSame(found.map(String).sort(), wanted.map(String).sort(), name)
    t.match(athena, /FROM logs\n/, name)
  }
})
