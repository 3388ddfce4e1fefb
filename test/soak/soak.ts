/** A gateway under a steady load for a long time: memory, files, rates and latencies, sample by sample. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { percentile } from '../../bench/load.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { Random } from '../support/random.ts'

export interface SoakOptions {
  readonly dataDir: string
  readonly minutes: number
  /** Seconds per sample. */
  readonly sampleSeconds: number
  readonly seed: number
  readonly onSample: (sample: SoakSample) => void
}

/** One sample; latencies in milliseconds of the requests since the previous one. */
export interface SoakSample {
  readonly second: number
  readonly rssBytes: number
  /** Open files and sockets. */
  readonly handles: number
  /** Total size of the files in the data folder. */
  readonly diskBytes: number
  readonly cpuSeconds: number
  readonly pushMedian: number
  readonly pushP99: number
  readonly queryMedian: number
  readonly queryP99: number
  readonly lines: number
  readonly tailLines: number
  readonly failures: number
}

/** Small enough that for most of an hour the store is full, retention deletes, and the duplicate window has passed. */
const SETTINGS = { MILLRACE_RETENTION_BYTES: '16MiB', MILLRACE_RETENTION_AGE: '1h', MILLRACE_DUPLICATE_WINDOW: '5m' }
const PUSH_MS = 250
const PUSH_LINES = 150
const QUERY_MS = 2000
const LOGS_MS = 1000
/** How often a new pod replaces an old one. */
const POD_MS = 20_000
const PODS = 5
/** How often a tail is closed and reopened. */
const TAIL_MS = 60_000

const QUERIES = [
  (nowMs: number) => ({ query: '{app="soak"} |= "error"', start: `${nowMs - 300_000}000000` }),
  (nowMs: number) => ({
    query: 'sum by (pod) (count_over_time({app="soak"}[1m]))',
    start: `${nowMs - 1800_000}000000`,
  }),
  (nowMs: number) => ({ query: '{app="soak"} | logfmt | took > 900', start: `${nowMs - 60_000}000000` }),
  (nowMs: number) => ({ query: 'topk(3, rate({app="soak"} |~ "err.r" [5m]))', start: `${nowMs - 600_000}000000` }),
]

/** Runs for the given time, and stops the gateway. Failed requests are counted, not thrown. */
export async function soak(options: SoakOptions): Promise<void> {
  const gateway = await GatewayProcess.start({ dataDir: options.dataDir, env: SETTINGS })
  const run = new SoakRun(gateway, options)
  try {
    await run.run()
  } finally {
    await gateway.stop()
  }
}

class SoakRun {
  readonly #gateway: GatewayProcess
  readonly #options: SoakOptions
  readonly #random: Random
  readonly #startedMs = performance.now()
  readonly #pushes: number[] = []
  readonly #queries: number[] = []
  #lines = 0
  #tailLines = 0
  #failures = 0
  #asked = 0

  constructor(gateway: GatewayProcess, options: SoakOptions) {
    this.#gateway = gateway
    this.#options = options
    this.#random = new Random(options.seed)
  }

  async run(): Promise<void> {
    await Promise.all([
      this.#every(PUSH_MS, () => this.#timed(this.#pushes, () => this.#push())),
      this.#every(QUERY_MS, () => this.#timed(this.#queries, () => this.#query())),
      this.#every(LOGS_MS, () => this.#post()),
      this.#every(TAIL_MS, () => this.#tail()),
      this.#every(this.#options.sampleSeconds * 1000, async () => this.#sample()),
    ])
  }

  get #isOver(): boolean {
    return performance.now() - this.#startedMs > this.#options.minutes * 60_000
  }

  /** Runs `act` at a steady rate, one at a time. */
  async #every(ms: number, act: () => Promise<void>): Promise<void> {
    for (let nextMs = performance.now(); !this.#isOver; nextMs = Math.max(nextMs + ms, performance.now())) {
      await delay(Math.max(0, nextMs - performance.now()))
      await act().catch(() => {
        this.#failures++
      })
    }
  }

  async #timed(taken: number[], act: () => Promise<void>): Promise<void> {
    const startedMs = performance.now()
    await act()
    taken.push(performance.now() - startedMs)
  }

  async #push(): Promise<void> {
    const nowMs = Date.now()
    const pods = Array.from({ length: PODS }, (_, i) => `pod-${i}-${Math.floor(nowMs / POD_MS / PODS + i / PODS)}`)
    const streams = pods.map((pod, i) => ({
      stream: { app: 'soak', pod },
      values: Array.from({ length: PUSH_LINES / PODS }, (_, line) => [
        `${nowMs}${String(i * 100 + line).padStart(6, '0')}`,
        this.#line(),
      ]),
    }))
    await this.#send('/loki/api/v1/push', { streams })
    this.#lines += PUSH_LINES
  }

  #line(): string {
    const level = this.#random.chance(0.02) ? 'error' : 'info'
    return `level=${level} took=${this.#random.integer(1000)} request=${this.#random.hex(32)} path=/shop/${this.#random.integer(100)}`
  }

  async #post(): Promise<void> {
    await this.#send('/logs', [{ id: this.#random.hex(24), service: 'soak', message: this.#line() }])
    this.#lines++
  }

  async #send(path: string, body: unknown): Promise<void> {
    const response = await fetch(this.#gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    await response.arrayBuffer()
    if (!response.ok) throw new Error(`answered ${response.status}`)
  }

  async #query(): Promise<void> {
    const params = QUERIES[this.#asked++ % QUERIES.length]?.(Date.now())
    const response = await fetch(`${this.#gateway.url}/loki/api/v1/query_range?${new URLSearchParams(params)}`)
    await response.arrayBuffer()
    if (!response.ok) throw new Error(`answered ${response.status}`)
  }

  /** Tails the error lines of a pod for a while. */
  async #tail(): Promise<void> {
    const query = encodeURIComponent('{app="soak"} |= "error"')
    const socket = new WebSocket(`${this.#gateway.url.replace('http', 'ws')}/loki/api/v1/tail?query=${query}`)
    socket.addEventListener('message', ({ data }) => {
      const { streams = [] } = JSON.parse(String(data)) as { streams?: { values: unknown[] }[] }
      for (const { values } of streams) this.#tailLines += values.length
    })
    const untilMs = performance.now() + TAIL_MS * 0.9
    while (performance.now() < untilMs && !this.#isOver) await delay(1000)
    socket.close()
  }

  #sample(): void {
    const take = (taken: number[]): number[] => taken.splice(0).sort((a, b) => a - b)
    const [pushes, queries] = [take(this.#pushes), take(this.#queries)]
    this.#options.onSample({
      second: Math.round((performance.now() - this.#startedMs) / 1000),
      rssBytes: this.#gateway.rss().now,
      handles: readdirSync(`/proc/${this.#gateway.pid}/fd`).length,
      diskBytes: folderBytes(this.#options.dataDir),
      cpuSeconds: this.#gateway.cpuSeconds(),
      pushMedian: percentile(pushes, 0.5),
      pushP99: percentile(pushes, 0.99),
      queryMedian: percentile(queries, 0.5),
      queryP99: percentile(queries, 0.99),
      lines: this.#lines,
      tailLines: this.#tailLines,
      failures: this.#failures,
    })
  }
}

function folderBytes(folder: string): number {
  let bytes = 0
  for (const name of readdirSync(folder)) bytes += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0
  return bytes
}
