import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { backUp, restore } from '../../../src/adapters/embedded/backup.ts'
import { loadSecret } from '../../../src/adapters/embedded/secrets.ts'
import { FixedClock, makeBatch, openAdmission, openStore, readAll } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

const clock = new FixedClock()
const batchOf = (...lines: string[]) =>
  makeBatch(
    [{ labels: { app: 'shop' }, entries: lines.map((line, i) => ({ ns: clock.nowNs + BigInt(i), line })) }],
    openAdmission(clock),
  )

t.test('a backup of a running store contains everything acknowledged, and opens as a store', async (t) => {
  const folder = testFolder(t)
  const dataDir = join(folder, 'data')
  const copy = join(folder, 'copy')
  const store = openStore(t, clock, { dataDir })
  await store.append(batchOf('one', 'two'))
  const key = loadSecret(dataDir, 'page-token.key', 32)
  const report = backUp(dataDir, copy)
  t.same(report, { files: ['millrace.db', 'page-token.key'], blocks: 1, entries: 2 })
  await store.append(batchOf('one', 'two', 'three'))
  t.same(readdirSync(copy).sort(), report.files, 'neither locks nor write-ahead logs')
  for (const name of report.files) t.equal(statSync(join(copy, name)).mode & 0o777, 0o600, name)

  const restored = join(folder, 'restored')
  t.same(restore(copy, restored), report)
  t.same(Buffer.from(loadSecret(restored, 'page-token.key', 32)), Buffer.from(key))
  const again = openStore(t, clock, { dataDir: restored })
  t.same(
    (await readAll(again)).map(({ line }) => line),
    ['one', 'two'],
  )
  t.match(await again.append(batchOf('one', 'two')), { stored: 0, duplicates: 2 }, 'the copy detects retries too')
})

t.test('backups during constant writes are complete', async (t) => {
  const folder = testFolder(t)
  const dataDir = join(folder, 'data')
  const store = openStore(t, clock, { dataDir })
  let written = 0
  for (let round = 0; round < 10; round++) {
    const writing = store.append(batchOf(...Array.from({ length: 500 }, (_, i) => `round ${round} line ${i}`)))
    const { entries } = backUp(dataDir, join(folder, `copy-${round}`))
    t.ok(entries >= written)
    await writing
    written += 500
  }
})

const REFUSED: [name: string, prepare: (folder: string) => void, act: (folder: string) => void, RegExp][] = [
  [
    'a folder without logs',
    (folder) => mkdirSync(join(folder, 'empty')),
    (folder) => backUp(join(folder, 'empty'), join(folder, 'x')),
    /has no millrace\.db/,
  ],
  ['a missing folder', () => {}, (folder) => backUp(join(folder, 'none'), join(folder, 'x')), /has no/],
  [
    'an existing target',
    (folder) => mkdirSync(join(folder, 'taken')),
    (folder) => backUp(join(folder, 'data'), join(folder, 'taken')),
    /already exists/,
  ],
  [
    'a data folder that is not empty',
    (folder) => {
      backUp(join(folder, 'data'), join(folder, 'copy'))
      mkdirSync(join(folder, 'used'))
      writeFileSync(join(folder, 'used', 'file'), '')
    },
    (folder) => restore(join(folder, 'copy'), join(folder, 'used')),
    /is not empty/,
  ],
]
for (const [name, prepare, act, message] of REFUSED) {
  t.test(`rejects ${name}, and changes nothing`, async (t) => {
    const folder = testFolder(t)
    const store = openStore(t, clock, { dataDir: join(folder, 'data') })
    await store.append(batchOf('one'))
    prepare(folder)
    const before = readdirSync(folder).sort()
    t.throws(() => act(folder), { code: 'parameter_invalid', message })
    t.same(readdirSync(folder).sort(), before)
  })
}

t.test('a backup with a damaged block does not get its final name', async (t) => {
  const folder = testFolder(t)
  const dataDir = join(folder, 'data')
  const store = openStore(t, clock, { dataDir })
  await store.append(batchOf('one', 'two'))
  await store.close()
  const db = new DatabaseSync(join(dataDir, 'millrace.db'))
  const text = db.prepare('SELECT text FROM blocks').get()?.['text'] as Uint8Array
  text[text.length - 1] = (text[text.length - 1] as number) ^ 0xff
  db.prepare('UPDATE blocks SET text = ?').run(text)
  db.close()
  t.throws(() => backUp(dataDir, join(folder, 'copy')), { code: 'store_damaged' })
  t.notOk(existsSync(join(folder, 'copy')))
  t.notOk(existsSync(join(folder, 'copy.partial')))
})
