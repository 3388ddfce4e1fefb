/** A number of processes that simulate plans under the shim. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Rig } from '../power/shim.ts'
import { parentOfWork } from '../power/work-folder.ts'
import { Random } from '../support/random.ts'
import type { Mutation } from './machine.ts'
import type { Plan } from './plan.ts'
import type { SimulationReport } from './simulation.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))
/** The random source that SQLite uses to salt its logs. */
const RANDOM_BYTES = 4096

/** One process, which runs plans one after the other. */
export class Simulator {
  readonly #folder: string
  readonly #rig: Rig
  readonly #child: ChildProcess

  private constructor(mutations: readonly Mutation[]) {
    this.#folder = mkdtempSync(join(parentOfWork(), 'millrace-simulator-'))
    this.#rig = new Rig(join(this.#folder, 'root'), join(this.#folder, 'rig'))
    const random = join(this.#folder, 'random')
    writeFileSync(random, new Random(1).bytes(RANDOM_BYTES))
    writeFileSync(this.#rig.env['POWER_JOURNAL'] as string, '')
    this.#child = fork(WORKER, {
      execArgv: [],
      env: {
        PATH: process.env['PATH'],
        ...this.#rig.env,
        POWER_RANDOM: random,
        SIMULATOR_MUTATIONS: JSON.stringify(mutations),
      },
    })
  }

  static async start(mutations: readonly Mutation[] = []): Promise<Simulator> {
    const simulator = new Simulator(mutations)
    await simulator.#next()
    return simulator
  }

  async run(plan: Plan): Promise<SimulationReport> {
    this.#child.send({ plan })
    return (await this.#next()) as SimulationReport
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill()
      await once(this.#child, 'exit')
    }
    this.#rig.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** The next message; rejects when the process ends before it. */
  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        this.#child.off('exit', onExit)
        resolve(message)
      }
      const onExit = (code: number | null, signal: string | null): void => {
        this.#child.off('message', onMessage)
        reject(new Error(`the simulator ended with ${code ?? signal}`))
      }
      this.#child.once('message', onMessage)
      this.#child.once('exit', onExit)
    })
  }
}
