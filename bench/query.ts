/**
 * `npm run bench:query`: measures the duration of reads over the store of an ingest run, and their cost for the
 * gateway.
 */

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { GatewayProcess } from '../test/support/gateway-process.ts'
import { ingestRound, prepare } from './ingest.ts'
import { median } from './load.ts'
import { PrometheusText } from './prometheus.ts'

const HELP = `node bench/query.ts [--data DIR] [--mb 600] [--repeats 7] [--versus DIR]

Asks the store in DIR, or one that it fills with N MB first, and prints medians in ms.
--versus asks the same folder through another checkout afterwards.`

/** The corpus ends at its creation; a day covers all of it. */
const RANGE_MS = 24 * 3600_000
const ALL = '{app=~".+"}'
const PROD = '{env="prod"}'

interface Question {
  readonly name: string
  readonly path: string
  readonly params: Readonly<Record<string, string>>
}

if (import.meta.main) await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      mb: { type: 'string', default: '600' },
      repeats: { type: 'string', default: '7' },
      versus: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(HELP)
  const isGiven = values.data !== undefined && existsSync(values.data)
  const dataDir = values.data ?? mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  if (!isGiven) {
    const bodies = prepare('protobuf', Number(values.mb))
    await ingestRound(bodies, { checkout: undefined, dataDir, connections: 8, settles: true })
  }
  await askAll(dataDir, undefined, Number(values.repeats))
  if (values.versus !== undefined) await askAll(dataDir, values.versus, Number(values.repeats))
  if (values.data === undefined) rmSync(dataDir, { recursive: true })
}

async function askAll(dataDir: string, checkout: string | undefined, repeats: number): Promise<void> {
  const startedMs = performance.now()
  const gateway = await GatewayProcess.start({ dataDir, checkout })
  const opened = Math.round(performance.now() - startedMs)
  const metrics = await PrometheusText.fetch(gateway.url)
  const megabytes = Math.round(metrics.value('millrace_store_line_bytes') / 1e6)
  const blocks = metrics.value('millrace_store_blocks')
  console.log(
    `\n${checkout ?? 'here'}: ${megabytes} MB of lines in ${blocks} blocks; listening ${opened} ms after its start`,
  )
  const pod = await anyPod(gateway.url)
  const traceId = await oldTraceId(gateway.url)
  for (const question of questions(pod, traceId)) await measure(gateway, question, repeats)
  console.log(`peak RSS ${Math.round(gateway.rss().peak / 1e6)} MB`)
  await gateway.stop()
}

function questions(pod: string, traceId: string): Question[] {
  const range = { start: `${Date.now() - RANGE_MS}000000`, end: `${Date.now()}000000` }
  const ask = (name: string, query: string, limit: number): Question => ({
    name,
    path: 'query_range',
    params: { query, limit: String(limit), ...range },
  })
  const count = (name: string, query: string): Question => ({
    name,
    path: 'query_range',
    params: { query, step: '60', ...range },
  })
  return [
    ask('newest 100 of one stream', `{pod="${pod}"}`, 100),
    ask('newest 100 of everything', ALL, 100),
    ask('newest 5000 of everything', ALL, 5000),
    ask('a needle that is nowhere', `${ALL} |= "no line says this"`, 100),
    ask('a needle that is nowhere, in one stream', `{pod="${pod}"} |= "no line says this"`, 100),
    ask('newest 1000 with a common word', `${ALL} |= "timeout"`, 1000),
    ask('newest 1000 of a regular expression', `${ALL} |~ "status=50[0-9]|Exception: "`, 1000),
    ask('a regular expression that is nowhere', `${ALL} |~ "no (line|one) says th(is|at)"`, 100),
    ask('a trace id that is there', `${ALL} | trace_id="${traceId}"`, 100),
    ask('a trace id that is nowhere', `${ALL} | trace_id="${'dead'.repeat(8)}"`, 100),
    ask('a needle that no filter excludes', `${ALL} |= "status=599"`, 100),
    ask('newest 100 of a condition on JSON', '{app=~"c.*"} | json | status >= 500 | duration_ms > 400', 100),
    count('lines a minute by app', `sum by (app) (count_over_time(${ALL}[1m]))`),
    count('lines with a word a minute', `sum(count_over_time(${ALL} |= "error" [1m]))`),
    count('lines with a word a minute by region', `sum by (region) (count_over_time(${PROD} |= "error" [1m]))`),
    count(
      'a quantile of durations in logfmt by region',
      `quantile_over_time(0.99, ${PROD} |= "caller=" | logfmt | unwrap duration(duration) | __error__="" [5m]) by (region)`,
    ),
    count(
      "Grafana's log volume by level",
      `sum by (level, detected_level) (count_over_time(${PROD} | drop __error__ [1m]))`,
    ),
    { name: 'labels', path: 'labels', params: range },
    { name: 'values of one label', path: 'label/pod/values', params: range },
    { name: 'series', path: 'series', params: range },
  ]
}

async function measure(gateway: GatewayProcess, { name, path, params }: Question, repeats: number): Promise<void> {
  const times: number[] = []
  let bytes = 0
  const cpuBefore = gateway.cpuSeconds()
  for (let i = 0; i < repeats; i++) {
    const url = `${gateway.url}/loki/api/v1/${path}?${new URLSearchParams(neverAsked(params, i))}`
    const startedMs = performance.now()
    const response = await fetch(url)
    const body = await response.arrayBuffer()
    times.push(performance.now() - startedMs)
    bytes = body.byteLength
    if (!response.ok) return console.log(`${name}: ${response.status} ${Buffer.from(body).toString().trim()}`)
  }
  const cpuMs = ((gateway.cpuSeconds() - cpuBefore) * 1000) / repeats
  const first = (times[0] as number).toFixed(1)
  console.log(`${name}: ${median(times).toFixed(1)} ms (first ${first}), CPU ${cpuMs.toFixed(0)} ms, ${bytes} bytes`)
}

/** An equivalent query with another text, so that no cached result is used. */
function neverAsked(params: Question['params'], i: number): Record<string, string> {
  const { query } = params
  return query === undefined ? { ...params } : { ...params, query: query.replace('{', `{no_label!="${i}",`) }
}

/** The pod of any stream in the corpus. */
async function anyPod(url: string): Promise<string> {
  const start = `${Date.now() - RANGE_MS}000000`
  const response = await fetch(`${url}/loki/api/v1/label/pod/values?start=${start}`)
  const { data = [] } = (await response.json()) as { data?: string[] }
  const pod = data.find((value) => value.startsWith('checkout')) ?? data[0]
  if (pod === undefined) throw new Error('the store holds nothing of the corpus')
  return pod
}

/** The trace id of one of the oldest entries that have one. */
async function oldTraceId(url: string): Promise<string> {
  const params = new URLSearchParams({
    query: `${ALL} | trace_id!=""`,
    limit: '1',
    direction: 'forward',
    start: `${Date.now() - RANGE_MS}000000`,
  })
  const response = await fetch(`${url}/loki/api/v1/query_range?${params}`)
  const { data } = (await response.json()) as { data: { result: { stream: { trace_id?: string } }[] } }
  const traceId = data.result[0]?.stream.trace_id
  if (traceId === undefined) throw new Error('the store holds no trace ids of the corpus')
  return traceId
}
