/** `npm run start:aws-local`: the aws home on this machine, with its services emulated in this process. */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { BUCKET, LocalCloud } from '../doubles/local-cloud.ts'
import { awsEnvironment } from './endpoints.ts'

const HELP = `Runs the aws home without an account: gateway, worker, compactor, poller and alert processor against S3, SQS, DynamoDB,
Firehose, SSM, SNS and CloudWatch Logs in this process, and a Cognigy that makes up its entries.

  --folder <path>         keep queues, objects and items in this folder; in memory when left out
  --port <port>           the gateway's port (3100)
  --aws-port <port>       the first of six ports, for the services and Cognigy (4566); 0: any that are free
  --buffer-seconds <s>    how long Firehose keeps lines before they are objects in S3 (5)
`
/** How often Firehose's buffers and subscriptions are checked, ms. */
const DELIVERY_MS = 500
const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))
const ENTRIES = [
  'src/entry/gateway-server.ts',
  'src/entry/worker-loop.ts',
  'src/entry/compactor-loop.ts',
  'src/entry/poller-loop.ts',
  'src/entry/alert-processor-loop.ts',
]
const AWS_PORTS = 5
const COGNIGY_KEY = 'fake-key'
/** One Cognigy project is polled into CloudWatch Logs and the store; its errors become incidents. */
const SETTINGS = {
  MILLRACE_POLL_PROJECTS: 'demo=507f1f77bcf86cd799439011',
  MILLRACE_POLL_SINKS: 'cloudwatch,store',
  MILLRACE_POLL_INTERVAL: '10s',
  MILLRACE_ALERT_LOG_GROUPS: 'cognigy-logs',
  MILLRACE_ALERT_POLL_EVERY: '10s',
}

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    port: { type: 'string', default: '3100' },
    'aws-port': { type: 'string', default: '4566' },
    'buffer-seconds': { type: 'string', default: '5' },
    help: { type: 'boolean', default: false },
  },
})
const awsPort = Number(values['aws-port'])
if (values.help) process.stdout.write(HELP)
else await run()

async function run(): Promise<void> {
  const cloud = await startCloud()
  const delivery = setInterval(() => deliverDue(cloud), DELIVERY_MS)
  process.stdout.write(whatToType(cloud))
  const cognigy = await startCognigy(awsPort === 0 ? 0 : awsPort + AWS_PORTS)
  const environment = {
    ...SETTINGS,
    ...process.env,
    ...cloud.environment(),
    MILLRACE_PORT: values.port,
    MILLRACE_POLL_BASE_URL: cognigy.url,
    COGNIGY_API_KEY: COGNIGY_KEY,
    MILLRACE_ALERT_SNS_TOPIC: cloud.topicArn,
  }
  const children = ENTRIES.map((entry) => start(entry, [], environment))
  let isStopping = false
  // Only once: a second signal ends a process immediately.
  const stop = (): void => {
    if (isStopping) return
    isStopping = true
    for (const child of children) child.kill('SIGTERM')
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
  // When one ends, by itself or by a signal, the others are stopped.
  await Promise.race(children.map((child) => once(child, 'exit')))
  stop()
  await Promise.all(children.map(ended))
  cognigy.child.kill()
  clearInterval(delivery)
  await cloud.deliver()
  await cloud.stop()
  process.exitCode = children.some(({ exitCode }) => exitCode !== 0 && exitCode !== null) ? 1 : 0
}

/** If a port is in use, reports it and exits. */
async function startCloud(): Promise<LocalCloud> {
  try {
    return await LocalCloud.start({
      ...(awsPort !== 0 && { firstPort: awsPort }),
      bufferSeconds: Number(values['buffer-seconds']),
      ...(values.folder !== undefined && { folder: values.folder }),
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return endForPort()
  }
}

function endForPort(): never {
  process.stderr.write(`another process listens on a port from ${awsPort} on; choose others by --aws-port\n`)
  process.exit(1)
}

/** A simulated Cognigy, once it listens. */
async function startCognigy(port: number): Promise<{ child: ChildProcess; url: string }> {
  const child = start('test/cognigy/serve.ts', ['--port', String(port)], process.env, 'pipe')
  const [text] = await Promise.race([once(child.stdout as Readable, 'data'), once(child, 'exit')])
  const [url] = /http:\/\/\S+:\d+/.exec(String(text)) ?? endForPort()
  return { child, url }
}

/** In its own process group, because this process forwards Ctrl-C. */
function start(entry: string, args: string[], env: NodeJS.ProcessEnv, output: 'inherit' | 'pipe' = 'inherit') {
  const stdio: StdioOptions = ['ignore', output, 'inherit']
  return spawn(process.execPath, [entry, ...args], { cwd: CHECKOUT, env, stdio, detached: true })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

function deliverDue(cloud: LocalCloud): void {
  const report = (error: unknown): void => {
    process.stderr.write(`a delivery failed and is tried again: ${error}\n`)
  }
  cloud.firehose.deliverDue().catch(report)
  cloud.logs.deliver().catch(report)
}

function whatToType(cloud: LocalCloud): string {
  const exports = Object.entries(awsEnvironment(cloud.endpoints)).map(([name, value]) => `  export ${name}=${value}`)
  const objects = values.folder === undefined ? '' : `Objects are files in ${values.folder}/s3\n`
  return `The services of AWS are in this process${values.folder === undefined ? ', in memory' : ''}. To look at them with the aws command line:

${exports.join('\n')}
  aws s3 ls --recursive s3://${BUCKET}/
  aws s3 cp s3://${BUCKET}/<key> - | zcat
  aws sqs receive-message --queue-url ${cloud.deadLetterQueueUrl}

${objects}What is pushed is an object after ${values['buffer-seconds']} seconds, and is found by queries at once.
`
}
