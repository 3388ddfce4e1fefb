/** `npm run bench:interference`: the effect of queries of every kind on pushes and on a quiet tenant. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { GatewayProcess } from '../test/support/gateway-process.ts'
import { prepare } from './ingest.ts'
import { percentile, pushAll } from './load.ts'

const HELP = `node bench/interference.ts [--mb 200] [--seconds 4] [--queries 32] [--checkout DIR] [--only WORD]

Fills a gateway with N MB of one tenant. Then, for each kind of query, in turn: some seconds of nothing, and some seconds
in which that tenant asks it, --queries at once. Meanwhile another tenant pushes a line every 10 ms and asks for its
newest lines every 50 ms. Prints the p99 of both in ms, idle and beside the queries, and the longest stretch of
processor time that the gateway's thread took without a pause.`

const NOISY = { 'x-scope-orgid': 'noisy' }
const QUIET = { 'x-scope-orgid': 'quiet' }
const ALL = '{app=~".+"}'
const RANGE_MS = 24 * 3600_000

interface Kind {
  readonly name: string
  readonly path: string
  readonly params: Readonly<Record<string, string>>
}

interface Seen {
  readonly push: number
  readonly query: number
  readonly stretch: number
  readonly answers: number
  readonly failures: number
}

if (import.meta.main) await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mb: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '4' },
      queries: { type: 'string', default: '32' },
      checkout: { type: 'string' },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(HELP)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const probe = join(folder, 'probe')
  writeFileSync(probe, '')
  const gateway = await GatewayProcess.start({
    dataDir: join(folder, 'data'),
    checkout: values.checkout,
    env: { PROBE_FILE: probe, MILLRACE_DEFAULT_TENANT: 'noisy', MILLRACE_QUERY_TIMEOUT: '20s' },
    nodeFlags: ['--import', fileURLToPath(new URL('loop-probe.ts', import.meta.url))],
  })
  try {
    await pushAll(gateway.port, prepare('protobuf', Number(values.mb)), 4)
    const seconds = Number(values.seconds)
    const count = Number(values.queries)
    for (const kind of kinds().filter(({ name }) => name.includes(values.only))) {
      const idle = await watch(gateway, probe, seconds, undefined, 0)
      const busy = await watch(gateway, probe, seconds, kind, count)
      const pair = (before: number, beside: number): string => `${before.toFixed(1)} -> ${beside.toFixed(1)}`
      console.log(
        `${kind.name}: push p99 ${pair(idle.push, busy.push)}, query p99 ${pair(idle.query, busy.query)}, ` +
          `longest stretch ${pair(idle.stretch, busy.stretch)} ms; ${busy.answers} answers, ${busy.failures} failures`,
      )
    }
  } finally {
    await gateway.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Some seconds of pushes and queries of the quiet tenant, with or without queries of the other tenant. */
async function watch(
  { url }: GatewayProcess,
  probe: string,
  seconds: number,
  kind: Kind | undefined,
  count: number,
): Promise<Seen> {
  const untilMs = performance.now() + seconds * 1000
  const from = readFileSync(probe, 'utf8').length
  const isOver = (): boolean => performance.now() >= untilMs
  const [pushes, queries] = [[] as number[], [] as number[]]
  let answers = 0
  let failures = 0
  const ask = async (i: number): Promise<void> => {
    while (!isOver() && kind !== undefined) {
      // No result comes from the cache.
      const params = {
        ...kind.params,
        ...(kind.params['query'] && { query: `${kind.params['query']} # ${i} ${answers}` }),
      }
      const response = await fetch(`${url}/loki/api/v1/${kind.path}`, {
        method: 'POST',
        headers: { ...NOISY, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(params),
      })
      await response.arrayBuffer()
      if (response.ok) answers++
      else failures++
    }
  }
  await Promise.all([
    every(10, isOver, pushes, () => pushLine(url)),
    every(50, isOver, queries, () => askNewest(url)),
    ...Array.from({ length: count }, (_, i) => ask(i)),
  ])
  const stretches = readFileSync(probe, 'utf8').slice(from).split('\n').map(Number)
  return {
    push: percentile(
      pushes.sort((a, b) => a - b),
      0.99,
    ),
    query: percentile(
      queries.sort((a, b) => a - b),
      0.99,
    ),
    stretch: Math.max(0, ...stretches.filter(Number.isFinite)),
    answers,
    failures,
  }
}

/** Starts `act` at a fixed rate, however long each takes, and records the durations. */
async function every(ms: number, isOver: () => boolean, taken: number[], act: () => Promise<void>): Promise<void> {
  const acts: Promise<void>[] = []
  for (let nextMs = performance.now(); !isOver(); nextMs += ms) {
    await delay(Math.max(0, nextMs - performance.now()))
    const startedMs = performance.now()
    acts.push(act().then(() => void taken.push(performance.now() - startedMs)))
  }
  await Promise.all(acts)
}

async function pushLine(url: string): Promise<void> {
  const values = [[`${Date.now()}000000`, `a quiet line ${performance.now()}`]]
  const response = await fetch(`${url}/loki/api/v1/push`, {
    method: 'POST',
    headers: { ...QUIET, 'content-type': 'application/json' },
    body: JSON.stringify({ streams: [{ stream: { app: 'quiet' }, values }] }),
  })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`a push was answered ${response.status}`)
}

async function askNewest(url: string): Promise<void> {
  const response = await fetch(`${url}/loki/api/v1/query_range?query=${encodeURIComponent('{app="quiet"}')}`, {
    headers: QUIET,
  })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`a query was answered ${response.status}`)
}

function kinds(): Kind[] {
  const range = { start: `${Date.now() - RANGE_MS}000000`, end: `${Date.now() + 60_000}000000` }
  const lines = (name: string, query: string, limit = 5000): Kind => {
    return { name, path: 'query_range', params: { query, limit: String(limit), ...range } }
  }
  const numbers = (name: string, query: string, step = 60): Kind => {
    return { name, path: 'query_range', params: { query, step: String(step), ...range } }
  }
  const names = Array.from({ length: 2000 }, (_, i) => `pod-${(i * 7919) % 99_991}\\\\.${i}`)
  return [
    lines('2,000 names as a label filter', `${ALL} | logfmt | pod=~"${names.join('|')}"`),
    lines('2,000 names as a matcher', `{app=~".+", pod=~"checkout.*|${names.join('|')}"}`),
    lines('2,000 names as a line filter', `${ALL} |~ "${names.join('|')}"`),
    lines('2,000 patterns as a line filter', `${ALL} |~ "${names.map((name) => `${name}[0-9]+`).join('|')}"`),
    lines('a regular expression that is nowhere', `${ALL} |~ "(?i)no (line|one)+ says th(is|at)"`),
    lines('the newest 5,000', ALL),
    lines('a template', `${ALL} | logfmt | line_format "{{ range $k, $v := . }}{{ $k }}={{ $v | upper }} {{ end }}"`),
    lines('JSON that is nowhere', `${ALL} | json | nothing="x"`),
    numbers('lines by pod', `sum by (pod) (count_over_time(${ALL}[5m]))`, 15),
    numbers(
      'a quantile',
      `quantile_over_time(0.99, ${ALL} | logfmt | unwrap duration(duration) | __error__="" [1h]) by (pod)`,
      15,
    ),
    numbers('a ratio', `sum by (pod) (rate(${ALL} |= "error" [5m])) / on (pod) sum by (pod) (rate(${ALL}[5m]))`, 15),
    numbers('the top of many', `topk(3, sum by (pod) (rate(${ALL}[5m])))`, 15),
    { name: 'fields', path: 'detected_fields', params: { query: ALL, line_limit: '5000', ...range } },
    { name: 'patterns', path: 'patterns', params: { query: ALL, ...range } },
    { name: 'volumes', path: 'index/volume_range', params: { query: ALL, step: '60', targetLabels: 'pod', ...range } },
    { name: 'statistics', path: 'index/stats', params: { query: ALL, ...range } },
    { name: 'series', path: 'series', params: { 'match[]': ALL, ...range } },
    { name: 'values of a label', path: 'label/pod/values', params: range },
  ]
}
