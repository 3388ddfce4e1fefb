import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Random } from '../support/random.ts'
import { ACTORS, ACTORS_SCRIPT, type Actor } from './actors.ts'
import { Disk } from './disk.ts'
import { History } from './history.ts'
import { checkRecovery } from './recovered.ts'
import { noShim } from './shim.ts'
import { workFolder } from './work-folder.ts'

for (const actor of ACTORS) {
  const name = `${actor.name}: killed before a sync, known after the restart, it survives a loss of power`
  t.test(name, { skip: noShim() }, async (t) => {
    const second = actor.isRemade ? 'look' : 'act'
    const options = { actor, second, work: workFolder(t), places: 'sync', cuts: ['none', 'torn'], seed: 1 } as const
    const report = await checkRecovery(options)
    t.strictSame(report.faults, [], `${report.kills} kills, ${report.images} losses of power`)
    t.ok(report.kills > 1, 'there was something to sync')
  })
}

t.test(
  'a folder that was copied and not synced: a push found there survives a power failure',
  {
    skip: noShim(),
  },
  async (t) => {
    const work = workFolder(t)
    const [push] = ACTORS as [Actor]
    const used = join(work, 'used')
    await push.act(join(used, 'data'))
    const copy = join(work, 'copy.mjs')
    writeFileSync(
      copy,
      `import { cpSync } from 'node:fs'; cpSync(process.argv[2], process.argv[3], { recursive: true })`,
    )
    const history = new History(new Disk(new Random(1)), join(work, 'histories'))
    history.apply((await history.run(copy, (root) => [join(used, 'data'), join(root, 'data')])).operations)
    const life = await history.run(ACTORS_SCRIPT, (root) => [push.name, 'act', root])
    history.apply(life.operations)
    const found = await push.look(join(history.cut('none', 1, join(work, 'cut')).materialize(), 'data'))
    t.same(found, JSON.parse(life.stdout))
  },
)
