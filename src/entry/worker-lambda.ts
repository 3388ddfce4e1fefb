/** The queue worker as a Lambda function: writes messages from SQS to archive objects. */

import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { startFunction } from '../processes/function.ts'
import { reportAfterEach } from '../processes/report-metrics.ts'
import { openWorker } from '../processes/worker.ts'
import { handleSqsEvent } from '../transport/lambda/sqs-records.ts'

const { config, log } = await startFunction('millrace-worker', process.env)
const { parts, metrics } = openWorker(config, log)

/** Called by Lambda for each delivery. SQS redelivers the messages listed in the result and deletes the others. */
export const handler: (event: SQSEvent, context: unknown) => Promise<SQSBatchResponse> = reportAfterEach(
  metrics,
  (event: SQSEvent) => handleSqsEvent(event, parts),
)
