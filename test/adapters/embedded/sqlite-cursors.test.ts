import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { SqliteCursors } from '../../../src/adapters/embedded/sqlite-cursors.ts'
import { cursorContract } from '../../contract/cursor-store.ts'
import { testFolder } from '../../support/test-folder.ts'

cursorContract(t, (t) => {
  const dataDir = testFolder(t)
  const open = () => {
    const cursors = new SqliteCursors(dataDir, 'cognigy')
    t.teardown(() => cursors.close())
    return cursors
  }
  return { cursors: open(), reopen: open }
})

t.test('saves only with the current revision', async (t) => {
  const cursors = new SqliteCursors(testFolder(t), 'cognigy')
  t.teardown(() => cursors.close())
  const cursor = { lastTsMs: 1, sweptMs: 1, checkedMs: 1, ids: new Map(), idsFromMs: 1 }
  await t.rejects(cursors.save('p', 3, cursor, undefined), { code: 'state_conflict' })
})

t.test('an unreadable cursor and a file that cannot be opened are errors', async (t) => {
  const dataDir = testFolder(t)
  const cursors = new SqliteCursors(dataDir, 'cognigy')
  t.teardown(() => cursors.close())
  await cursors.claim('p', await cursors.load('p'), { holder: 'a', untilMs: 1 })
  const db = new DatabaseSync(join(dataDir, 'cursors.db'))
  db.exec(`UPDATE cursors SET cursor = '{"version":9}'`)
  db.close()
  await t.rejects(cursors.load('p'), { code: 'store_damaged' })
  const other = testFolder(t, { broken: {} })
  writeFileSync(join(other, 'broken', 'cursors.db'), 'this is not a database, and it is long enough to be checked')
  t.throws(() => new SqliteCursors(join(other, 'broken'), 'cognigy'), { code: 'store_unavailable' })
})
