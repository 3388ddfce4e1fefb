/** `npm run start:aws-local`: the aws home on this machine, its gateway and worker against services in this process. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { awsEnvironment } from './endpoints.ts'
import { BUCKET, LocalCloud } from './local-cloud.ts'

const HELP = `Runs the aws home without an account: gateway and worker against S3, SQS, DynamoDB, Firehose, SSM, SNS and
CloudWatch Logs in this process.

  --folder <path>         keep queues, objects and items in this folder; in memory when left out
  --port <port>           the gateway's port (3100)
  --aws-port <port>       the first of five ports for the services (4566)
  --buffer-seconds <s>    how long Firehose keeps lines before they are objects in S3 (5)
`
/** How often it is looked which of Firehose's buffers and subscriptions are due, ms. */
const DELIVERY_MS = 500
const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))
const ENTRIES = ['src/entry/gateway-server.ts', 'src/entry/worker-loop.ts']

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    port: { type: 'string', default: '3100' },
    'aws-port': { type: 'string', default: '4566' },
    'buffer-seconds': { type: 'string', default: '5' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(HELP)
else await run()

async function run(): Promise<void> {
  const cloud = await startCloud()
  const environment = { ...process.env, ...cloud.environment(), MILLRACE_PORT: values.port }
  const delivery = setInterval(() => deliverDue(cloud), DELIVERY_MS)
  process.stdout.write(whatToType(cloud))
  const children = ENTRIES.map((entry) => start(entry, environment))
  // Ctrl-C reaches the children by the terminal; a plain kill by this.
  const stop = (): void => {
    for (const child of children) child.kill('SIGTERM')
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', () => undefined)
  // When one ends, by itself or because it was told to, so does the other.
  await Promise.race(children.map((child) => once(child, 'exit')))
  stop()
  await Promise.all(children.map(ended))
  clearInterval(delivery)
  await cloud.deliver()
  await cloud.stop()
  process.exitCode = children.some(({ exitCode }) => exitCode !== 0 && exitCode !== null) ? 1 : 0
}

/** Ends the process, and says why, where a port is taken. */
async function startCloud(): Promise<LocalCloud> {
  try {
    return await LocalCloud.start({
      firstPort: Number(values['aws-port']),
      bufferSeconds: Number(values['buffer-seconds']),
      ...(values.folder !== undefined && { folder: values.folder }),
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    process.stderr.write(
      `another process listens on a port from ${values['aws-port']} on; choose others by --aws-port\n`,
    )
    process.exit(1)
  }
}

function start(entry: string, environment: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, [entry], { cwd: CHECKOUT, env: environment, stdio: ['ignore', 'inherit', 'inherit'] })
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
