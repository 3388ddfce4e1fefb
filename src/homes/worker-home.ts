/** The parts of the queue worker, and the dead letters of every consumer. */

import { ArchiveBucket } from '../adapters/aws/archive-bucket.ts'
import { DeadLetters, type FunctionClient, functionOrigin, queueOrigin } from '../adapters/aws/worker/dead-letters.ts'
import { DeadLetterSender, QueueConsumer } from '../adapters/aws/worker/queue-consumer.ts'
import { QueueObjects } from '../adapters/aws/worker/queue-objects.ts'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { type Lazy, lazy } from '../kit/lazy.ts'
import { makeAwsClients } from './aws-clients.ts'

type QueueSettings = Pick<Config['aws'], 'queueUrl' | 'deadLetterUrl'>
type DeadLetterSettings = QueueSettings &
  Pick<Config['aws'], 'alertFunction' | 'alertDeadLetterUrl' | 'pollerFunction' | 'pollerDeadLetterUrl'>
type WorkerSettings = QueueSettings & Pick<Config['aws'], 'bucket' | 'archivePrefix' | 's3PathStyle'>

export interface WorkerHome {
  /** Undefined if MILLRACE_QUEUE_URL is not set: Lambda receives messages for its function. */
  readonly queue: QueueConsumer | undefined
  readonly archive: QueueObjects
  /** Undefined if MILLRACE_DEAD_LETTER_URL is not set: then SQS moves unreadable messages there, without a reason. */
  readonly deadLetters: DeadLetterSender | undefined
  close(): void
}

/** A long poll of SQS takes up to 20 seconds. */
const POLL_TIMEOUTS = { connectionTimeout: 2_000, requestTimeout: 25_000, throwOnRequestTimeout: true }
const ATTEMPTS_MAX = 3

/** Calls no service yet. Throws config_invalid without a bucket. */
export function openWorker(settings: WorkerSettings): WorkerHome {
  const { bucket, archivePrefix, queueUrl, deadLetterUrl } = settings
  if (bucket === undefined) throw missing('the worker', 'MILLRACE_BUCKET')
  const clients = makeAwsClients(settings)
  const queues = makeQueueClient()
  return {
    queue: queueUrl === undefined ? undefined : new QueueConsumer(queues.client, queueUrl),
    archive: new QueueObjects(new ArchiveBucket(clients.objects, bucket), archivePrefix),
    deadLetters: deadLetterUrl === undefined ? undefined : new DeadLetterSender(queues.client, deadLetterUrl),
    close: () => {
      clients.destroy()
      queues.destroy()
    },
  }
}

/** The dead letters of each consumer whose settings are complete. Calls no service yet. */
export function openDeadLetters(settings: DeadLetterSettings) {
  const { queueUrl, deadLetterUrl, alertFunction, alertDeadLetterUrl, pollerFunction, pollerDeadLetterUrl } = settings
  const queues = makeQueueClient()
  const functions = makeFunctionClient()
  const consumers = new Map<'worker' | 'alerts' | 'poller', DeadLetters>()
  if (queueUrl !== undefined && deadLetterUrl !== undefined) {
    consumers.set('worker', new DeadLetters(queues.client, deadLetterUrl, queueOrigin(queues.client, queueUrl)))
  }
  for (const [name, url, functionName] of [
    ['alerts', alertDeadLetterUrl, alertFunction],
    ['poller', pollerDeadLetterUrl, pollerFunction],
  ] as const) {
    if (url === undefined || functionName === undefined) continue
    consumers.set(name, new DeadLetters(queues.client, url, functionOrigin(functions.client, functionName)))
  }
  const close = (): void => {
    queues.destroy()
    functions.destroy()
  }
  return { consumers, close }
}

function makeFunctionClient() {
  let created: { destroy(): void } | undefined
  const client: Lazy<FunctionClient> = lazy(async () => {
    const { Lambda } = await import('@aws-sdk/client-lambda')
    const lambda = new Lambda({ maxAttempts: ATTEMPTS_MAX })
    created = lambda
    return lambda
  })
  return { client, destroy: () => created?.destroy() }
}

function makeQueueClient() {
  let created: { destroy(): void } | undefined
  const client: Lazy<import('@aws-sdk/client-sqs').SQS> = lazy(async () => {
    const { SQS } = await import('@aws-sdk/client-sqs')
    const sqs = new SQS({ maxAttempts: ATTEMPTS_MAX, requestHandler: POLL_TIMEOUTS })
    created = sqs
    return sqs
  })
  return { client, destroy: () => created?.destroy() }
}

function missing(who: string, variable: string): GatewayError {
  return new GatewayError('config_invalid', `${who} needs ${variable}; set it`)
}
