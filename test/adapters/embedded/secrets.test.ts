import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadSecret } from '../../../src/adapters/embedded/secrets.ts'
import { testFolder } from '../../support/test-folder.ts'

t.test('creates a random key on first use and returns the same one later', async (t) => {
  const dataDir = join(testFolder(t), 'not', 'there', 'yet')
  const first = loadSecret(dataDir, 'a.key', 32)
  t.equal(first.length, 32)
  t.same(loadSecret(dataDir, 'a.key', 32), first)
  t.same(readFileSync(join(dataDir, 'a.key')), Buffer.from(first))
  t.notSame(loadSecret(dataDir, 'b.key', 32), first)
  t.same(readdirSync(dataDir).sort(), ['a.key', 'b.key', 'create.lock'], 'nothing else is left behind')
})

t.test('keeps keys from other users', { skip: process.platform === 'win32' }, async (t) => {
  const dataDir = join(testFolder(t), 'data')
  loadSecret(dataDir, 'a.key', 32)
  t.equal(statSync(join(dataDir, 'a.key')).mode & 0o777, 0o600)
  t.equal(statSync(dataDir).mode & 0o777, 0o700)
})

t.test('rejects a key that others may have read', { skip: process.platform === 'win32' }, async (t) => {
  const dataDir = testFolder(t)
  loadSecret(dataDir, 'a.key', 32)
  for (const mode of [0o640, 0o604, 0o660]) {
    chmodSync(join(dataDir, 'a.key'), mode)
    t.throws(() => loadSecret(dataDir, 'a.key', 32), {
      code: 'config_invalid',
      message: /has mode 06\d\d, .*chmod 600/,
    })
  }
})

t.test('rejects a key of another length and leaves it unchanged', async (t) => {
  const dataDir = testFolder(t)
  const path = join(dataDir, 'a.key')
  for (const bytes of [0, 31, 33]) {
    writeFileSync(path, Buffer.alloc(bytes), { mode: 0o600 })
    t.throws(() => loadSecret(dataDir, 'a.key', 32), {
      code: 'config_invalid',
      message: new RegExp(`has ${bytes} bytes instead of 32`),
    })
    t.equal(statSync(path).size, bytes)
  }
})

t.test('reports a folder that cannot be created', async (t) => {
  const dataDir = testFolder(t, { file: '' })
  t.throws(() => loadSecret(join(dataDir, 'file'), 'a.key', 32), {
    code: 'config_invalid',
    message: /set MILLRACE_DATA_DIR/,
  })
  mkdirSync(join(dataDir, 'a.key'), { mode: 0o700 })
  t.throws(() => loadSecret(dataDir, 'a.key', 32), { code: 'config_invalid' })
})
