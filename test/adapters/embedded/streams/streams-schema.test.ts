import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { backUp, restore } from '../../../../src/adapters/embedded/backup.ts'
import { openDatabase, pragma } from '../../../../src/adapters/embedded/database.ts'
import { StreamTable } from '../../../../src/adapters/embedded/streams/stream-table.ts'
import { EARLIER_LAST_ID, EARLIER_STREAMS, putEarlierFile } from '../../../support/earlier-file.ts'
import { FixedClock, openStore, readAll } from '../../../support/helper.ts'
import { testFolder } from '../../../support/test-folder.ts'

t.test('a file of the version before: all lines and streams are there', async (t) => {
  const dataDir = testFolder(t)
  putEarlierFile(dataDir)
  const store = openStore(t, new FixedClock(), { dataDir })
  for (const tenant of ['fake', 'shop']) {
    const entries = await readAll(store, { tenant })
    t.equal(entries.length, 2 * EARLIER_STREAMS)
    t.equal(new Set(entries.map(({ key }) => key)).size, EARLIER_STREAMS)
    t.ok(entries.some(({ key }) => key.includes(`text="a \\"b\\" \\\\ é 7"`)))
  }
  t.match(store.figures(), { streams: 2 * EARLIER_STREAMS, entries: 4 * EARLIER_STREAMS })
})

t.test(
  'after the upgrade the text of labels is on disk once, ids do not come again, and the file is whole',
  async (t) => {
    const dataDir = testFolder(t)
    putEarlierFile(dataDir)
    const database = openDatabase(dataDir)
    t.teardown(() => database.close())
    const { writer } = database
    t.equal(pragma(writer, 'user_version'), 3)
    t.match(writer.prepare('PRAGMA integrity_check').get(), { integrity_check: 'ok' })
    const columns = writer.prepare("SELECT name FROM pragma_table_info('streams')").all()
    t.same(
      columns.map((row) => row['name']),
      ['id', 'tenant', 'hash', 'labels'],
    )
    const table = new StreamTable(writer)
    const { id } = table.insert(1, '{new="1"}', [{ name: 'new', value: '1' }])
    t.equal(id, EARLIER_LAST_ID + 1)
    const before = table.storedStream(3)
    t.same(table.stream(before.tenant, before.key)?.id, 3, 'the hash of an upgraded stream finds it')
  },
)

t.test('an upgrade that fails changes nothing', async (t) => {
  const dataDir = testFolder(t)
  putEarlierFile(dataDir)
  const path = join(dataDir, 'millrace.db')
  const damage = new DatabaseSync(path)
  damage.exec("INSERT INTO streams VALUES (100, 1, 'k', '[]'); CREATE TABLE streams_before (a)")
  damage.close()
  t.throws(() => openDatabase(dataDir), { code: 'store_unavailable' })
  const after = new DatabaseSync(path)
  t.teardown(() => after.close())
  t.equal(pragma(after, 'user_version'), 1)
  t.match(after.prepare('SELECT count(*) AS count FROM streams').get(), { count: 2 * EARLIER_STREAMS + 1 })
})

t.test('a file of the version before can be backed up, and such a backup restored', async (t) => {
  const root = testFolder(t)
  const [data, copy, restored] = ['data', 'copy', 'restored'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ]
  putEarlierFile(data)
  t.match(backUp(data, copy), { entries: 4 * EARLIER_STREAMS })
  putEarlierFile(join(root, 'old-backup'))
  t.match(restore(join(root, 'old-backup'), restored), { entries: 4 * EARLIER_STREAMS })
  const store = openStore(t, new FixedClock(), { dataDir: restored })
  t.equal((await readAll(store)).length, 2 * EARLIER_STREAMS)
})
