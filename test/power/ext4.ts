/**
 * `npm run test:power:ext4`: the tests of recovery and opening on a real ext4 with real kills, which validate the disk
 * model. Each case: a process is killed before one of its file calls, the next one responds, the power fails, and its
 * response is checked.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ACTORS, ACTORS_SCRIPT, type Actor, type Facts } from './actors.ts'
import { Ext4Volume, noVolume } from './ext4-volume.ts'
import { useHome } from './home.ts'
import type { Kind } from './journal.ts'
import { Rig } from './shim.ts'

const scriptOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const CHANGES: readonly Kind[] = [
  'open',
  'write',
  'truncate',
  'sync',
  'sync-folder',
  'rename',
  'link',
  'unlink',
  'mkdir',
]

interface Tally {
  readonly name: string
  cases: number
  readonly faults: string[]
}

class Judge {
  readonly #volume: Ext4Volume
  readonly #work: string
  #folders = 0

  constructor(volume: Ext4Volume, work: string) {
    this.#volume = volume
    this.#work = work
  }

  /** Killed before each of its syncs in turn, retried, power lost. */
  async recovery(actor: Actor): Promise<Tally> {
    const tally: Tally = { name: actor.name, cases: 0, faults: [] }
    for (let n = 1, isKilled = true; isKilled; n++) {
      const root = this.#newFolder()
      const data = join(root, 'data')
      mkdirSync(data, { mode: 0o700 })
      if (!actor.isMade) await actor.look(data)
      this.#volume.sync()
      isKilled = await this.#killed(root, n, ['sync'], ACTORS_SCRIPT, [actor.name, 'act', root])
      const answered = await this.#answer(root, [actor.name, actor.isRemade ? 'look' : 'act', root])
      this.#volume.losePower()
      const found = await actor.look(data).catch((cause) => [`cannot be opened: ${cause}`])
      const isSame = found.length === answered.length && answered.every((fact) => found.includes(fact))
      if (!isSame) tally.faults.push(`killed before sync ${n}: answered ${answered}; found ${found}`)
      tally.cases++
    }
    return tally
  }

  /** A first start is killed before each of its file calls in turn; then the power fails, or not. */
  async opening(losesPower: boolean): Promise<Tally> {
    const tally: Tally = { name: losesPower ? 'a first start, power lost' : 'a first start', cases: 0, faults: [] }
    for (let n = 1, isKilled = true; isKilled; n++) {
      const root = this.#newFolder()
      this.#volume.sync()
      isKilled = await this.#killed(root, n, CHANGES, scriptOf('home.ts'), ['open', root])
      if (losesPower) this.#volume.losePower()
      await useHome(join(root, 'data'), 'later').catch((cause) =>
        tally.faults.push(`killed before call ${n}: ${cause}`),
      )
      tally.cases++
    }
    return tally
  }

  #newFolder(): string {
    const root = join(this.#volume.root, `case-${this.#folders++}`)
    mkdirSync(root)
    return root
  }

  /** False if the process ended before the n-th such call. */
  async #killed(root: string, n: number, kinds: readonly Kind[], script: string, args: string[]): Promise<boolean> {
    const rig = new Rig(root, join(this.#work, 'rig'), { isRecorded: false })
    try {
      rig.control.rules = [{ action: 'kill', kinds, after: n }]
      const { stdout, stderr } = await rig.run(script, args)
      if (stderr !== '') throw new Error(stderr)
      const hasFired = rig.control.left(0) === 0
      if (hasFired && stdout !== '') throw new Error('BUG: a process that was killed has answered')
      return hasFired
    } finally {
      rig.close()
    }
  }

  async #answer(root: string, args: string[]): Promise<Facts> {
    const rig = new Rig(root, join(this.#work, 'rig'), { isRecorded: false })
    try {
      const { stdout, stderr } = await rig.run(ACTORS_SCRIPT, args)
      if (stdout === '') throw new Error(`no answer: ${stderr}`)
      return JSON.parse(stdout) as Facts
    } finally {
      rig.close()
    }
  }
}

async function main(): Promise<void> {
  const missing = noVolume()
  if (missing !== false) {
    console.log(`skipped: ${missing}`)
    return
  }
  const work = mkdtempSync(join(tmpdir(), 'millrace-ext4-'))
  const volume = new Ext4Volume(work)
  try {
    const judge = new Judge(volume, work)
    const tallies: Tally[] = []
    for (const actor of ACTORS) tallies.push(print(await judge.recovery(actor)))
    for (const losesPower of [false, true]) tallies.push(print(await judge.opening(losesPower)))
    if (tallies.some(({ faults }) => faults.length > 0)) process.exitCode = 1
  } finally {
    volume.close()
    rmSync(work, { recursive: true, force: true })
  }
}

function print(tally: Tally): Tally {
  console.log(`${tally.name}: ${tally.cases} kills, ${tally.faults.length} faults`)
  for (const fault of tally.faults) console.log(`  ${fault}`)
  return tally
}

await main()
