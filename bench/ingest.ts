/** `npm run bench`: the rate at which the gateway accepts pushes, their CPU cost, and their size on disk. */

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
                     [--versus DIR] [--data DIR] [--settle false] [--errors 0,0.01,0.14,1]

Pushes N MB of lines to a gateway of its own on an empty folder, in rounds, and prints the medians.
--versus runs another checkout in turn (A B A B). --data keeps the folder of the last round of this checkout.
--errors runs each share of error lines with incidents and without, in turn, and prints what incidents cost.
small pushes 10 KB a request, line one line a request (at most 50 000 of them).`

const FORMS: readonly PushForm[] = ['protobuf', 'json', 'small', 'line']
const MB = 1e6
const LINE_BODIES_MAX = 50_000
/** Older bodies are recreated: a gateway rejects lines older than 7 days, and queries look a day back. */
const CORPUS_AGE_MS_MAX = 12 * 3600_000
/** Joined blocks stay readable for twice the query timeout; a short one lets the folder settle soon. */
const QUERY_TIMEOUT = '1s'
/** The gateway is idle if it used less than this in a period with a round of maintenance and one of incidents. */
const IDLE_SECONDS = 0.15
const IDLE_SPAN_MS = 32_000
const SETTLE_MS_MAX = 180_000

/** The figures of one round; their order is that of the table. */
interface Figures {
  readonly 'MB/s': number
  readonly 'k lines/s': number
  /** Until the gateway is idle, if requested. */
  readonly 'CPU s/GB': number
  readonly 'of it during the load': number
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
  /** Whether to wait until the gateway is idle before CPU and disk are measured. */
  readonly settles: boolean
  /** Further settings of the gateway. */
  readonly env?: Readonly<Record<string, string>>
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
      errors: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const form = FORMS.find((known) => known === values.form)
  if (values.help || form === undefined) return console.log(HELP)
  if (values.errors !== undefined) {
    const shares = values.errors.split(',').map(Number)
    return compareErrors(form, shares, Number(values.mb), Number(values.rounds), Number(values.connections))
  }
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

/** The cost of incidents at each share of error lines: rounds with and without them alternate. */
async function compareErrors(
  form: PushForm,
  shares: readonly number[],
  mb: number,
  rounds: number,
  connections: number,
): Promise<void> {
  const corpora = shares.map((share) => ({ share, bodies: prepare(form, mb, share) }))
  const modes = ['true', 'false'] as const
  const figures = new Map<string, Figures[]>()
  for (let round = 1; round <= rounds; round++) {
    for (const { share, bodies } of corpora) {
      // The first of two rounds has the colder machine, so the order alternates.
      for (const incidents of round % 2 === 1 ? modes : modes.toReversed()) {
        const dataDir = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
        const env = { MILLRACE_INCIDENTS: incidents }
        const one = await ingestRound(bodies, { checkout: undefined, dataDir, connections, settles: true, env })
        rmSync(dataDir, { recursive: true })
        const name = `${share} ${incidents}`
        figures.set(name, [...(figures.get(name) ?? []), one])
        console.log(`round ${round} errors ${share} incidents ${incidents}: ${formatFigures(one)}`)
      }
    }
  }
  for (const share of shares) {
    const [on, off] = modes.map((mode) => medians(figures.get(`${share} ${mode}`) as Figures[])) as [Figures, Figures]
    const more = (100 * (on['CPU s/GB'] - off['CPU s/GB'])) / off['CPU s/GB']
    const memory = on['peak RSS MB'] - off['peak RSS MB']
    console.log(
      `errors ${share}: CPU s/GB ${on['CPU s/GB'].toFixed(2)} with incidents, ${off['CPU s/GB'].toFixed(2)} without: ${more.toFixed(1)} %; peak RSS ${memory.toFixed(0)} MB more`,
    )
  }
}

/** The bodies of a run, cached in the system's temporary folder by a run of the same day. */
export function prepare(form: PushForm, mb: number, errors?: number): PushBody[] {
  const startedMs = performance.now()
  const share = errors === undefined ? '' : `-errors-${errors}`
  const cached = join(tmpdir(), `millrace-bench-corpus-${form}-${mb}${share}.bin`)
  const age = Date.now() - (statSync(cached, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  const bodies =
    age < CORPUS_AGE_MS_MAX ? (deserialize(readFileSync(cached)) as PushBody[]) : makeBodies(form, mb, errors)
  if (age >= CORPUS_AGE_MS_MAX) writeFileSync(cached, serialize(bodies))
  const lines = bodies.reduce((sum, body) => sum + body.lines, 0)
  const lineBytes = bodies.reduce((sum, body) => sum + body.lineBytes, 0)
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  console.log(
    `${form}: ${bodies.length} bodies, ${lines} lines, ${Math.round(lineBytes / MB)} MB of lines, ready in ${seconds} s`,
  )
  return bodies
}

function makeBodies(form: PushForm, mb: number, errors: number | undefined): PushBody[] {
  const options = { seed: 1, form, lineBytes: mb * MB, endMs: Date.now(), errors }
  return makeCorpus(form === 'line' ? { ...options, bodiesMax: LINE_BODIES_MAX } : options)
}

/** One gateway from its start to its graceful stop. */
export async function ingestRound(bodies: readonly PushBody[], options: RoundOptions): Promise<Figures> {
  const { checkout, dataDir, connections, settles } = options
  const env = { MILLRACE_QUERY_TIMEOUT: QUERY_TIMEOUT, ...options.env }
  const gateway = await GatewayProcess.start({ dataDir, checkout, env })
  const idleSeconds = gateway.cpuSeconds()
  const load = await pushAll(gateway.port, bodies, connections)
  const loadSeconds = gateway.cpuSeconds() - idleSeconds
  for (const [status, count] of load.failures) console.log(`  ${count} pushes were answered ${status}`)
  const metrics = await PrometheusText.fetch(gateway.url)
  const cpuSeconds = settles ? (await settled(gateway)) - idleSeconds : loadSeconds
  const peakRss = gateway.rss().peak
  await gateway.stop()
  return {
    'MB/s': load.lineBytes / MB / load.seconds,
    'k lines/s': load.lines / 1000 / load.seconds,
    'CPU s/GB': cpuSeconds / (load.lineBytes / 1e9),
    'of it during the load': loadSeconds / (load.lineBytes / 1e9),
    'peak RSS MB': peakRss / MB,
    'disk/raw': diskBytes(dataDir) / load.lineBytes,
    'commit p50 ms': metrics.quantile('millrace_commit_seconds', 0.5) * 1000,
    'commit p99 ms': metrics.quantile('millrace_commit_seconds', 0.99) * 1000,
    'request p50 ms': percentile(load.latencies, 0.5),
    'request p99 ms': percentile(load.latencies, 0.99),
  }
}

/** Resolves when the gateway is idle, to its CPU seconds when it became idle. */
async function settled(gateway: GatewayProcess): Promise<number> {
  const startedMs = performance.now()
  let quiet = { seconds: gateway.cpuSeconds(), sinceMs: startedMs }
  while (performance.now() - startedMs < SETTLE_MS_MAX) {
    await delay(250)
    const seconds = gateway.cpuSeconds()
    if (seconds - quiet.seconds > IDLE_SECONDS) quiet = { seconds, sinceMs: performance.now() }
    else if (performance.now() - quiet.sinceMs >= IDLE_SPAN_MS) return quiet.seconds
  }
  return gateway.cpuSeconds()
}

function diskBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

function medians(rounds: readonly Figures[]): Figures {
  const names = Object.keys(rounds[0] as Figures) as (keyof Figures)[]
  // Every name of Figures is present, which the type of fromEntries does not express.
  return Object.fromEntries(
    names.map((name) => [name, median(rounds.map((round) => round[name]))]),
  ) as unknown as Figures
}

function formatFigures(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`)
    .join('; ')
}
