/**
 * Tests of recovery: a process is killed, the next one responds based on what it finds, the power fails, and everything
 * in the response must still be there.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '../support/random.ts'
import { ACTORS_SCRIPT, type Actor, ANSWERED, type Facts } from './actors.ts'
import { type CutMode, Disk } from './disk.ts'
import { History, killPoints, type Life } from './history.ts'
import type { Operation } from './journal.ts'

export interface RecoveryOptions {
  readonly actor: Actor
  /** The action of the process after the kill: the client's retry, or a read. */
  readonly second: 'act' | 'look'
  /** An empty folder. */
  readonly work: string
  /** Where the first process is killed; `sync`: before each sync, when most is unsynced. */
  readonly places: 'sync' | 'every operation'
  readonly cuts: readonly CutMode[]
  readonly seed: number
}

export interface RecoveryReport {
  readonly kills: number
  readonly images: number
  /** What was in a response but lost, as text. */
  readonly faults: readonly string[]
}

export async function checkRecovery(options: RecoveryOptions): Promise<RecoveryReport> {
  const { actor, second, work, places, cuts, seed } = options
  mkdirSync(join(work, 'prepared', 'data'), { recursive: true, mode: 0o700 })
  // The files exist already; another test covers their creation.
  if (!actor.isMade) await actor.look(join(work, 'prepared', 'data'))
  const first = new History(Disk.of(join(work, 'prepared'), new Random(seed)), join(work, 'first'))
  const { operations } = whole(await first.run(ACTORS_SCRIPT, (root) => [actor.name, 'act', root]))
  const isPlace = ({ kind }: Operation): boolean => places === 'every operation' || kind === 'sync'
  const points = killPoints(first.disk, operations, isPlace)
  const faults: string[] = []
  for (const point of points) {
    const killed = first.fork(join(work, `second-${point}`))
    killed.apply(operations.slice(0, point))
    const life = whole(await killed.run(ACTORS_SCRIPT, (root) => [actor.name, second, root]))
    killed.apply(life.operations.slice(0, answerOf(life)))
    const answered = JSON.parse(life.stdout) as Facts
    for (const mode of cuts) {
      const cut = killed.cut(mode, seed, join(work, `cut-${point}-${mode}`))
      const found = await actor.look(join(cut.materialize(), 'data')).catch((cause) => [`cannot be opened: ${cause}`])
      const lost = answered.filter((fact) => !found.includes(fact))
      if (lost.length === 0 && found.length === answered.length) continue
      const where = `killed before operation ${point} of ${operations.length}, ${second} again, power lost (${mode})`
      faults.push(`${where}: answered ${answered.join(', ')}; found ${found.join(', ')}`)
    }
  }
  return { kills: points.length, images: points.length * cuts.length, faults }
}

/** A life that reached its response, and then killed itself. */
function whole(life: Life): Life {
  if (life.signal === 'SIGKILL' && answerOf(life) > 0) return life
  throw new Error(`the process ended with ${life.code ?? life.signal} before its answer: ${life.stderr}`)
}

/** Number of operations at the time of the response. */
function answerOf({ operations }: Life): number {
  return operations.findIndex(({ kind, path }) => kind === 'mark' && path === ANSWERED)
}
