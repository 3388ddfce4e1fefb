/** Runs the commands that call a gateway against the whole application on a socket. */

import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { type Command, runCli } from '../../src/cli/commands.ts'
import { doctorCommand } from '../../src/cli/doctor.ts'
import { contextCommand } from '../../src/cli/explore/context.ts'
import { exploreCommand } from '../../src/cli/explore/explore.ts'
import { incidentsCommand } from '../../src/cli/incidents.ts'
import { importCommand } from '../../src/cli/push/import.ts'
import { pushCommand } from '../../src/cli/push/push.ts'
import { labelsCommand } from '../../src/cli/query/labels.ts'
import { queryCommand } from '../../src/cli/query/query.ts'
import { tailCommand } from '../../src/cli/query/tail.ts'
import type { Timer } from '../../src/cli/query/tail-socket.ts'
import type { Environment } from '../../src/config/read-config.ts'
import type { Wait } from '../../src/kit/backoff.ts'
import { buildTestApp, type JsonStream, pushJson, type TestApp } from '../support/test-app.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly notes: string
  readonly lines: readonly string[]
}

export interface RunOptions {
  readonly url?: string
  readonly hasColors?: boolean
  readonly stdin?: readonly string[]
  readonly nowMs: () => number
  readonly signal?: AbortSignal
  /** Called with all output as it is written. */
  readonly onOut?: (text: string) => void
  readonly wait?: Wait
  /** When a silent connection is closed; default: never. */
  readonly timer?: Timer
}

/** Runs a command like cli.ts. */
export async function runAsking(argv: readonly string[], options: RunOptions): Promise<Ran> {
  const { nowMs, hasColors = false, wait = async () => undefined, signal } = options
  const { timer = () => () => undefined } = options
  const commands: readonly Command[] = [
    queryCommand(nowMs, hasColors),
    tailCommand({ nowMs, hasColors, wait, random: () => 0, timer, ...(signal && { signal }) }),
    labelsCommand(nowMs),
    ...(['series', 'stats', 'volume', 'patterns'] as const).map((name) => exploreCommand(name, nowMs)),
    contextCommand(nowMs, hasColors),
    doctorCommand(),
    incidentsCommand(nowMs),
    pushCommand({ nowMs, wait }),
    importCommand(wait),
  ]
  let out = ''
  let notes = ''
  const url = options.url === undefined ? [] : ['--url', options.url]
  const code = await runCli([...argv, ...url], commands, {
    stdin: (async function* () {
      for (const chunk of options.stdin ?? []) yield Buffer.from(chunk)
    })(),
    isInteractive: false,
    out: (text) => {
      out += text
      options.onOut?.(text)
    },
    note: (text) => {
      notes += text
    },
  })
  return { code, out, notes, lines: out.split('\n').slice(0, -1) }
}

export interface ListeningApp extends TestApp {
  readonly url: string
  push(streams: readonly JsonStream[], headers?: Readonly<Record<string, string>>): Promise<void>
  /** Runs a command at the time of the application's clock. */
  run(argv: readonly string[], options?: Partial<RunOptions>): Promise<Ran>
}

export async function listen(t: Test, env: Environment = {}): Promise<ListeningApp> {
  const parts = await buildTestApp(t, env)
  const url = await parts.app.listen({ host: '127.0.0.1', port: 0 })
  const push = async (streams: readonly JsonStream[], headers = {}): Promise<void> => {
    const { statusCode, body } = await pushJson(parts.app, streams, headers)
    if (statusCode >= 300) throw new Error(`the push was answered ${statusCode}: ${body}`)
  }
  const nowMs = (): number => parts.clock.nowMs()
  return { ...parts, url, push, run: (argv, options = {}) => runAsking(argv, { nowMs, url, ...options }) }
}

export function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string') throw new Error('BUG: the server has no port')
  return address.port
}

/** Lines `1`, `2`, … of one stream, a second apart, the last of them a second before `nowNs`. */
export function manyLines(count: number, nowNs: bigint, labels: Readonly<Record<string, string>> = { app: 'shop' }) {
  const at = (i: number): string => String(nowNs - BigInt(count - i + 1) * 1_000_000_000n)
  const values = Array.from({ length: count }, (_, i) => [at(i + 1), `line ${i + 1}`])
  return [{ stream: labels, values }]
}
