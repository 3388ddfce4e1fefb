/** A storm on the whole aws home: gateway and worker as processes that are killed, and failing services. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { LocalCloud } from '../doubles/local-cloud.ts'
import { freePort, GatewayProcess } from '../support/gateway-process.ts'
import { Random } from '../support/random.ts'
import { archivedLines } from './archived-lines.ts'
import type { AwsStormReport } from './aws-storm.ts'
import { CALM, type FaultChances, randomFaults, withOutages } from './fault-plan.ts'
import { FaultProxy } from './fault-proxy.ts'
import { storm } from './storm.ts'
import { gatewayTarget, messageOf } from './storm-targets.ts'

export interface GatewayStormOptions {
  readonly seed: number
  /** Number of pushes of each writer. */
  readonly pushes: number
  /** The folder for the processes' files. */
  readonly folder: string
}

export interface GatewayStormReport extends AwsStormReport {
  readonly kills: number
  /** Number of archive objects that the worker wrote. */
  readonly workerObjects: number
}

/** Less than half of the storm on a store alone: the processes wait seconds for calls without a response. */
const CHANCES: FaultChances = {
  throttle: 0.03,
  serverError: 0.02,
  noAnswer: 0.0005,
  cutBefore: 0.02,
  cutAfter: 0.02,
  serverErrorAfter: 0.02,
  partial: 0.2,
  delay: 0.05,
}
const OUTAGES = { chance: 0.002, callsMax: 20 }
/** Probability that a process is killed between two reads. */
const KILL_CHANCE = 0.15
/** Ends a test that hangs; a visibility timeout is a minute, and the machine may be slow. */
const WORKER_MS_MAX = 900_000
const LOOK_MS = 200
const WORKER = fileURLToPath(new URL('../../src/entry/worker-loop.ts', import.meta.url))

export async function stormGateway(options: GatewayStormOptions): Promise<GatewayStormReport> {
  const random = new Random(options.seed)
  const cloud = await LocalCloud.start()
  const proxy = await FaultProxy.start({ endpoints: cloud.endpoints, seed: options.seed })
  const processes = new Processes({
    port: await freePort(),
    dataDir: options.folder,
    env: { ...cloud.environment(proxy.endpoints), MILLRACE_CACHE_DIR: `${options.folder}/cache` },
  })
  try {
    await processes.startGateway()
    processes.startWorker()
    proxy.plan = withOutages(random, randomFaults(random, CHANCES), OUTAGES)
    const report = await storm({
      target: gatewayTarget(processes.url),
      random,
      pushes: options.pushes,
      stir: async () => {
        cloud.firehose.deliversTwice = random.chance(0.3)
        if (random.chance(0.3)) await cloud.firehose.deliver()
        if (random.chance(KILL_CHANCE)) await processes.killGateway()
        if (random.chance(KILL_CHANCE)) await processes.killWorker()
      },
      calm: async () => {
        proxy.plan = CALM
        await cloud.deliver()
        await untilWorkerWrote(cloud)
      },
      archived: async () => (await archivedLines(cloud)).map(messageOf),
      wait: delay,
    })
    const { calls, faults } = proxy
    const { kills } = processes
    return { ...report, calls, faults, damages: [], kills, workerObjects: await countWorkerObjects(cloud) }
  } finally {
    await processes.stop()
    await proxy.stop()
    await cloud.stop()
  }
}

async function countWorkerObjects(cloud: LocalCloud): Promise<number> {
  return (await cloud.objects()).filter(({ key }) => key.includes('/queue_')).length
}

/** Usually it already has. Messages held by a killed worker are hidden until their visibility timeout. */
async function untilWorkerWrote(cloud: LocalCloud): Promise<void> {
  const deadlineMs = Date.now() + WORKER_MS_MAX
  while ((await countWorkerObjects(cloud)) === 0) {
    if (Date.now() > deadlineMs) throw new Error(`the worker wrote nothing in ${WORKER_MS_MAX} ms`)
    await delay(LOOK_MS)
  }
}

interface ProcessOptions {
  readonly port: number
  readonly dataDir: string
  readonly env: Readonly<Record<string, string>>
}

/** A gateway and a worker that are restarted after each kill, on the same port and folder. */
class Processes {
  readonly #options: ProcessOptions
  #gateway: GatewayProcess | undefined
  #worker: ChildProcess | undefined
  kills = 0

  constructor(options: ProcessOptions) {
    this.#options = options
  }

  get url(): string {
    return `http://127.0.0.1:${this.#options.port}`
  }

  async startGateway(): Promise<void> {
    this.#gateway = await GatewayProcess.start(this.#options)
  }

  startWorker(): void {
    const env = { ...process.env, MILLRACE_LOG_LEVEL: 'silent', ...this.#options.env }
    this.#worker = spawn(process.execPath, [WORKER], { env, stdio: 'ignore' })
  }

  async killGateway(): Promise<void> {
    await this.#gateway?.kill()
    this.kills++
    await this.startGateway()
  }

  async killWorker(): Promise<void> {
    await this.#endWorker()
    this.kills++
    this.startWorker()
  }

  async stop(): Promise<void> {
    await this.#gateway?.kill()
    await this.#endWorker()
  }

  async #endWorker(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined || worker.exitCode !== null) return
    worker.kill('SIGKILL')
    await once(worker, 'exit')
  }
}
