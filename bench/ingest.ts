/** `npm run bench`: how fast the gateway takes pushes in, what that costs it, and what it leaves on disk. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { GatewayProcess } from '../test/support/gateway-process.ts'
import { makeCorpus, type PushBody, type PushForm } from './corpus.ts'
import { median, percentile, pushAll } from './load.ts'
import { PrometheusText } from './prometheus.ts'

const HELP = `node bench/ingest.ts [--mb 600] [--connections 8] [--form protobuf|json|small|line] [--rounds 3]
                     [--versus DIR] [--data DIR] [--settle false]

Pushes N MB of lines to a gateway of its own on an empty folder, in rounds, and prints the medians.
--versus runs another checkout in turn (A B A B). --data keeps the folder of the last round of this checkout.
small pushes 10 KB a request, line one line a request (at most 50 000 of them).`

const FORMS: readonly PushForm[] = ['protobuf', 'json', 'small', 'line']
const MB = 1e6
const LINE_BODIES_MAX = 50_000
/** Older bodies are made anew: a gateway refuses lines of more than 7 days ago, and queries look a day back. */
const CORPUS_AGE_MS_MAX = 12 * 3600_000
/** Joined blocks stay readable for twice the query timeout; a short one lets the folder settle soon. */
const QUERY_TIMEOUT = '1s'
/** Maintenance runs every 5 s: two rounds that change nothing mean that it is done. */
const SETTLED_MS = 11_000
const SETTLE_MS_MAX = 90_000

/** The figures of one round; their order is that of the table. */
interface Figures {
  readonly 'MB/s': number
  readonly 'k lines/s': number
  readonly 'CPU s/GB': number
  readonly 'peak RSS MB': number
  readonly 'disk/raw': number
  readonly 'commit p50 ms': number
  readonly 'commit p99 ms': number
  readonly 'request p50 ms': number
  readonly 'request p99 ms': number
}

export interface RoundOptions {
  readonly checkout: string | undefined
  readonly dataDir: string
  readonly connections: number
  /** Whether to wait for maintenance before the disk is measured. */
  readonly settles: boolean
}

if (import.meta.main) await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mb: { type: 'string', default: '600' },
      connections: { type: 'string', default: '8' },
      form: { type: 'string', default: 'protobuf' },
      rounds: { type: 'string', default: '3' },
      versus: { type: 'string' },
      data: { type: 'string' },
      settle: { type: 'string', default: 'true' },
      help: { type: 'boolean', default: false },
    },
  })
  const form = FORMS.find((known) => known === values.form)
  if (values.help || form === undefined) return console.log(HELP)
  const bodies = prepare(form, Number(values.mb))
  const checkouts = values.versus === undefined ? [undefined] : [undefined, values.versus]
  const rounds = new Map<string | undefined, Figures[]>(checkouts.map((checkout) => [checkout, []]))
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const checkout of checkouts) {
      const kept = checkout === undefined && round === Number(values.rounds) ? values.data : undefined
      const dataDir = kept ?? mkdtempSync(join(tmpdir(), 'millrace-bench-'))
      const connections = Number(values.connections)
      const figures = await ingestRound(bodies, { checkout, dataDir, connections, settles: values.settle !== 'false' })
      if (kept === undefined) rmSync(dataDir, { recursive: true })
      rounds.get(checkout)?.push(figures)
      console.log(`round ${round} ${checkout ?? 'here'}: ${formatFigures(figures)}`)
    }
  }
  for (const [checkout, list] of rounds) console.log(`\nmedian ${checkout ?? 'here'}: ${formatFigures(medians(list))}`)
}

/** The bodies of a run, from the system's temporary folder where a run of today left them there. */
export function prepare(form: PushForm, mb: number): PushBody[] {
  const startedMs = performance.now()
  const cached = join(tmpdir(), `millrace-bench-corpus-${form}-${mb}.bin`)
  const age = Date.now() - (statSync(cached, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  const bodies = age < CORPUS_AGE_MS_MAX ? (deserialize(readFileSync(cached)) as PushBody[]) : makeBodies(form, mb)
  if (age >= CORPUS_AGE_MS_MAX) writeFileSync(cached, serialize(bodies))
  const lines = bodies.reduce((sum, body) => sum + body.lines, 0)
  const lineBytes = bodies.reduce((sum, body) => sum + body.lineBytes, 0)
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  console.log(
    `${form}: ${bodies.length} bodies, ${lines} lines, ${Math.round(lineBytes / MB)} MB of lines, ready in ${seconds} s`,
  )
  return bodies
}

function makeBodies(form: PushForm, mb: number): PushBody[] {
  const options = { seed: 1, form, lineBytes: mb * MB, endMs: Date.now() }
  return makeCorpus(form === 'line' ? { ...options, bodiesMax: LINE_BODIES_MAX } : options)
}

/** One gateway from its start to its graceful stop. */
export async function ingestRound(bodies: readonly PushBody[], options: RoundOptions): Promise<Figures> {
  const { checkout, dataDir, connections, settles } = options
  const env = { MILLRACE_QUERY_TIMEOUT: QUERY_TIMEOUT }
  const gateway = await GatewayProcess.start({ dataDir, checkout, env })
  const idleSeconds = gateway.cpuSeconds()
  const load = await pushAll(gateway.port, bodies, connections)
  const cpuSeconds = gateway.cpuSeconds() - idleSeconds
  const peakRss = gateway.rss().peak
  for (const [status, count] of load.failures) console.log(`  ${count} pushes were answered ${status}`)
  const metrics = await PrometheusText.fetch(gateway.url)
  if (settles) await settled(gateway.url)
  await gateway.stop()
  return {
    'MB/s': load.lineBytes / MB / load.seconds,
    'k lines/s': load.lines / 1000 / load.seconds,
    'CPU s/GB': cpuSeconds / (load.lineBytes / 1e9),
    'peak RSS MB': peakRss / MB,
    'disk/raw': diskBytes(dataDir) / load.lineBytes,
    'commit p50 ms': metrics.quantile('millrace_commit_seconds', 0.5) * 1000,
    'commit p99 ms': metrics.quantile('millrace_commit_seconds', 0.99) * 1000,
    'request p50 ms': percentile(load.latencies, 0.5),
    'request p99 ms': percentile(load.latencies, 0.99),
  }
}

/** Resolves when no block was joined or purged for a while. */
async function settled(url: string): Promise<void> {
  let last = ''
  let sinceMs = performance.now()
  const startedMs = sinceMs
  while (performance.now() - sinceMs < SETTLED_MS && performance.now() - startedMs < SETTLE_MS_MAX) {
    const metrics = await PrometheusText.fetch(url)
    const now = `${metrics.value('millrace_store_blocks')} ${metrics.value('millrace_store_disk_bytes')}`
    if (now !== last) sinceMs = performance.now()
    last = now
    await delay(1000)
  }
}

function diskBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

function medians(rounds: readonly Figures[]): Figures {
  const names = Object.keys(rounds[0] as Figures) as (keyof Figures)[]
  // Every name of Figures is there: fromEntries cannot say so.
  return Object.fromEntries(
    names.map((name) => [name, median(rounds.map((round) => round[name]))]),
  ) as unknown as Figures
}

function formatFigures(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`)
    .join('; ')
}
