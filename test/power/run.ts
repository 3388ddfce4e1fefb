/**
 * `npm run test:power -- --seeds 200`: every kill point with every power failure, and random histories of many crashes.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ACTORS } from './actors.ts'
import { CUT_MODES } from './disk.ts'
import { runHistory } from './random-history.ts'
import { checkRecovery } from './recovered.ts'
import { noShim } from './shim.ts'
import { parentOfWork } from './work-folder.ts'

const { values } = parseArgs({
  options: {
    /** Number of random histories; `--first` is the seed of the first. */
    seeds: { type: 'string', default: '100' },
    first: { type: 'string', default: '1' },
    /** Skips the kill points. */
    'only-histories': { type: 'boolean', default: false },
  },
})

/** A line of progress is printed after this many histories. */
const SEEDS_PRINTED = 20

async function main(): Promise<void> {
  const missing = noShim()
  if (missing !== false) return console.log(`skipped: ${missing}`)
  const work = mkdtempSync(join(parentOfWork(), 'millrace-power-'))
  try {
    const faults = [...(values['only-histories'] ? [] : await everyKill(work)), ...(await histories(work))]
    for (const fault of faults) console.log(`  ${fault}`)
    if (faults.length > 0) process.exitCode = 1
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function everyKill(work: string): Promise<string[]> {
  const faults: string[] = []
  for (const actor of ACTORS) {
    for (const second of actor.isRemade ? (['look'] as const) : (['act', 'look'] as const)) {
      const folder = join(work, 'recovery')
      const options = { actor, second, work: folder, places: 'every operation', cuts: CUT_MODES, seed: 1 } as const
      const report = await checkRecovery(options)
      rmSync(folder, { recursive: true })
      console.log(
        `${actor.name}, then ${second}: ${report.kills} kills, ${report.images} images, ${report.faults.length} faults`,
      )
      faults.push(...report.faults.map((fault) => `${actor.name}: ${fault}`))
    }
  }
  return faults
}

async function histories(work: string): Promise<string[]> {
  const total = { lives: 0, losses: 0, answers: 0, failedSyncs: 0 }
  const faults: string[] = []
  const [first, count] = [Number(values.first), Number(values.seeds)]
  for (let done = 1; done <= count; done++) {
    const seed = first + done - 1
    const report = await runHistory(seed, join(work, `seed-${seed}`))
    for (const name of ['lives', 'losses', 'answers', 'failedSyncs'] as const) total[name] += report[name]
    faults.push(...report.faults.map((fault) => `seed ${seed}: ${fault}`))
    if (done % SEEDS_PRINTED === 0 || done === count) {
      const { lives, losses, answers, failedSyncs } = total
      const what = `${lives} lives, ${losses} losses of power, ${failedSyncs} failed syncs, ${answers} answers`
      console.log(`${done} histories: ${what}, ${faults.length} faults`)
    }
  }
  return faults
}

await main()
