/** SQS's event to messages of the log queue, and what became of them to the answer that Lambda takes. */

import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import {
  type ArchiveOutcome,
  type ArchiveParts,
  archiveMessages,
  type QueuedMessage,
} from '../flows/archive-messages.ts'

/**
 * Archives the messages of an event. Those that failed are named in the answer and stay in the queue; Lambda deletes
 * the others. Needs ReportBatchItemFailures in the event source mapping. See "Reporting batch item failures" in AWS
 * Lambda's developer guide.
 */
export async function handleSqsEvent(event: SQSEvent, work: ArchiveParts): Promise<SQSBatchResponse> {
  return answerOf(await archiveMessages(event.Records.map(readRecord), work))
}

function answerOf({ failed }: ArchiveOutcome): SQSBatchResponse {
  return { batchItemFailures: Array.from(failed, (itemIdentifier) => ({ itemIdentifier })) }
}

function readRecord({ messageId, body, attributes, messageAttributes }: SQSRecord): QueuedMessage {
  const texts = Object.entries(messageAttributes).map(([name, { stringValue }]) => [name, stringValue] as const)
  return {
    id: messageId,
    body,
    attributes: new Map(texts.filter((pair): pair is [string, string] => pair[1] !== undefined)),
    receives: Number(attributes.ApproximateReceiveCount),
  }
}
