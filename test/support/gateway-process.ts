/** The gateway as a separate process: for tests that kill it, clients that need a socket, and benchmarks. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface GatewayOptions {
  readonly dataDir: string
  /** The port to listen on; default: a free one. */
  readonly port?: number | undefined
  /** The folder of the checkout to run; default: this one. */
  readonly checkout?: string | undefined
  /** Further settings. */
  readonly env?: Readonly<Record<string, string>>
  /** Flags for Node, such as --expose-gc. */
  readonly nodeFlags?: readonly string[]
}

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))
/** The unit of CPU time in the kernel: USER_HZ, 100 on every Linux. */
const TICKS_PER_SECOND = 100

/** A running gateway. */
export class GatewayProcess {
  readonly port: number
  readonly url: string
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  #stderr = ''

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
    this.url = `http://127.0.0.1:${port}`
    this.#exited = once(child, 'close')
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000)
    })
  }

  /** Starts a gateway and resolves once it listens; rejects with the end of its stderr if it exits before that. */
  static async start(options: GatewayOptions): Promise<GatewayProcess> {
    const gateway = await GatewayProcess.spawn(options)
    await gateway.listening()
    return gateway
  }

  /** Starts a gateway without waiting for it to listen. */
  static async spawn(options: GatewayOptions): Promise<GatewayProcess> {
    const port = options.port ?? (await freePort())
    const entry = join(options.checkout ?? CHECKOUT, 'src/entry/gateway-server.ts')
    const child = spawn(process.execPath, [...(options.nodeFlags ?? []), entry], {
      cwd: options.checkout ?? CHECKOUT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...withoutSettings(process.env),
        MILLRACE_PORT: String(port),
        MILLRACE_DATA_DIR: options.dataDir,
        MILLRACE_LOG_LEVEL: 'silent',
        ...options.env,
      },
    })
    return new GatewayProcess(child, port)
  }

  /** Resolves when the gateway has logged that it listens. */
  async listening(): Promise<void> {
    const { stdout } = this.#child
    if (stdout === null) throw new Error('BUG: the output of the gateway is not piped')
    let output = ''
    const listening = new Promise<void>((resolve) => {
      stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text
        if (output.includes(this.url)) resolve()
      })
    })
    const ended = this.#exited.then(() => {
      throw new Error(`the gateway ended before it listened: ${this.#stderr}`)
    })
    await Promise.race([listening, ended])
    ended.catch(() => undefined) // it ends eventually
  }

  get pid(): number {
    return this.#child.pid as number
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Undefined while it runs, null after a signal. */
  get exitCode(): number | null | undefined {
    return this.isRunning ? undefined : this.#child.exitCode
  }

  /** Resolves once it has exited by itself. */
  async ended(): Promise<void> {
    await this.#exited
  }

  /** The end of its stderr. */
  get lastWords(): string {
    return this.#stderr
  }

  /** Kills it without a shutdown: SIGKILL. */
  async kill(): Promise<void> {
    if (this.isRunning) this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Stops it with SIGTERM, and resolves once it has exited. */
  async stop(): Promise<void> {
    if (this.isRunning) this.#child.kill('SIGTERM')
    await this.#exited
  }

  /** CPU seconds of all its threads. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
    // The fields after the name, which may contain spaces: utime and stime are the 12th and 13th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }

  /** Current and peak memory, in bytes. */
  rss(): { now: number; peak: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    const bytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024
    return { now: bytes('VmRSS'), peak: bytes('VmHWM') }
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('BUG: a TCP server has no port')
  return address.port
}

function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('MILLRACE_')))
}
