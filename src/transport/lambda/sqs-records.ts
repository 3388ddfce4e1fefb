/** Archives the messages of an SQS event and returns the batch response for Lambda. */

import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import type { ArchivePart } from '../../domain/entries/archive-part.ts'
import { GatewayError } from '../../domain/errors.ts'
import { type ArchiveParts, archiveMessages, type QueuedMessage } from '../../flows/archive/archive-messages.ts'
import { decodeQueueMessage, MESSAGE_VERSION } from '../../protocol/archive/queue-message.ts'

/**
 * Archives the messages of an event. Failed messages are listed in the response and stay in the queue; Lambda deletes the
 * others. Needs ReportBatchItemFailures in the event source mapping. See "Reporting batch item failures" in the AWS
 * Lambda developer guide.
 */
export async function handleSqsEvent(event: SQSEvent, work: ArchiveParts): Promise<SQSBatchResponse> {
  const { failed } = await archiveMessages(event.Records.map(readRecord), work)
  return { batchItemFailures: Array.from(failed, (itemIdentifier) => ({ itemIdentifier })) }
}

/** Decodes the parts of a message. Rejects with body_malformed or body_too_large; see decodeQueueMessage. */
export async function decodeMessage({ body, attributes }: QueuedMessage): Promise<readonly ArchivePart[]> {
  if ((attributes.get('version') ?? MESSAGE_VERSION) !== MESSAGE_VERSION) {
    const text = `the message does not have version ${MESSAGE_VERSION}; update the worker, then move the message back with \`millrace redrive\``
    throw new GatewayError('body_malformed', text)
  }
  return decodeQueueMessage(body)
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
