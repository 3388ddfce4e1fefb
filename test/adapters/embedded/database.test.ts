import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { openDatabase, pragma, readFailure, writeFailure } from '../../../src/adapters/embedded/database.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import { testFolder } from '../../support/test-folder.ts'

const FILE = 'millrace.db'

t.test('commits survive a power failure: WAL, a full sync at each commit', async (t) => {
  const { writer, reader, close } = opened(testFolder(t))
  t.teardown(close)
  t.same(writer.prepare('PRAGMA journal_mode').get(), { journal_mode: 'wal' })
  t.equal(pragma(writer, 'synchronous'), 2)
  t.equal(pragma(writer, 'auto_vacuum'), 2, 'incremental: space goes back to the file system')
  t.equal(pragma(writer, 'page_size'), 16384)
  t.throws(() => reader.exec('DELETE FROM blocks'), /readonly/)
})

t.test('a database that need not survive the process does not wait for the disk', async (t) => {
  const database = openDatabase(testFolder(t), { synchronous: 'OFF' })
  t.teardown(() => database.close())
  t.equal(pragma(database.writer, 'synchronous'), 0)
})

t.test('creates the folder, accessible only to its owner', async (t) => {
  const folder = join(testFolder(t), 'a/b')
  opened(folder).close()
  t.same(readdirSync(folder), [FILE, 'millrace.lock'])
  t.equal(pragma(new DatabaseSync(join(folder, FILE)), 'application_id'), 0x4d494c4c)
})

t.test('opens the files of a killed process: a log that is not in the database yet', async (t) => {
  const root = testFolder(t, { killed: {} })
  const { writer, close } = opened(join(root, 'alive'))
  t.teardown(close)
  writer.exec("INSERT INTO tenants (name) VALUES ('fake')")
  for (const name of [FILE, `${FILE}-wal`]) {
    writeFileSync(join(root, 'killed', name), readFileSync(join(root, 'alive', name)))
  }
  const again = opened(join(root, 'killed'))
  t.teardown(again.close)
  t.match(again.reader.prepare('SELECT name FROM tenants').get(), { name: 'fake' })
})

for (const [cut, journal] of [
  ['while it wrote the first page', () => journalHeader(0)],
  ['while it switched the file to WAL', (page: Buffer) => Buffer.concat([journalHeader(1), journalRecord(page)])],
] as const) {
  t.test(`opens the files of a first start of an earlier version that was killed ${cut}`, async (t) => {
    const folder = testFolder(t)
    const path = join(folder, FILE)
    makeDatabase(
      path,
      'PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL; CREATE TABLE t (a); DROP TABLE t; VACUUM',
    )
    const page = readFileSync(path).subarray(0, PAGE_BYTES)
    writeFileSync(path, page)
    writeFileSync(`${path}-journal`, journal(page))
    const { writer, reader, close } = opened(folder)
    t.teardown(close)
    writer.exec("INSERT INTO tenants (name) VALUES ('fake')")
    t.match(reader.prepare('SELECT name FROM tenants').get(), { name: 'fake' })
    t.equal(pragma(writer, 'auto_vacuum'), 2)
  })
}

t.test('an empty file is treated like a missing one', async (t) => {
  const folder = testFolder(t, { [FILE]: '' })
  opened(folder).close()
  t.ok(readFileSync(join(folder, FILE)).length > 0)
})

const FOREIGN: [name: string, make: (path: string) => void, message: RegExp][] = [
  ['text', (path) => writeFileSync(path, 'these are my notes, '.repeat(200)), /corrupted: run .millrace repair./],
  ['a database of another program', (path) => makeDatabase(path, 'CREATE TABLE t (a)'), /is not a Millrace database/],
  [
    'a database of another program with a version',
    (path) => makeDatabase(path, 'CREATE TABLE t (a); PRAGMA user_version = 1'),
    /is not a Millrace database/,
  ],
  [
    'a database of another program that uses WAL',
    (path) => makeDatabase(path, 'PRAGMA journal_mode = WAL; CREATE TABLE t (a)'),
    /is not a Millrace database/,
  ],
  [
    'a database of a later version',
    (path) => makeDatabase(path, 'CREATE TABLE t (a); PRAGMA application_id = 0x4d494c4c; PRAGMA user_version = 99'),
    /has schema 99; this version reads schemas 1 to 3/,
  ],
  [
    'our own database with a broken first page',
    (path) => {
      opened(join(path, '..')).close()
      const bytes = readFileSync(path)
      writeFileSync(path, bytes.fill(0xff, 100, 4000))
    },
    /is corrupted/,
  ],
]
for (const [name, make, message] of FOREIGN) {
  t.test(`rejects ${name} and leaves it unchanged`, async (t) => {
    const folder = testFolder(t)
    make(join(folder, FILE))
    const before = readFileSync(join(folder, FILE))
    t.throws(() => openDatabase(folder), { code: 'store_damaged', message })
    t.ok(before.equals(readFileSync(join(folder, FILE))), 'no byte has changed')
    t.throws(() => openDatabase(folder), { code: 'store_damaged' }, 'and the folder is not locked')
  })
}

t.test('a folder that cannot be created is store_unavailable', async (t) => {
  const folder = testFolder(t, { file: 'x' })
  t.throws(() => openDatabase(join(folder, 'file/data')), { code: 'store_unavailable', message: /cannot be written/ })
})

t.test('a second store on a folder is rejected until the first is closed', async (t) => {
  const folder = testFolder(t)
  const first = opened(folder)
  t.throws(() => openDatabase(folder), { code: 'store_unavailable', message: /another process is using it/ })
  const module = new URL('../../../src/adapters/embedded/database.ts', import.meta.url).href
  const script = `const { openDatabase } = await import(process.argv[1])
    try { openDatabase(process.argv[2]).close(); console.log('opened') } catch (error) { console.log(error.code, error.message) }`
  const open = (): string =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script, module, folder], { encoding: 'utf8' }).stdout
  t.match(open(), /^store_unavailable .*another process is using it/)
  first.close()
  t.equal(open(), 'opened\n')
})

t.test('failures explain what happened and keep their cause', async (t) => {
  const full = Object.assign(new Error('database or disk is full'), { errcode: 13 })
  t.match(writeFailure(full), {
    code: 'store_unavailable',
    message: /nothing of this push was stored: the disk is full/,
  })
  t.match(writeFailure(new Error('x')), { code: 'store_unavailable', message: /stored: x/, cause: { message: 'x' } })
  t.match(readFailure('odd'), { code: 'store_damaged', message: /cannot be read: odd/ })
  const known = new GatewayError('overloaded', 'x')
  t.equal(writeFailure(known), known)
  t.equal(readFailure(known), known)
})

const PAGE_BYTES = 16384
const NONCE = 7

/** The first sector of a rollback journal with all pages of a database. */
function journalHeader(pages: number): Buffer {
  const header = Buffer.alloc(512)
  header.set([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7])
  for (const [i, field] of [pages, NONCE, pages, header.length, PAGE_BYTES].entries())
    header.writeUInt32BE(field, 8 + i * 4)
  return header
}

/** The first page in a rollback journal: its number before it, and a checksum of every 200th byte after it. */
function journalRecord(page: Buffer): Buffer {
  const record = Buffer.alloc(PAGE_BYTES + 8)
  record.writeUInt32BE(1)
  record.set(page, 4)
  let sum = NONCE
  for (let at = PAGE_BYTES - 200; at > 0; at -= 200) sum += page[at] as number
  record.writeUInt32BE(sum, PAGE_BYTES + 4)
  return record
}

function opened(folder: string): ReturnType<typeof openDatabase> & { close: () => void } {
  const database = openDatabase(folder)
  return { writer: database.writer, reader: database.reader, close: () => database.close() }
}

function makeDatabase(path: string, sql: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}
