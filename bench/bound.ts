/** `npm run bench:bound`: the load at which a running gateway becomes slow or rejects pushes. */

import { parseArgs } from 'node:util'
import { makeCorpus, type PushBody, type PushForm } from './corpus.ts'
import { percentile } from './load.ts'

const HELP = `node bench/bound.ts [--url http://127.0.0.1:3100] [--user NAME:PASS | --token TOKEN] [--tenant T]
                    [--form protobuf|json|small|line] [--seconds 10] [--p99 1000] [--refusals 0.01]
                    [--connections-max 256]

Pushes for --seconds with 1 connection, then 2, 4, 8 and so on, as long as 99 of 100 answers come within --p99 ms and
no more than --refusals of them are refusals, and prints each step. The bound is the last step that kept the promise.
It fills the gateway with made-up lines: give it a tenant or a stage of its own. In the aws home it costs money.`

const FORMS: readonly PushForm[] = ['protobuf', 'json', 'small', 'line']
const MB = 1e6
/** Lines for the first step. No body is sent twice, because a store that detects retries would do less work. */
const FIRST_BYTES = 200 * MB
/** Lines for a step, as a multiple of those that the previous step pushed. */
const HEADROOM = 1.6

interface Target {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

interface Step {
  readonly connections: number
  readonly megabytes: number
  readonly requests: number
  readonly p50: number
  readonly p99: number
  /** Share of responses other than 2xx, including broken connections. */
  readonly refused: number
}

if (import.meta.main) await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:3100' },
      user: { type: 'string' },
      token: { type: 'string' },
      tenant: { type: 'string' },
      form: { type: 'string', default: 'protobuf' },
      seconds: { type: 'string', default: '10' },
      p99: { type: 'string', default: '1000' },
      refusals: { type: 'string', default: '0.01' },
      'connections-max': { type: 'string', default: '256' },
      help: { type: 'boolean', default: false },
    },
  })
  const form = FORMS.find((known) => known === values.form)
  if (values.help || form === undefined) return console.log(HELP)
  const target = { url: values.url, headers: credentials(values) }
  const bounds = { p99: Number(values.p99), refusals: Number(values.refusals) }
  let best: Step | undefined
  let lineBytes = FIRST_BYTES
  for (let connections = 1; connections <= Number(values['connections-max']); connections *= 2) {
    const bodies = makeCorpus({ seed: connections, form, lineBytes, endMs: Date.now() })
    const step = await runStep(target, bodies, connections, Number(values.seconds) * 1000)
    console.log(formatStep(step))
    if (step.p99 > bounds.p99 || step.refused > bounds.refusals) break
    // More connections without more throughput only wait.
    if (best !== undefined && step.megabytes < best.megabytes * 1.02) break
    best = step
    lineBytes = Math.max(MB, step.megabytes * MB * Number(values.seconds) * HEADROOM)
  }
  console.log(best === undefined ? '\nno step kept the promise' : `\nthe bound: ${formatStep(best)}`)
}

function credentials({
  user,
  token,
  tenant,
}: {
  user?: string
  token?: string
  tenant?: string
}): Record<string, string> {
  return {
    ...(user !== undefined && { authorization: `Basic ${Buffer.from(user).toString('base64')}` }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(tenant !== undefined && { 'x-scope-orgid': tenant }),
  }
}

async function runStep(target: Target, bodies: readonly PushBody[], connections: number, ms: number): Promise<Step> {
  const latencies: number[] = []
  let refused = 0
  let lineBytes = 0
  let next = 0
  const startedMs = performance.now()
  const work = async (): Promise<void> => {
    for (let body = bodies[next++]; body !== undefined && performance.now() - startedMs < ms; body = bodies[next++]) {
      const sentMs = performance.now()
      if (await push(target, body)) lineBytes += body.lineBytes
      else refused++
      latencies.push(performance.now() - sentMs)
    }
  }
  await Promise.all(Array.from({ length: connections }, work))
  const seconds = (performance.now() - startedMs) / 1000
  latencies.sort((a, b) => a - b)
  return {
    connections,
    megabytes: lineBytes / MB / seconds,
    requests: latencies.length / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    refused: refused / latencies.length,
  }
}

async function push({ url, headers }: Target, { contentType, bytes }: PushBody): Promise<boolean> {
  try {
    const response = await fetch(`${url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { ...headers, 'content-type': contentType },
      body: bytes,
    })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

function formatStep({ connections, megabytes, requests, p50, p99, refused }: Step): string {
  const cells = [
    `${connections} connections`.padStart(15),
    `${megabytes.toFixed(1)} MB/s`.padStart(12),
    `${requests.toFixed(0)} requests/s`.padStart(17),
    `p50 ${p50.toFixed(0)} ms`.padStart(12),
    `p99 ${p99.toFixed(0)} ms`.padStart(13),
    `${(refused * 100).toFixed(1)} % refused`.padStart(15),
  ]
  return cells.join('')
}
