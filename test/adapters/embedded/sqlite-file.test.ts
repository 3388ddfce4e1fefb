import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import {
  createDatabase,
  createDatabaseOnce,
  openDatabaseFile,
  withCreateLock,
} from '../../../src/adapters/embedded/sqlite-file.ts'
import { testFolder } from '../../support/test-folder.ts'

const SCHEMA = 'CREATE TABLE t (a)'
/** The offset of the journal mode in a database header: 2 is WAL. */
const FORMAT_BYTES = [18, 19]

const countIn = (db: DatabaseSync): unknown => db.prepare('SELECT count(*) AS count FROM t').get()?.['count']

/** A database whose process died before a checkpoint: the commits are only in its log. */
function makeKilled(t: Test): string {
  const root = testFolder(t, { killed: {}, alive: {} })
  const path = join(root, 'alive', 'a.db')
  createDatabase(path, SCHEMA)
  const db = openDatabaseFile(path, 'FULL')
  db.exec('INSERT INTO t VALUES (1)')
  for (const name of ['a.db', 'a.db-wal']) cpSync(join(root, 'alive', name), join(root, 'killed', name))
  db.close()
  return join(root, 'killed', 'a.db')
}

t.test('a new database is in WAL mode, without other files', async (t) => {
  const path = join(testFolder(t, { 'a.db.new': 'left', 'a.db.new-wal': 'left', 'a.db.new-journal': 'left' }), 'a.db')
  createDatabase(path, SCHEMA)
  t.same(readdirSync(join(path, '..')), ['a.db'])
  const bytes = readFileSync(path)
  t.same(
    FORMAT_BYTES.map((at) => bytes[at]),
    [2, 2],
  )
})

t.test('the log of a deleted database is not applied to a new one', async (t) => {
  const killed = makeKilled(t)
  const path = join(killed, '..', 'b.db')
  cpSync(`${killed}-wal`, `${path}-wal`)
  createDatabase(path, SCHEMA)
  const db = openDatabaseFile(path, 'FULL')
  t.teardown(() => db.close())
  t.equal(countIn(db), 0)
})

t.test('after opening, recovered commits are in the database and the log is empty', async (t) => {
  const path = makeKilled(t)
  t.ok(statSync(`${path}-wal`).size > 0)
  const db = openDatabaseFile(path, 'FULL')
  t.teardown(() => db.close())
  t.equal(statSync(`${path}-wal`).size, 0)
  t.equal(countIn(db), 1)
  const alone = join(path, '..', 'alone.db')
  cpSync(path, alone)
  const copy = new DatabaseSync(alone)
  t.equal(countIn(copy), 1, 'without its log')
  copy.close()
})

t.test('a reading process does not prevent opening', async (t) => {
  const path = makeKilled(t)
  const reader = new DatabaseSync(path, { readOnly: true })
  t.teardown(() => reader.close())
  reader.exec('BEGIN')
  t.equal(countIn(reader), 1)
  const db = openDatabaseFile(path, 'FULL')
  t.teardown(() => db.close())
  t.equal(countIn(db), 1)
})

t.test('a database that need not survive the process is not synced', async (t) => {
  const path = makeKilled(t)
  const db = openDatabaseFile(path, 'OFF')
  t.teardown(() => db.close())
  t.ok(statSync(`${path}-wal`).size > 0)
  t.equal(countIn(db), 1)
})

for (const [name, content] of [
  ['no file', undefined],
  ['an empty file', ''],
] as const) {
  t.test(`${name}: several processes create one database, and each opens it`, async (t) => {
    const folder = testFolder(t, content === undefined ? {} : { 'a.db': content })
    const path = join(folder, 'a.db')
    const module = new URL('../../../src/adapters/embedded/sqlite-file.ts', import.meta.url).href
    const script = `const { createDatabaseOnce, openDatabaseFile } = await import(process.argv[1])
      createDatabaseOnce(process.argv[2], ${JSON.stringify(SCHEMA)})
      const db = openDatabaseFile(process.argv[2], 'FULL')
      db.exec('INSERT INTO t VALUES (1)')
      db.close()`
    const run = async (): Promise<unknown> => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, module, path], { stdio: 'inherit' })
      return (await once(child, 'close'))[0]
    }
    t.same(await Promise.all([run(), run(), run()]), [0, 0, 0])
    createDatabaseOnce(path, SCHEMA)
    const db = openDatabaseFile(path, 'FULL')
    t.teardown(() => db.close())
    t.equal(countIn(db), 3)
  })
}

t.test('a file that cannot be opened is unchanged, and its lock is released', async (t) => {
  const folder = testFolder(t, { 'a.db': 'these are my notes, '.repeat(100) })
  t.throws(() => openDatabaseFile(join(folder, 'a.db'), 'FULL'), /not a database/)
  mkdirSync(join(folder, 'b.db'))
  t.throws(() => openDatabaseFile(join(folder, 'b.db'), 'FULL'))
  const failing = (): void => {
    throw new Error('no more')
  }
  t.throws(() => withCreateLock(folder, failing), /no more/)
  withCreateLock(folder, () => writeFileSync(join(folder, 'c'), ''))
  t.ok(existsSync(join(folder, 'c')))
})
