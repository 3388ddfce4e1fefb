/** The queue's worker as a Lambda function: SQS hands it messages, it makes objects of the archive of them. */

import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { openWorkerOf } from '../processes/worker.ts'
import { handleSqsEvent } from '../transport/lambda/sqs-records.ts'

// Loading the module is the function's start: what is wrong with the settings is told there.
const { parts, metrics } = await openWorkerOf(process.env)

/** What Lambda calls for each delivery. Messages named in the answer come again, the others are deleted. */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  const answer = await handleSqsEvent(event, parts)
  await metrics.report()
  return answer
}
