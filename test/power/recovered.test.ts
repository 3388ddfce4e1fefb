import t from 'tap'
import { ACTORS } from './actors.ts'
import { checkRecovery } from './recovered.ts'
import { noShim } from './shim.ts'
import { workFolder } from './work-folder.ts'

for (const actor of ACTORS) {
  const name = `${actor.name}: killed before a sync, known after the restart, it survives a loss of power`
  t.test(name, { skip: noShim(), timeout: 120_000 }, async (t) => {
    const second = actor.isRemade ? 'look' : 'act'
    const options = { actor, second, work: workFolder(t), places: 'sync', cuts: ['none', 'torn'], seed: 1 } as const
    const report = await checkRecovery(options)
    t.strictSame(report.faults, [], `${report.kills} kills, ${report.images} losses of power`)
    t.ok(report.kills > 1, 'there was something to sync')
  })
}
