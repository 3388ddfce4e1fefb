/** Kills the gateway at random moments while clients push, and checks that acknowledged lines are stored. */

import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import { freePort, GatewayProcess } from '../support/gateway-process.ts'
import { Random } from '../support/random.ts'
import { readEntries, readLogs } from '../support/read-back.ts'
import { Ledger } from './ledger.ts'
import { makeWriters, SERVICE, type Writer } from './writers.ts'

export interface CrashOptions {
  readonly dataDir: string
  readonly rounds: number
  readonly seed: number
  /** Called after every round. */
  readonly onRound?: (round: number, ledger: Ledger) => void
}

export interface CrashReport {
  readonly kills: number
  readonly pushes: number
  readonly lines: number
  /** Number of pushes that were retried because they got no response. */
  readonly retries: number
  /** Faults, up to a limit; should be empty. */
  readonly faults: readonly string[]
  readonly faultCount: number
  /** Number of lines stored at the end, by both ways of reading. */
  readonly foundLines: number
  readonly foundLogs: number
}

/**
 * Number of pushes that start before the kill, and of turns of the event loop between the last of them and the kill.
 */
const ROUND_PUSHES = { min: 5, max: 80 }
const TURNS_MAX = 20
/** In every nth round the gateway is also killed while it starts. */
const START_KILL_EVERY = 4
/** The latest time of a kill during a start, relative to the duration of the last complete start. */
const START_KILL_SHARE_MAX = 1.2
/** Times of POST /logs may be slightly ahead of the clock. */
const READ_AHEAD_NS = 60_000_000_000n

/**
 * Each round: restart on the same folder, compare stored with acknowledged lines, push for a moment, SIGKILL. The last
 * round lets every client finish and compares everything.
 */
export async function crash(options: CrashOptions): Promise<CrashReport> {
  const run = new CrashRun(options, await freePort())
  try {
    for (let round = 1; round <= options.rounds; round++) await run.round(round)
    return await run.conclude()
  } finally {
    await run.gateway?.kill()
  }
}

class CrashRun {
  gateway: GatewayProcess | undefined
  readonly #options: CrashOptions
  readonly #port: number
  readonly #random: Random
  readonly #ledger = new Ledger()
  readonly #writers: readonly Writer[]
  readonly #beganNs = nowNs()
  #pushedNs = this.#beganNs
  #kills = 0
  #startMs = 0

  constructor(options: CrashOptions, port: number) {
    this.#options = options
    this.#port = port
    this.#random = new Random(options.seed)
    this.#writers = makeWriters(this.#ledger, this.#random)
  }

  async round(round: number): Promise<void> {
    if (round % START_KILL_EVERY === 0) await this.#killWhileStarting()
    const { url } = await this.#start()
    await this.#compare(url, this.#ledger.oldestPendingNs ?? this.#pushedNs, `round ${round}`)
    this.#pushedNs = nowNs()
    let isStopped = false
    let left = ROUND_PUSHES.min + this.#random.integer(ROUND_PUSHES.max - ROUND_PUSHES.min)
    const { promise: isTime, resolve: kill } = Promise.withResolvers<void>()
    const onPush = (): void => {
      if (--left === 0) kill()
    }
    const pushing = Promise.all(this.#writers.map((writer) => writer.run(url, () => isStopped, onPush)))
    await Promise.race([pushing, isTime])
    for (let turns = this.#random.integer(TURNS_MAX); turns > 0; turns--) await setImmediate()
    const killed = this.#kill()
    isStopped = true
    await Promise.all([killed, pushing])
    this.#options.onRound?.(round, this.#ledger)
  }

  /** Lets every client finish, and compares everything, read in both directions and by GET /logs. */
  async conclude(): Promise<CrashReport> {
    const { url } = await this.#start()
    await this.#compare(url, this.#beganNs, 'before the last retries')
    for (const writer of this.#writers) await writer.finish(url)
    await this.#compare(url, this.#beganNs, 'in the end, newest first')
    const foundLines = await this.#compare(url, this.#beganNs, 'in the end', 'forward')
    const logs = (await readLogs(url, this.#beganNs)).map(({ message }) => message)
    this.#ledger.compare(logs, this.#beganNs, 'GET /logs in the end', (line) => line.startsWith('logs'))
    await this.gateway?.stop()
    const retries = this.#writers.reduce((sum, writer) => sum + writer.retries, 0)
    const { pushes, lines, faults, faultCount } = this.#ledger
    return { kills: this.#kills, pushes, lines, retries, faults, faultCount, foundLines, foundLogs: logs.length }
  }

  async #start(): Promise<GatewayProcess> {
    const env = { MILLRACE_LOG_LEVEL: 'error' }
    const beganMs = performance.now()
    this.gateway = await GatewayProcess.start({ dataDir: this.#options.dataDir, port: this.#port, env })
    this.#startMs = performance.now() - beganMs
    return this.gateway
  }

  async #killWhileStarting(): Promise<void> {
    this.gateway = await GatewayProcess.spawn({ dataDir: this.#options.dataDir, port: this.#port })
    await delay(this.#random.next() * START_KILL_SHARE_MAX * this.#startMs)
    await this.#kill()
  }

  async #kill(): Promise<void> {
    await this.gateway?.kill()
    this.#kills++
  }

  async #compare(
    url: string,
    sinceNs: bigint,
    where: string,
    direction: 'forward' | 'backward' = 'backward',
  ): Promise<number> {
    const query = `{service_name="${SERVICE}"}`
    const endNs = nowNs() + READ_AHEAD_NS
    try {
      const entries = await readEntries(url, { query, startNs: sinceNs, endNs, direction })
      const lines = entries.map(({ line }) => messageOf(line))
      this.#ledger.compare(lines, sinceNs, where)
      return lines.length
    } catch (cause) {
      throw new Error(`${where}: cannot read back; the gateway said: ${this.gateway?.lastWords}`, { cause })
    }
  }
}

/** A line of POST /logs is stored as JSON; its message is what was sent. */
function messageOf(line: string): string {
  return line.startsWith('{') ? (JSON.parse(line) as { message: string }).message : line
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}
