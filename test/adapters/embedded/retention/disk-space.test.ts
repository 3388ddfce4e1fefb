import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { folderBytes, openWithReserve, Reserve } from '../../../../src/adapters/embedded/retention/disk-space.ts'
import { testFolder } from '../../../support/test-folder.ts'

t.test(
  'the bytes of a folder are those of all files but the given one and those that a repair set aside',
  async (t) => {
    const folder = testFolder(t, {
      'millrace.db': 'x'.repeat(100),
      'millrace.db-wal': 'x'.repeat(20),
      'incidents.db': 'x'.repeat(3),
      'millrace.db.damaged-2026.rows': 'x'.repeat(1000),
    })
    t.equal(folderBytes(folder, 'millrace.db'), 23)
  },
)

t.test('a reserve takes space once, gives it back, and can be taken again', async (t) => {
  const folder = testFolder(t)
  const reserve = new Reserve(folder, 300_000)
  t.equal(reserve.release(), false)
  t.equal(reserve.take(), true)
  const path = join(folder, 'reserve')
  t.equal(statSync(path).size, 300_000)
  t.ok(zstdCompressSync(readFileSync(path)).length > 250_000, 'a file system that compresses has to store it')
  const { ctimeMs } = statSync(path)
  reserve.take()
  t.equal(statSync(path).ctimeMs, ctimeMs, 'it is not written again')
  t.equal(reserve.release(), true)
  t.same(readdirSync(folder), [])
  t.equal(reserve.take(), true)
})

t.test('a reserve that was interrupted is completed', async (t) => {
  const folder = testFolder(t)
  writeFileSync(join(folder, 'reserve'), 'part')
  t.equal(new Reserve(folder, 1000).take(), true)
  t.equal(statSync(join(folder, 'reserve')).size, 1000)
})

t.test('a reserve for which there is no space is false and leaves nothing', async (t) => {
  const reserve = new Reserve(join(testFolder(t), 'no folder'), 1000)
  t.equal(reserve.take(), false)
})

t.test('without bytes nothing is reserved', async (t) => {
  const folder = testFolder(t)
  const reserve = new Reserve(folder, 0)
  t.equal(reserve.take(), true)
  t.equal(reserve.release(), false)
  t.same(readdirSync(folder), [])
})

t.test('what cannot be opened on a full disk is opened once more with a part of the reserve', async (t) => {
  const folder = testFolder(t)
  const full = Object.assign(new Error('database or disk is full'), { errcode: 13 })
  const wrapped = new Error('cannot be opened', {
    cause: Object.assign(new Error('disk I/O error'), { errcode: 4874 }),
  })
  const busy = Object.assign(new Error('database is locked'), { errcode: 5 })
  for (const [error, isTried] of [
    [full, true],
    [wrapped, true],
    [busy, false],
  ] as const) {
    new Reserve(folder, 3_000_000).take()
    let tries = 0
    const open = (): number => {
      if (++tries === 1) throw error
      return tries
    }
    if (isTried) t.equal(openWithReserve(folder, open), 2)
    else t.throws(() => openWithReserve(folder, open), error)
    t.equal(statSync(join(folder, 'reserve')).size, isTried ? 3_000_000 - 2 ** 20 : 3_000_000)
  }
  new Reserve(folder, 0).release()
  t.throws(
    () =>
      openWithReserve(folder, () => {
        throw full
      }),
    full,
    'without a reserve there is nothing to try',
  )
})
