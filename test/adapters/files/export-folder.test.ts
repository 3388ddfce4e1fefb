import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ExportFolder } from '../../../src/adapters/files/export-folder.ts'
import { buildBlocks } from '../../../src/domain/entries/block-builder.ts'
import { orderEntries } from '../../../src/domain/entries/entry-order.ts'
import { GatewayError } from '../../../src/domain/errors.ts'
import type { FileBuilder } from '../../../src/ports/archive.ts'
import { FixedClock, makeBatch, openAdmission } from '../../support/helper.ts'
import { testFolder } from '../../support/test-folder.ts'

const clock = new FixedClock()
const [block] = buildBlocks(
  orderEntries([
    makeBatch([{ labels: { app: 'a' }, entries: [{ ns: clock.nowNs, line: 'one' }] }], openAdmission(clock)),
  ]),
  1,
)
if (block === undefined) throw new Error('BUG: no block')

const builderOf = (build: FileBuilder['build']): FileBuilder => ({
  build,
  merge: async () => [],
  dispose: async () => undefined,
})

const FAULTS: readonly (readonly [name: string, build: FileBuilder['build'], code: string])[] = [
  [
    'a builder that fails',
    async () => {
      throw new GatewayError('store_damaged', 'it cannot be built')
    },
    'store_damaged',
  ],
  ['a builder that leaves out an entry', async () => ({ files: [], rows: 0 }), 'internal'],
]

for (const [name, build, code] of FAULTS) {
  t.test(`${name} fails the export, which leaves nothing when it is abandoned`, async (t) => {
    const folder = testFolder(t, {})
    const path = join(folder, 'out')
    const target = await ExportFolder.open({ path, lineBytesMax: 1000, openBuilder: () => builderOf(build) })
    await target.add('fake', block, block.runs)
    await t.rejects(target.finish(), { code })
    t.notOk(existsSync(path))
    await target.abandon()
    t.strictSame(readdirSync(folder), [])
  })
}

t.test('what an export that died left is replaced', async (t) => {
  const folder = testFolder(t, {})
  const path = join(folder, 'out')
  mkdirSync(`${path}.partial/dt=2026-11-21`, { recursive: true })
  writeFileSync(`${path}.partial/dt=2026-11-21/old.parquet`, 'old')
  const target = await ExportFolder.open({
    path,
    lineBytesMax: 1,
    openBuilder: () => builderOf(async () => ({ files: [], rows: 0 })),
  })
  t.strictSame(await target.finish(), { files: 0, entries: 0, bytes: 0 })
  t.strictSame(readdirSync(path), [])
})

t.test('a folder that cannot be made is explained', async (t) => {
  const path = join(testFolder(t, { file: '' }), 'file', 'out')
  const opening = ExportFolder.open({
    path,
    lineBytesMax: 1,
    openBuilder: () => builderOf(async () => ({ files: [], rows: 0 })),
  })
  await t.rejects(opening, { code: 'store_unavailable', message: /cannot be written: .*; check the space/ })
})
