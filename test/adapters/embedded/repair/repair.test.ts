import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openIncidentDatabase } from '../../../../src/adapters/embedded/incident-database.ts'
import { repair } from '../../../../src/adapters/embedded/repair/repair.ts'
import { FixedClock, makeBatch, openAdmission, openStore, type PlainStream, readAll } from '../../../support/helper.ts'
import { Random } from '../../../support/random.ts'
import { testFolder } from '../../../support/test-folder.ts'

const clock = new FixedClock()
const NOW = { isCheck: false, nowMs: clock.ms }
const CHECK = { ...NOW, isCheck: true }

/** Six pushes of two streams, a block each. */
const PUSHES: PlainStream[][] = Array.from({ length: 6 }, (_, i) =>
  ['a', 'b'].map((app) => ({
    labels: { app },
    entries: [{ ns: clock.nowNs + BigInt(i), line: `${app}${i}`, metadata: { k: `${i}` } }],
  })),
)
const LINES = PUSHES.flat().map(({ entries }) => entries[0]?.line as string)

async function fill(t: Test): Promise<string> {
  const dataDir = join(testFolder(t), 'data')
  const store = openStore(t, clock, { dataDir })
  for (const push of PUSHES) await store.append(makeBatch(push, openAdmission(clock)))
  await store.close()
  return dataDir
}

function change(dataDir: string, sql: string, file = 'millrace.db'): void {
  const db = new DatabaseSync(join(dataDir, file))
  db.exec(sql)
  db.close()
}

async function linesOf(t: Test, dataDir: string): Promise<string[]> {
  const store = openStore(t, clock, { dataDir })
  const lines = (await readAll(store)).map(({ line }) => line)
  await store.close()
  return lines.sort()
}

function flip(bytes: Buffer, at: number, bit: number): void {
  bytes[at] = (bytes[at] as number) ^ (1 << bit)
}

const isIn = (lines: string[], push: number): boolean => lines.includes(`a${push}`) || lines.includes(`b${push}`)

const DAMAGE: [name: string, sql: string, lost: number, rows: string[]][] = [
  ['text', 'UPDATE blocks SET text = zeroblob(length(text)) WHERE id = 3', 1, []],
  ['metadata', "UPDATE blocks SET metadata = x'00' WHERE id = 3", 1, []],
  ['columns', 'UPDATE blocks SET columns = substr(columns, 1, length(columns) - 1) WHERE id = 3', 1, []],
  ['the ids of its streams', "UPDATE blocks SET streams = x'0200000001000000' WHERE id = 3", 1, []],
  ['an unknown stream', "UPDATE blocks SET streams = x'01000000ffffffff' WHERE id = 3", 1, []],
  ['an unknown tenant', 'UPDATE blocks SET tenant = 9 WHERE id = 3', 1, []],
  ['the labels of a stream', "UPDATE streams SET labels = 'x' WHERE id = 2", 6, ['streams']],
  ['one letter of a label', `UPDATE streams SET labels = '["app","c"]' WHERE id = 2`, 6, ['streams']],
]
for (const [name, sql, lost, tables] of DAMAGE) {
  t.test(`damage of ${name} is set aside, and the rest stays`, async (t) => {
    const dataDir = await fill(t)
    change(dataDir, sql)
    const before = readFileSync(join(dataDir, 'millrace.db'))
    const found = repair(dataDir, CHECK)
    t.ok(before.equals(readFileSync(join(dataDir, 'millrace.db'))), 'a check changes nothing')
    t.same(found.aside, [])
    const { losses, rows, aside, blocks, entries } = repair(dataDir, NOW)
    t.same(found.losses, losses)
    t.same({ blocks, entries }, { blocks: 6 - lost, entries: 12 - 2 * lost })
    t.match(losses, [{ blocks: lost, entries: 2 * lost, streams: 2, blocksUncounted: 0 }])
    t.same(losses[0]?.oldest, clock.nowNs + (lost === 1 ? 2n : 0n))
    t.same(losses[0]?.newest, clock.nowNs + (lost === 1 ? 2n : 5n))
    t.same(
      rows.map(({ table }) => table),
      tables,
    )
    t.equal(aside.length, 1)
    const kept = new DatabaseSync(aside[0] as string)
    t.same(
      kept.prepare('SELECT count(*) AS count FROM blocks').get(),
      { count: lost },
      'the bytes are in the file beside',
    )
    kept.close()
    const lines = await linesOf(t, dataDir)
    t.same(lines, LINES.filter((_, i) => lost === 1 && i >> 1 !== 2).sort())
    const again = repair(dataDir, CHECK)
    t.match(again, { losses: [], rows: [], rebuilt: [], unreadable: [] }, 'nothing else is damaged')
  })
}

t.test('a summary that does not fit its block is set right', async (t) => {
  const dataDir = await fill(t)
  change(dataDir, 'UPDATE blocks SET oldest = 0, newest = 1, entries = 99, line_bytes = 7 WHERE id = 3')
  t.match(repair(dataDir, NOW), { losses: [], aside: [] })
  const store = openStore(t, clock, { dataDir })
  t.equal(store.figures().entries, 12)
  await store.close()
  t.same(repair(dataDir, CHECK).losses, [])
})

t.test('a folder that a gateway uses is left alone', async (t) => {
  const dataDir = join(testFolder(t), 'data')
  openStore(t, clock, { dataDir })
  t.throws(() => repair(dataDir, NOW), { code: 'store_unavailable', message: /another process is using it; stop/ })
})

const REFUSED: [name: string, prepare: (dataDir: string) => void, error: { code: string; message: RegExp }][] = [
  ['without a database', () => undefined, { code: 'parameter_invalid', message: /has no millrace\.db/ }],
  [
    'of another program',
    (dataDir) => change(dataDir, 'CREATE TABLE notes (text TEXT)'),
    { code: 'store_damaged', message: /is not a Millrace database/ },
  ],
  [
    'of a later version',
    (dataDir) => change(dataDir, 'PRAGMA application_id = 0x4d494c4c; PRAGMA user_version = 99; CREATE TABLE x (y)'),
    { code: 'store_damaged', message: /has schema 99/ },
  ],
]
for (const [name, prepare, error] of REFUSED) {
  t.test(`a folder ${name} is refused and not changed`, async (t) => {
    const dataDir = join(testFolder(t), 'data')
    mkdirSync(dataDir)
    prepare(dataDir)
    t.throws(() => repair(dataDir, NOW), error)
    t.same(
      readdirSync(dataDir).filter((file) => file.includes('damaged')),
      [],
    )
  })
}

t.test('a file without a header is set aside whole, and a new one opens', async (t) => {
  const dataDir = await fill(t)
  const path = join(dataDir, 'millrace.db')
  const bytes = readFileSync(path).fill(0xff, 0, 512)
  writeFileSync(path, bytes)
  t.match(repair(dataDir, CHECK), { unreadable: ['millrace.db'], aside: [] })
  const { unreadable, aside } = repair(dataDir, NOW)
  t.same(unreadable, ['millrace.db'])
  t.ok(readFileSync(aside[0] as string).equals(bytes), 'every byte is kept')
  t.same(await linesOf(t, dataDir), [])
})

t.test('rows of incidents that cannot be read are set aside', async (t) => {
  const dataDir = await fill(t)
  openIncidentDatabase(dataDir).close()
  const insert = 'INSERT INTO incidents (tenant, id, state, last_seen_ms, body) VALUES'
  change(dataDir, `${insert} ('a', '1', 'open', 1, '{}'), ('a', '2', 'open', 1, '{"x'); `, 'incidents.db')
  t.same(repair(dataDir, NOW).rows, [{ file: 'incidents.db', table: 'incidents', rows: 1 }])
  const db = openIncidentDatabase(dataDir)
  t.same(
    db
      .prepare('SELECT id FROM incidents')
      .all()
      .map(({ id }) => id),
    ['1'],
  )
  db.close()
})

t.test('a file of incidents with a damaged page is rebuilt', async (t) => {
  const dataDir = await fill(t)
  openIncidentDatabase(dataDir).close()
  change(dataDir, "INSERT INTO cursors VALUES ('one', 'two')", 'incidents.db')
  const path = join(dataDir, 'incidents.db')
  const bytes = readFileSync(path)
  // Every page but the schema's.
  writeFileSync(path, bytes.fill(0xff, 4096))
  t.same(repair(dataDir, NOW).rebuilt, ['incidents.db'])
  openIncidentDatabase(dataDir).close()
  t.same(repair(dataDir, CHECK).rebuilt, [])
})

t.test('whatever bits flip, the folder opens, nothing is invented, and every byte is kept', async (t) => {
  const random = new Random(7)
  const dataDir = await fill(t)
  const whole = readFileSync(join(dataDir, 'millrace.db'))
  let rebuilt = 0
  let complete = 0
  for (let round = 0; round < 60; round++) {
    const bytes = Buffer.from(whole)
    const page = random.integer(bytes.length / 16384)
    // A row of flips in the header of a page, in its cells, or anywhere.
    const places = [0, 8, 64, 16384 - 2000, random.integer(16384)]
    const at = page * 16384 + (places[round % places.length] as number) + (page === 0 ? 100 : 0)
    for (let i = 0; i < 1 + (round % 8); i++) flip(bytes, Math.min(at + i, bytes.length - 1), random.integer(8))
    const folder = testFolder(t)
    writeFileSync(join(folder, 'millrace.db'), bytes)
    const report = repair(folder, { isCheck: false, nowMs: clock.ms })
    const lines = await linesOf(t, folder)
    t.same(
      lines.filter((line) => !LINES.includes(line)),
      [],
      `round ${round}: nothing is invented`,
    )
    const gone = PUSHES.filter((_, i) => !isIn(lines, i)).length
    const told = report.losses.reduce((sum, { blocks }) => sum + blocks, 0)
    t.ok(gone === 0 || told >= gone || report.unreadable.length > 0, `round ${round}: ${gone} gone, ${told} told`)
    if (report.rebuilt.length > 0 || report.unreadable.length > 0) {
      rebuilt++
      const [kept] = report.aside.filter((path) => !path.endsWith('.rows'))
      t.ok(readFileSync(kept as string).equals(bytes), `round ${round}: the file is kept`)
    }
    if (gone === 0) complete++
    t.match(repair(folder, CHECK), { losses: [], rows: [], rebuilt: [], unreadable: [] }, `round ${round}: repaired`)
  }
  t.comment(`${rebuilt} rebuilt, ${complete} complete`)
  t.ok(rebuilt > 0 && complete > 20)
})

t.test('what a start needs is there after each kill of a rebuild', async (t) => {
  const dataDir = await fill(t)
  const path = join(dataDir, 'millrace.db')
  // A rebuild that died left its copy.
  writeFileSync(`${path}.rebuilt`, 'part of a copy')
  const bytes = readFileSync(path).fill(0xff, 16384 * 3, 16384 * 4)
  writeFileSync(path, bytes)
  const report = repair(dataDir, NOW)
  t.same(report.rebuilt, ['millrace.db'])
  t.notOk(existsSync(`${path}.rebuilt`))
  t.ok(statSync(path).size > 0)
})
