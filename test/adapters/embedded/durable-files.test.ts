import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  makeFolder,
  makeWhole,
  rewriteFile,
  syncFile,
  syncFolder,
} from '../../../src/adapters/embedded/durable-files.ts'
import { testFolder } from '../../support/test-folder.ts'

t.test('creates a folder and its parents, accessible only to the owner, repeatedly', async (t) => {
  const folder = join(testFolder(t), 'a', 'b')
  makeFolder(folder)
  makeFolder(folder)
  if (process.platform !== 'win32') t.equal(statSync(folder).mode & 0o777, 0o700)
})

const OUTSIDE: readonly [name: string, path: (folder: string) => string, code: string, platforms: readonly string[]][] =
  [
    ['below a file', (folder) => join(folder, 'file/a/b'), 'ENOTDIR', ['linux', 'darwin']],
    ['that is a file', (folder) => join(folder, 'file'), 'EEXIST', ['linux', 'darwin']],
    ['where the file system has no place for it', () => '/proc/nope', 'ENOENT', ['linux']],
    ['below one that cannot be made', () => '/proc/nope/a/b', 'ENOENT', ['linux']],
  ]
for (const [name, path, code, platforms] of OUTSIDE) {
  t.test(`a folder ${name} is an error at once`, async (t) => {
    if (!platforms.includes(process.platform)) return t.pass('another platform')
    const folder = testFolder(t, { file: '' })
    t.throws(() => makeFolder(path(folder)), { code })
  })
}

t.test('a file has its name only once it is whole', async (t) => {
  const path = join(testFolder(t, { 'a.new': 'what a process that died left' }), 'a')
  makeWhole(path, (aside) => {
    t.notOk(existsSync(aside), 'the remains are removed')
    writeFileSync(aside, 'first')
    t.notOk(existsSync(path))
  })
  t.equal(readFileSync(path, 'utf8'), 'first')
  const half = (aside: string): void => {
    writeFileSync(aside, 'sec')
    throw new Error('no more')
  }
  t.throws(() => makeWhole(path, half), /no more/)
  t.equal(readFileSync(path, 'utf8'), 'first', 'a failure leaves the file unchanged')
  makeWhole(path, (aside) => writeFileSync(aside, 'second'))
  t.equal(readFileSync(path, 'utf8'), 'second')
  t.same(readdirSync(join(path, '..')), ['a'], 'nothing else is left behind')
})

for (const bytes of [0, 1, 1024 * 1024, 2 * 1024 * 1024 + 3]) {
  t.test(`rewriting a file of ${bytes} bytes does not change it`, async (t) => {
    const path = join(testFolder(t), 'a')
    const content = Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => i % 251))
    writeFileSync(path, content)
    rewriteFile(path)
    t.ok(content.equals(readFileSync(path)))
  })
}

t.test('rewriting a missing file does not create it', async (t) => {
  const folder = testFolder(t)
  rewriteFile(join(folder, 'a'))
  t.same(readdirSync(folder), [])
})

t.test('syncing a missing file is an error', async (t) => {
  const path = join(testFolder(t), 'a')
  t.throws(() => syncFile(path), { code: 'ENOENT' })
  t.throws(() => syncFolder(path), { code: 'ENOENT' })
})
