/**
 * Random histories: processes act, their fsyncs fail, they are killed anywhere, the power fails, repeatedly; responses
 * must stay true. The same seed gives the same plan.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '../support/random.ts'
import { ACTORS, ACTORS_SCRIPT, type Actor, ANSWERED, type Facts } from './actors.ts'
import { CUT_MODES, Disk } from './disk.ts'
import { History } from './history.ts'
import type { Rig } from './shim.ts'

const LIVES_MAX = 6
const EIO = 5
/** Share of lives with failing fsyncs. */
const FAILING_SHARE = 0.4
const FAILED_SYNC_SHARE = 0.3
const POWER_LOSS_SHARE = 0.4

export interface HistoryReport {
  readonly lives: number
  readonly losses: number
  readonly answers: number
  readonly failedSyncs: number
  /** The faults, with the histories that led to them. */
  readonly faults: readonly string[]
}

export async function runHistory(seed: number, work: string): Promise<HistoryReport> {
  const run = new RandomHistory(seed, work)
  try {
    return await run.run()
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

class RandomHistory {
  readonly #random: Random
  readonly #work: string
  readonly #promised = new Map<Actor, Facts>()
  readonly #events: string[] = []
  readonly #faults: string[] = []
  #history: History
  #answers = 0
  #losses = 0
  #failedSyncs = 0

  constructor(seed: number, work: string) {
    this.#random = new Random(seed)
    this.#work = work
    const empty = join(work, 'empty')
    mkdirSync(join(empty, 'data'), { recursive: true, mode: 0o700 })
    this.#history = new History(Disk.of(empty, new Random(seed)), join(work, 'lives'))
  }

  async run(): Promise<HistoryReport> {
    const lives = 2 + this.#random.integer(LIVES_MAX - 1)
    for (let life = 0; life < lives; life++) {
      await this.#live()
      if (this.#random.chance(POWER_LOSS_SHARE) || life === lives - 1) await this.#losePower()
    }
    const { answers, losses, failedSyncs } = {
      answers: this.#answers,
      losses: this.#losses,
      failedSyncs: this.#failedSyncs,
    }
    return { lives, losses, answers, failedSyncs, faults: this.#faults }
  }

  /** A process does one thing, and is killed at some point: often just before its response, when most is done. */
  async #live(): Promise<void> {
    const actor = this.#random.pick(ACTORS)
    const step = actor.isRemade && this.#random.chance(0.5) ? 'look' : 'act'
    const isFailing = this.#random.chance(FAILING_SHARE)
    const seed = this.#random.integer(2 ** 31)
    const fail = (rig: Rig): void => {
      rig.control.seed = seed
      rig.control.rules = [{ action: 'fail', kinds: ['sync'], chance: FAILED_SYNC_SHARE, value: EIO }]
    }
    const args = (root: string): string[] => [actor.name, step, root]
    const { operations, stdout } = await this.#history.run(ACTORS_SCRIPT, args, isFailing ? fail : undefined)
    const answer = operations.findIndex(({ kind, path }) => kind === 'mark' && path === ANSWERED)
    const isKilled = this.#random.chance(0.6)
    const last = answer < 0 ? operations.length : answer
    const point = !isKilled
      ? last
      : this.#random.chance(0.5)
        ? last - this.#random.integer(5)
        : this.#random.integer(last + 1)
    const done = operations.slice(0, Math.max(point, 0))
    this.#history.apply(done)
    const failed = done.filter(({ kind, error }) => kind === 'sync' && error !== 0).length
    this.#failedSyncs += failed
    const isAnswered = answer >= 0 && point >= answer
    this.#events.push(
      `${actor.name}, ${step}: ${isAnswered ? 'answered' : `killed before ${point} of ${last}`}, ${failed} failed syncs`,
    )
    if (isAnswered) this.#promise(actor, step, JSON.parse(stdout) as Facts)
  }

  /** Data derived from lines is only guaranteed once it was read. */
  #promise(actor: Actor, step: 'act' | 'look', facts: Facts): void {
    this.#answers++
    const known = facts.filter((fact) => fact !== 'undefined')
    if (known.length > 0 && !(actor.isRemade && step === 'act')) this.#promised.set(actor, known)
  }

  async #losePower(): Promise<void> {
    const mode = this.#random.pick(CUT_MODES)
    this.#history = this.#history.cut(mode, this.#random.integer(2 ** 31), join(this.#work, `after-${this.#losses++}`))
    this.#events.push(`power lost (${mode})`)
    const root = this.#history.materialize()
    for (const [actor, facts] of this.#promised) {
      const found = await actor.look(join(root, 'data')).catch((cause) => [`cannot be opened: ${cause}`])
      const isWhole = found.length === facts.length && facts.every((fact) => found.includes(fact))
      if (!isWhole) this.#faults.push(`${actor.name}: answered ${facts}; found ${found}; ${this.#events.join('; ')}`)
    }
  }
}
