import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { EARLIER_STREAMS, putEarlierFile } from '../support/earlier-file.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { Random } from '../support/random.ts'
import { ACTORS_SCRIPT } from './actors.ts'
import { Disk } from './disk.ts'
import { History } from './history.ts'
import { takeStep, useHome } from './home.ts'
import type { Operation } from './journal.ts'
import { checkOpenings, type OpeningOptions } from './openings.ts'
import { noShim, Rig } from './shim.ts'
import { workFolder } from './work-folder.ts'

const scriptOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const SKIP = { skip: noShim() }
/** A kill, and the worst power failures. */
const CUTS = ['all', 'none', 'torn'] as const
/** Enough for a longer path to the same files. */
const KILLS = ['all'] as const
const EIO = 5

const emptyHistory = (work: string): History => new History(new Disk(new Random(1)), join(work, 'histories'))

async function check(
  t: Test,
  options: Pick<OpeningOptions, 'history' | 'operations' | 'cuts' | 'use'>,
  work: string,
): Promise<void> {
  const report = await checkOpenings({ ...options, seed: 1, work: join(work, 'images') })
  t.strictSame(report.faults, [], `${report.kills} kills, ${report.images} images`)
  t.ok(report.kills > 3, 'the process changed files')
}

async function isUsable(root: string): Promise<void> {
  await useHome(join(root, 'data'), 'later')
}

t.test('a first start that dies at any file call: the next one opens', SKIP, async (t) => {
  const work = workFolder(t)
  const history = emptyHistory(work)
  const { operations } = await history.run(scriptOf('home.ts'), (root) => ['open', root])
  await check(t, { history, operations, cuts: CUTS, use: isUsable }, work)
})

t.test('a first start of the gateway that dies at any file call: the next one opens', SKIP, async (t) => {
  const work = workFolder(t)
  const history = emptyHistory(work)
  const rig = new Rig(history.materialize(), join(work, 'rig'))
  t.teardown(() => rig.close())
  const env = { ...rig.env, MILLRACE_LOCAL_ISSUER: 'true' }
  const gateway = await GatewayProcess.start({ dataDir: join(rig.root, 'data'), env })
  await gateway.kill()
  await check(t, { history, operations: rig.operations(), cuts: KILLS, use: isUsable }, work)
})

t.test('a first start of the first version that died at any file call: this version opens', SKIP, async (t) => {
  const work = workFolder(t)
  const history = emptyHistory(work)
  const { operations } = await history.run(scriptOf('first-start-before.ts'), (root) => [root])
  await check(t, { history, operations, cuts: CUTS, use: isUsable }, work)
})

/** A history in which a home has a line, the first version's tables, and a write-ahead log left by its process. */
async function usedHome(work: string): Promise<History> {
  const root = join(work, 'used')
  await useHome(join(root, 'data'), 'first')
  const history = new History(Disk.of(root, new Random(1)), join(work, 'histories'))
  const { operations } = await history.run(scriptOf('drop-deletions.ts'), (folder) => [folder])
  history.apply(operations)
  return history
}

const holdsFirst = async (dataDir: string): Promise<void> => {
  const lines = await useHome(dataDir, 'later')
  if (lines[0] !== 'first') throw new Error(`found ${lines.length} lines: ${lines}`)
}

t.test('an upgrade that dies at any file call: the next start opens with all lines', SKIP, async (t) => {
  const work = workFolder(t)
  const history = await usedHome(work)
  const { operations } = await history.run(scriptOf('home.ts'), (root) => ['open', root])
  await check(t, { history, operations, cuts: CUTS, use: (root) => holdsFirst(join(root, 'data')) }, work)
})

t.test(
  'an upgrade of a file of schema 1 that dies at any file call: the next start opens it whole',
  SKIP,
  async (t) => {
    const work = workFolder(t)
    const root = join(work, 'earlier')
    putEarlierFile(join(root, 'data'))
    const history = new History(Disk.of(root, new Random(1)), join(work, 'histories'))
    const { operations } = await history.run(scriptOf('home.ts'), (folder) => ['open', folder])
    const use = async (folder: string): Promise<void> => {
      const lines = await useHome(join(folder, 'data'), 'later')
      if (lines.length !== 2 * EARLIER_STREAMS) throw new Error(`found ${lines.length} lines`)
    }
    await check(t, { history, operations, cuts: CUTS, use }, work)
  },
)

/** A process that pushes, and is killed after the sync of its commit failed. */
async function pushWithoutSync(history: History): Promise<void> {
  const isLogSync = ({ kind, path }: Operation): boolean => kind === 'sync' && path.endsWith('.db-wal')
  const push = (after?: number) =>
    history.run(
      ACTORS_SCRIPT,
      (root) => ['a push', 'act', root],
      ({ control }) => {
        if (after !== undefined)
          control.rules = [{ action: 'fail', kinds: ['sync'], after, value: EIO, ending: '.db-wal' }]
      },
    )
  const { operations } = await push((await push()).operations.filter(isLogSync).length)
  const failed = operations.findIndex((operation) => isLogSync(operation) && operation.error === EIO)
  history.apply(operations.slice(0, failed + 1))
}

t.test(
  'a log whose sync failed before a kill: the next start may die, and the power fail, at any file call',
  SKIP,
  async (t) => {
    const work = workFolder(t)
    const history = await usedHome(work)
    await pushWithoutSync(history)
    const { operations } = await history.run(scriptOf('home.ts'), (root) => ['open', root])
    const use = (root: string): Promise<void> => holdsFirst(join(root, 'data'))
    await check(t, { history, operations, cuts: ['none', 'subset', 'torn'], use }, work)
  },
)

t.test(
  'a backup that dies at any file call: data whole, the copy whole or absent, the next one succeeds',
  SKIP,
  async (t) => {
    const work = workFolder(t)
    const history = await usedHome(work)
    const { operations } = await history.run(scriptOf('home.ts'), (root) => ['backup', root])
    const use = async (root: string): Promise<void> => {
      if (!existsSync(join(root, 'copy'))) takeStep('backup', root)
      takeStep('restore', root)
      await holdsFirst(join(root, 'restored'))
      await holdsFirst(join(root, 'data'))
    }
    await check(t, { history, operations, cuts: KILLS, use }, work)
  },
)

t.test('a restore that dies at any file call: complete or absent, and the next one succeeds', SKIP, async (t) => {
  const work = workFolder(t)
  const history = await usedHome(work)
  const root = history.materialize()
  takeStep('backup', root)
  const copied = new History(Disk.of(root, new Random(1)), join(work, 'copied'))
  const { operations } = await copied.run(scriptOf('home.ts'), (folder) => ['restore', folder])
  const use = async (folder: string): Promise<void> => {
    const restored = join(folder, 'restored')
    if (!existsSync(restored) || readdirSync(restored).length === 0) takeStep('restore', folder)
    await holdsFirst(restored)
  }
  await check(t, { history: copied, operations, cuts: CUTS, use }, work)
})

t.test('the files of the model equal those of the process', SKIP, async (t) => {
  const work = workFolder(t)
  const history = emptyHistory(work)
  const rig = new Rig(history.materialize(), join(work, 'rig'))
  t.teardown(() => rig.close())
  await rig.run(scriptOf('home.ts'), ['open', rig.root])
  takeStep('backup', rig.root)
  await rig.run(scriptOf('home.ts'), ['restore', rig.root])
  history.apply(rig.operations())
  const model = history.disk.files()
  const real = Disk.of(rig.root, new Random(1)).files()
  for (const [path, content] of real) {
    if (!path.startsWith('copy/')) t.ok(model.get(path)?.equals(content), path)
  }
  t.same([...model.keys()].sort(), [...real.keys()].filter((path) => !path.startsWith('copy/')).sort())
})
