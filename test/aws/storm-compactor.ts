/** The compactor in a storm: it runs all the while, calls fail, it is killed, and time passes in leaps. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Config } from '../../src/config/read-config.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import { type CompactionWork, compactArrivals, mergeFiles } from '../../src/flows/archive/compact-archive.ts'
import type { AwsClients } from '../../src/homes/aws-clients.ts'
import { type CompactorHome, openCompactor } from '../../src/homes/compactor-home.ts'
import { SYSTEM_CLOCK } from '../../src/homes/machine.ts'
import type { Clock } from '../../src/ports/log-store.ts'
import type { LocalCloud } from '../doubles/local-cloud.ts'
import type { Random } from '../support/random.ts'
import { Killed, killable } from './killable.ts'

/** The machine's clock, moved on by leaps. */
export class LeapingClock implements Clock {
  #leapMs = 0

  leap(ms: number): void {
    this.#leapMs += ms
  }

  nowMs(): number {
    return SYSTEM_CLOCK.nowMs() + this.#leapMs
  }

  monotonicMs(): number {
    return SYSTEM_CLOCK.monotonicMs() + this.#leapMs
  }
}

/** More than ten minutes and the time until they are sealed. */
const SEALED_AFTER_MS = 14 * 60_000
/** Steps of a round after which it is killed, at most; an empty round has fewer than ten. */
const KILL_STEPS_MAX = 15
const KILL_CHANCE = 0.5

export interface CompactorFigures {
  /** Rounds that ended, that ended with an error, and that were killed. */
  readonly rounds: number
  readonly failedRounds: number
  readonly kills: number
  readonly merges: number
}

export class StormCompactor {
  readonly #home: CompactorHome
  readonly #work: CompactionWork
  readonly #clock: LeapingClock
  readonly #folder: string
  readonly figures = { rounds: 0, failedRounds: 0, kills: 0, merges: 0 }
  #round: Promise<void> = Promise.resolve()
  #isRunning = false

  private constructor(home: CompactorHome, clock: LeapingClock, folder: string, damages: string[]) {
    this.#home = home
    this.#clock = clock
    this.#folder = folder
    this.#work = {
      ...home,
      nowMs: () => clock.nowMs(),
      retentionMs: undefined,
      reports: {
        sealed: () => undefined,
        behind: () => undefined,
        merged: () => {
          this.figures.merges++
        },
        removed: () => undefined,
        failed: ({ day }, cause) => {
          if (!isExpected(cause)) damages.push(`day ${day}: ${cause}`)
        },
        damaged: ({ bucket }) => damages.push(`compaction of bucket ${bucket}`),
      },
    }
  }

  static async open(
    config: Config,
    clients: AwsClients,
    clock: LeapingClock,
    damages: string[],
  ): Promise<StormCompactor> {
    const events = { sourceDamaged: (name: string, why: string) => void damages.push(`${name}: ${why}`) }
    const home = await openCompactor(config, events, { ...clients, destroy: () => undefined })
    return new StormCompactor(home, clock, config.aws.cacheDir, damages)
  }

  /** Lets time pass and starts a round, which goes on while others read and write; unless one is running. */
  stir(random: Random): void {
    if (random.chance(0.7)) this.#clock.leap(random.integer(SEALED_AFTER_MS))
    if (this.#isRunning) return
    const { work } = random.chance(KILL_CHANCE)
      ? killable(this.#work, 1 + random.integer(KILL_STEPS_MAX), random.chance(0.5))
      : { work: this.#work }
    this.#isRunning = true
    this.#round = this.#run(work).finally(() => {
      this.#isRunning = false
    })
    // Awaited in the end.
    this.#round.catch(() => undefined)
  }

  /** Resolves when the round that runs now has ended, so that writers do not end long before the compactor has done anything. */
  async nextRound(): Promise<void> {
    await this.#round.catch(() => undefined)
  }

  /** Compacts all that arrived, with no faults any more. */
  async finish(): Promise<void> {
    await this.#round
    this.#clock.leap(SEALED_AFTER_MS)
    await compactArrivals(this.#work)
    await mergeFiles(this.#work)
  }

  /** Lines of the files that the manifest names, read by DuckDB. */
  async lines(cloud: LocalCloud): Promise<readonly string[]> {
    const { manifest } = this.#work
    const buckets = Array.from({ length: (await manifest.buckets()) ?? 0 }, (_, bucket) => bucket)
    const days = (await Promise.all(buckets.map((bucket) => manifest.days(bucket)))).flat()
    const keys = new Set(days.flatMap(({ files }) => files.map(({ key }) => key)))
    const objects = (await cloud.objects()).filter(({ key }) => keys.has(key))
    if (objects.length !== keys.size) throw new Error(`${keys.size - objects.length} files of the manifest are missing`)
    const db = await (await DuckDBInstance.create(':memory:')).connect()
    const lines: string[] = []
    for (const { body } of objects) {
      const path = join(this.#folder, 'checked.parquet')
      writeFileSync(path, body)
      const rows = await db.runAndReadAll(`SELECT body FROM read_parquet('${path}')`)
      for (const [line] of rows.getRows()) lines.push(line as string)
    }
    db.disconnectSync()
    return lines
  }

  async close(): Promise<void> {
    await this.#round.catch(() => undefined)
    await this.#home.close()
  }

  async #run(work: CompactionWork): Promise<void> {
    try {
      await compactArrivals(work)
      await mergeFiles(work)
      this.figures.rounds++
    } catch (cause) {
      if (!isExpected(cause)) throw cause
      if (cause instanceof Killed) this.figures.kills++
      else this.figures.failedRounds++
    }
  }
}

/** Killed, or a service that failed. */
function isExpected(cause: unknown): boolean {
  if (cause instanceof Killed) return true
  return cause instanceof GatewayError && ['store_unavailable', 'overloaded'].includes(cause.code)
}
