/** One trial: an agent reads a growing file and pushes it, while the gateway is killed, closed and started again. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort, GatewayProcess } from '../../support/gateway-process.ts'
import { readEntries } from '../../support/read-back.ts'
import { AgentProxy, type Moment } from './agent-proxy.ts'
import type { Agent } from './agents.ts'
import { lineOf, type Tally, tally } from './lines.ts'
import { fitRecipe } from './recipe.ts'

export interface TrialOptions {
  readonly agent: Agent
  readonly binary: string
  readonly lines: number
  /** An empty folder. */
  readonly dir: string
}

export interface TrialReport extends Tally {
  readonly agent: string
  readonly version: string
  readonly kills: number
  /** Orderly stops with restarts. */
  readonly stops: number
  readonly statuses: Readonly<Record<string, number>>
  readonly refused: number
  readonly broken: number
  readonly seconds: number
}

/** What happens to the gateway while the agent pushes, in this order. */
const INTERRUPTIONS: readonly (Moment | 'stop')[] = ['request', 'answer', 'request', 'stop']
/** Lines appended at a time, with a pause in between: some batches for every agent. */
const LINES_AT_ONCE = 1000
const PAUSE_MS = 50
/** How long the gateway is down: agents get refused connections. */
const AWAY_MS = 1500
/** How long to wait for a moment to kill. */
const MOMENT_MS_MAX = 120_000
/** If no new line arrives for this long, the rest counts as lost. */
const STALLED_MS_MAX = 90_000
const HOUR_NS = 3_600_000_000_000n
const PASSWORD = 'trial-password'
const HEADERS = { authorization: `Basic ${Buffer.from(`agent:${PASSWORD}`).toString('base64')}` }

export async function runTrial(options: TrialOptions): Promise<TrialReport> {
  const { agent, binary, dir } = options
  for (const name of ['app', 'state', 'data']) mkdirSync(join(dir, name), { recursive: true })
  const port = await freePort()
  const proxy = await AgentProxy.start(port)
  const trial = new Trial(options, port, proxy)
  try {
    return { agent: agent.name, version: versionOf(binary, agent), ...(await trial.run()) }
  } finally {
    await trial.end()
    await proxy.close()
  }
}

class Trial {
  readonly #options: TrialOptions
  readonly #port: number
  readonly #proxy: AgentProxy
  readonly #startedMs = Date.now()
  #gateway: GatewayProcess | undefined
  #agent: ChildProcess | undefined
  #written = 0

  constructor(options: TrialOptions, port: number, proxy: AgentProxy) {
    this.#options = options
    this.#port = port
    this.#proxy = proxy
  }

  async run(): Promise<Omit<TrialReport, 'agent' | 'version'>> {
    const { lines } = this.#options
    await this.#startGateway()
    await this.#append(LINES_AT_ONCE)
    await this.#startAgent()
    const share = Math.floor(lines / (INTERRUPTIONS.length + 1))
    for (const [i, interruption] of INTERRUPTIONS.entries()) {
      const due = interruption === 'stop' ? this.#nextPush() : this.#killAt(interruption)
      await this.#append(share * (i + 1) - this.#written)
      await due
      if (interruption === 'stop') await this.#gateway?.stop()
      await this.#append(LINES_AT_ONCE)
      await delay(AWAY_MS)
      await this.#startGateway()
    }
    await this.#append(lines - this.#written)
    await this.#awaitAll()
    // Only what survives one more kill is counted.
    await this.#gateway?.kill()
    const gateway = await this.#startGateway()
    const found = await readEntries(gateway.url, { ...this.#range(), query: this.#options.agent.selector })
    const { statuses, refused, broken } = this.#proxy
    const seconds = Math.round((Date.now() - this.#startedMs) / 1000)
    const kills = INTERRUPTIONS.filter((name) => name !== 'stop').length
    const stops = INTERRUPTIONS.length - kills
    return { ...tally(found, lines), kills, stops, statuses, refused, broken, seconds }
  }

  async end(): Promise<void> {
    if (this.#agent !== undefined && this.#agent.exitCode === null && this.#agent.signalCode === null) {
      this.#agent.kill('SIGKILL')
      await once(this.#agent, 'exit')
    }
    await this.#gateway?.kill()
  }

  async #startGateway(): Promise<GatewayProcess> {
    const env = { MILLRACE_USERS: `agent:${PASSWORD}`, MILLRACE_LOG_LEVEL: 'error' }
    this.#gateway = await GatewayProcess.start({ dataDir: join(this.#options.dir, 'data'), port: this.#port, env })
    return this.#gateway
  }

  async #startAgent(): Promise<void> {
    const { agent, binary, dir } = this.#options
    const config = join(dir, agent.file)
    writeFileSync(config, await fitRecipe(agent.recipe.page, agent.recipe.index, this.#proxy.port, dir))
    const log = createWriteStream(join(dir, 'agent.log'))
    await once(log, 'open')
    const env = { ...process.env, MILLRACE_PASSWORD: PASSWORD }
    this.#agent = spawn(binary, agent.args(config, dir, await freePort()), {
      cwd: dir,
      env,
      stdio: ['ignore', log, log],
    })
  }

  /** Appends lines to the file in portions, with pauses. */
  async #append(count: number): Promise<void> {
    const last = Math.min(this.#written + count, this.#options.lines)
    while (this.#written < last) {
      let text = ''
      for (let i = 0; i < LINES_AT_ONCE && this.#written < last; i++) text += `${lineOf(this.#written++, Date.now())}\n`
      appendFileSync(join(this.#options.dir, 'app', 'app.log'), text)
      await delay(PAUSE_MS)
    }
  }

  async #killAt(moment: Moment): Promise<void> {
    const gateway = this.#gateway as GatewayProcess
    await inTime(this.#proxy.strikeAt(moment, () => process.kill(gateway.pid, 'SIGKILL')))
    await gateway.kill()
  }

  #nextPush(): Promise<void> {
    return inTime(this.#proxy.strikeAt('request', () => undefined))
  }

  /** Waits until all lines are stored, or none has arrived for a long time. */
  async #awaitAll(): Promise<void> {
    let found = 0
    for (let sinceMs = Date.now(); found < this.#options.lines && Date.now() - sinceMs < STALLED_MS_MAX; ) {
      await delay(1000)
      const counted = await this.#count()
      if (counted > found) sinceMs = Date.now()
      found = counted
    }
  }

  async #count(): Promise<number> {
    const query = `sum(count_over_time(${this.#options.agent.selector}[2h]))`
    const params = new URLSearchParams({ query, time: String(this.#range().endNs) })
    const response = await fetch(`${this.#gateway?.url}/loki/api/v1/query?${params}`, { headers: HEADERS })
    if (!response.ok) throw new Error(`query answered ${response.status}: ${await response.text()}`)
    const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } }
    return Number(data.result[0]?.value[1] ?? 0)
  }

  #range() {
    const nowNs = BigInt(Date.now()) * 1_000_000n
    return { startNs: nowNs - HOUR_NS, endNs: nowNs + HOUR_NS / 60n, headers: HEADERS }
  }
}

async function inTime(moment: Promise<void>): Promise<void> {
  const timer = new AbortController()
  const late = delay(MOMENT_MS_MAX, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`the agent pushed nothing in ${MOMENT_MS_MAX / 1000} seconds; its log is agent.log in the folder`)
  })
  try {
    await Promise.race([moment, late])
  } finally {
    timer.abort()
    late.catch(() => undefined)
  }
}

/** The version as the binary prints it: the first number with dots. */
function versionOf(binary: string, { versionArgs }: Agent): string {
  const text = execFileSync(binary, versionArgs, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return /\d+\.\d+(\.\d+)?(-[\w.]+)?/.exec(text)?.[0] ?? 'unknown'
}
