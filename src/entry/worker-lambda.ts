/** The queue worker as a Lambda function: writes messages from SQS to archive objects. */

import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { openWorkerOf } from '../processes/worker.ts'
import { handleSqsEvent } from '../transport/lambda/sqs-records.ts'

// Runs when Lambda loads the module, so invalid settings fail the start of the function.
const { parts, metrics } = await openWorkerOf(process.env)

/** Called by Lambda for each delivery. SQS redelivers the messages listed in the result and deletes the others. */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  const answer = await handleSqsEvent(event, parts)
  await metrics.report()
  return answer
}
