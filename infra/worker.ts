/** The queue's worker, which writes posted logs to objects of the archive. */

import { type Base, createFunction, type ImageFunction, storageEnvironment } from './functions.ts'
import { WORKER_SECONDS } from './resources.ts'

const BATCH_SIZE = 100

export function createWorker(base: Base): ImageFunction {
  const { settings, storage } = base
  const made = createFunction(base, 'Worker', {
    bundle: 'worker-lambda',
    seconds: WORKER_SECONDS,
    mebibytes: 512,
    environment: { ...storageEnvironment(base), MILLRACE_DEAD_LETTER_URL: storage.deadLetters.url },
    statements: [
      {
        actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ChangeMessageVisibility'],
        resources: [storage.queue.arn],
      },
      { actions: ['sqs:SendMessage'], resources: [storage.deadLetters.arn] },
      { actions: ['s3:PutObject'], resources: [$interpolate`${storage.bucket.arn}/logs/*`] },
    ],
  })
  storage.queue.subscribe(made.function.arn, {
    batch: { size: BATCH_SIZE, window: '5 seconds', partialResponses: true },
    transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: Math.max(2, settings.workers) } } },
  })
  return made
}
