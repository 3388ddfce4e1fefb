/** `npm run bench:cost`: the cost of a gigabyte of lines in the aws home, by the size of pushes. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { ArchiveBucket } from '../../src/adapters/aws/archive-bucket.ts'
import { type HeldMessage, QueueConsumer } from '../../src/adapters/aws/worker/queue-consumer.ts'
import { QueueObjects } from '../../src/adapters/aws/worker/queue-objects.ts'
import { type Config, readConfig } from '../../src/config/read-config.ts'
import { archiveMessages } from '../../src/flows/archive/archive-messages.ts'
import { type AwsClients, makeAwsClients } from '../../src/homes/aws-clients.ts'
import { openAws } from '../../src/homes/aws-home.ts'
import { SYSTEM_CLOCK } from '../../src/homes/machine.ts'
import { homeEvents } from '../../src/processes/home-events.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { buildApp } from '../../src/transport/http/app.ts'
import { decodeMessage } from '../../src/transport/lambda/sqs-records.ts'
import { makeCorpus, type PushForm } from '../corpus.ts'
import { type Bill, bill, formatBill, HEAD } from './bill.ts'
import { Meter } from './meter.ts'
import { PRICES, PRICES_OF } from './prices.ts'

const HELP = `node bench/cost/cost.ts [--mb 60] [--requests 2000]

Sends pushes of 1 MiB, 10 KB and one line, and posted logs of 10 KB and one line, through the aws home, against doubles
of AWS's services. Every call that leaves the SDK is counted in the units that AWS bills; dollars are for 2^30 bytes of
lines. --mb lines of each form at most, --requests requests at most.`

const MB = 1e6
/** Messages per invocation of the worker, as in infra/. */
const DELIVERY_MESSAGES = 100
const WARM_BYTES = 20 * MB
const WARM_REQUESTS = 3

interface Case {
  readonly name: string
  readonly form: PushForm
  readonly way: 'push' | 'logs'
  readonly recentItems: boolean
}

const CASES: readonly Case[] = [
  { name: '1 MiB, no recent items', form: 'protobuf', way: 'push', recentItems: false },
  { name: '1 MiB', form: 'protobuf', way: 'push', recentItems: true },
  { name: '10 KB, no recent items', form: 'small', way: 'push', recentItems: false },
  { name: '10 KB', form: 'small', way: 'push', recentItems: true },
  { name: 'one line, no recent items', form: 'line', way: 'push', recentItems: false },
  { name: 'one line', form: 'line', way: 'push', recentItems: true },
  { name: 'POST /logs, 10 KB', form: 'small', way: 'logs', recentItems: true },
  { name: 'POST /logs, one line', form: 'line', way: 'logs', recentItems: true },
]

const SILENT = { info: () => {}, warn: () => {}, error: console.error }

/** A request ready to send. */
interface Request {
  readonly url: string
  readonly contentType: string
  readonly body: Uint8Array
  readonly lineBytes: number
}

if (import.meta.main) await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mb: { type: 'string', default: '60' },
      requests: { type: 'string', default: '2000' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(HELP)
  const cloud = fork(new URL('./cloud.ts', import.meta.url), { stdio: 'inherit' })
  const [environment] = (await once(cloud, 'message')) as [Record<string, string>]
  Object.assign(process.env, environment)
  try {
    console.log(`dollars for 2^30 bytes of lines; prices of us-east-1, ${PRICES_OF}; storage not included\n\n${HEAD}`)
    for (const each of CASES) {
      console.log(formatBill(each.name, await runCase(each, Number(values.mb) * MB, Number(values.requests))))
    }
    console.log(`${'CloudWatch Logs'.padEnd(90)}${PRICES.cloudwatchGigabyte.toFixed(4).padStart(10)}`)
  } finally {
    cloud.disconnect()
  }
}

async function runCase({ form, way, recentItems }: Case, lineBytes: number, requestsMax: number): Promise<Bill> {
  const cacheDir = mkdtempSync(join(tmpdir(), 'millrace-cost-'))
  const config = readConfig({
    ...environmentOf(process.env),
    MILLRACE_RECENT_ITEMS: String(recentItems),
    MILLRACE_CACHE_DIR: cacheDir,
  })
  const meter = new Meter()
  const clients = metered(makeAwsClients(config.aws), meter)
  const metrics = new Metrics()
  const home = await openAws(config, SYSTEM_CLOCK, homeEvents(metrics, SILENT), clients)
  const app = await buildApp({ ports: home.ports, config, keys: home.keys, metrics, version: 'bench' })
  try {
    const requests = makeRequests(form, way, lineBytes, requestsMax)
    // Loads code and clients, and announces the streams, which happens once an hour regardless of load.
    await send(app, makeRequests('protobuf', 'push', WARM_BYTES, Number.POSITIVE_INFINITY))
    await send(app, requests.slice(0, WARM_REQUESTS))
    resetUnits(meter)
    const sent = requests.slice(WARM_REQUESTS)
    const gatewaySeconds = await cpuSecondsOf(() => send(app, sent))
    const worker = way === 'logs' ? await drain(config, clients) : { invocations: 0, cpuSeconds: 0 }
    return bill({
      units: meter.units,
      lineBytes: sent.reduce((total, request) => total + request.lineBytes, 0),
      requests: sent.length,
      gatewaySeconds,
      worker,
    })
  } finally {
    await app.close()
    await home.close()
    rmSync(cacheDir, { recursive: true, force: true })
  }
}

/** The gateway's settings, without other variables of the machine. */
function environmentOf(env: NodeJS.ProcessEnv): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('MILLRACE_')))
}

function metered(clients: AwsClients, meter: Meter): AwsClients {
  const counted = new Set<unknown>()
  const once =
    <C extends Parameters<Meter['count']>[0]>(make: () => Promise<C>) =>
    async (): Promise<C> => {
      const client = await make()
      if (!counted.has(client)) meter.count(client)
      counted.add(client)
      return client
    }
  return {
    firehose: once(clients.firehose),
    items: once(clients.items),
    queues: once(clients.queues),
    objects: once(clients.objects),
    destroy: () => clients.destroy(),
  }
}

function makeRequests(form: PushForm, way: 'push' | 'logs', lineBytes: number, requestsMax: number): Request[] {
  const bodies = makeCorpus({
    seed: 7,
    form: way === 'logs' ? 'json' : form,
    lineBytes: way === 'logs' ? 4 * MB : lineBytes,
    endMs: Date.now(),
    bodiesMax: requestsMax + WARM_REQUESTS,
  })
  if (way === 'push') {
    return bodies.map(({ bytes, contentType, lineBytes: bytesOfLines }) => ({
      url: '/loki/api/v1/push',
      contentType,
      body: bytes,
      lineBytes: bytesOfLines,
    }))
  }
  // The same lines as posted logs.
  const lines = bodies.flatMap(({ bytes }) => linesOf(bytes))
  const perRequest = form === 'line' ? 1 : 40
  const requests: Request[] = []
  for (let at = 0; at + perRequest <= lines.length && requests.length < requestsMax + WARM_REQUESTS; at += perRequest) {
    const messages = lines.slice(at, at + perRequest)
    requests.push({
      url: '/logs',
      contentType: 'application/json',
      body: Buffer.from(JSON.stringify(messages.map((message) => ({ severity: 'info', message })))),
      lineBytes: messages.reduce((total, message) => total + Buffer.byteLength(message), 0),
    })
  }
  return requests
}

function linesOf(body: Uint8Array): string[] {
  const { streams } = JSON.parse(Buffer.from(body).toString()) as { streams: { values: [string, string][] }[] }
  return streams.flatMap(({ values }) => values.map(([, line]) => line))
}

/** One by one, as an instance of a function gets them. */
async function send(app: FastifyInstance, requests: readonly Request[]): Promise<void> {
  for (const { url, contentType, body } of requests) {
    const headers = { 'content-type': contentType }
    const response = await app.inject({ method: 'POST', url, headers, payload: Buffer.from(body) })
    if (response.statusCode >= 300) throw new Error(`${url} answered ${response.statusCode}: ${response.body}`)
  }
}

/** The worker's part: deliveries of many messages, until the queue is empty. */
async function drain(config: Config, clients: AwsClients): Promise<{ invocations: number; cpuSeconds: number }> {
  const { bucket = '', archivePrefix, queueUrl = '' } = config.aws
  const queue = new QueueConsumer(clients.queues, queueUrl)
  const archive = new QueueObjects(new ArchiveBucket(clients.objects, bucket), archivePrefix)
  const reports = { archived: () => {}, failed: fail, buried: fail }
  let invocations = 0
  const cpuSeconds = await cpuSecondsOf(async () => {
    for (;;) {
      const messages = await gather(queue)
      if (messages.length === 0) return
      await archiveMessages(messages, { decode: decodeMessage, write: (object) => archive.write(object), reports })
      await queue.remove(messages)
      invocations++
    }
  })
  return { invocations, cpuSeconds }
}

async function gather(queue: QueueConsumer): Promise<HeldMessage[]> {
  const messages: HeldMessage[] = []
  while (messages.length < DELIVERY_MESSAGES) {
    const received = await queue.receive({ waitMs: 0, visibilityMs: 60_000 }, new AbortController().signal)
    if (received.length === 0) break
    messages.push(...received)
  }
  return messages
}

function fail(_message: unknown, error: Error): never {
  throw error
}

function resetUnits({ units }: Meter): void {
  for (const name of Object.keys(units) as (keyof typeof units)[]) units[name] = 0
}

async function cpuSecondsOf(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}
