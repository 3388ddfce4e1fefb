/** Handles a Lambda event from CloudWatch Logs, direct or through Kinesis, or from a schedule. */

import { GatewayError } from '../../domain/errors.ts'
import { countGroups, type GroupParts } from '../../flows/incidents/count-log-group.ts'
import type { NotifyDesk } from '../../flows/incidents/notify-incidents.ts'
import { decodeSubscription, type SubscriptionRecord } from '../../protocol/incidents/cloudwatch-subscription.ts'

export interface RecordsParts extends GroupParts {
  readonly notify: Pick<NotifyDesk, 'settled' | 'sendDue'>
  /** Closes quiet incidents. */
  readonly sweep: () => Promise<number>
  /** Called for an unreadable record. Must not throw. */
  readonly onCorrupt: (cause: unknown) => void
}

/** The result for a subscription. */
export interface ProcessorAnswer {
  readonly statusCode: 200
  /** JSON: `processed` events, `incidents_created` counted lines, `incidents_opened` incidents after grouping. */
  readonly body: string
}

/** The result for Kinesis: only these records are redelivered. */
export interface BatchAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[]
}

/**
 * Handles the event of a subscription (`awslogs`), of Kinesis (`Records`), or of a schedule (any other EventBridge event),
 * which closes quiet incidents and sends due notifications. Resolves when notifications are sent, or stored for sending
 * later. Throws body_malformed for a corrupt subscription event, and store_unavailable: Lambda retries, and then moves the
 * event to the function's dead-letter queue.
 */
export async function answerProcessorEvent(
  parts: RecordsParts,
  event: unknown,
): Promise<ProcessorAnswer | BatchAnswer | { readonly closed: number }> {
  const { awslogs, Records } = (event ?? {}) as { awslogs?: { data?: unknown }; Records?: unknown }
  if (awslogs !== undefined) return answerSubscription(parts, awslogs?.data)
  if (Array.isArray(Records)) return answerKinesis(parts, Records)
  if ((event as { source?: unknown } | null)?.source !== undefined) {
    const closed = await parts.sweep()
    await parts.notify.sendDue()
    return { closed }
  }
  const text = 'the event has neither awslogs nor Records nor a source; subscribe this function to a log group'
  throw new GatewayError('body_malformed', text)
}

async function answerSubscription(parts: RecordsParts, data: unknown): Promise<ProcessorAnswer> {
  const record = decode(parts, data)
  const { processed, counted, opened } = await countGroups(parts, [record])
  await parts.notify.settled()
  const body = { processed, incidents_created: counted, incidents_opened: opened, unreadable: record.faults }
  return { statusCode: 200, body: JSON.stringify(body) }
}

async function answerKinesis(parts: RecordsParts, records: readonly unknown[]): Promise<BatchAnswer> {
  const batchItemFailures: { itemIdentifier: string }[] = []
  for (const record of records) {
    const { kinesis } = (record ?? {}) as { kinesis?: { data?: unknown; sequenceNumber?: unknown } }
    let decoded: SubscriptionRecord
    try {
      decoded = decode(parts, kinesis?.data)
    } catch {
      // Already reported to onCorrupt. A redelivery would be corrupt again, and block the shard.
      continue
    }
    try {
      await countGroups(parts, [decoded])
    } catch {
      // Kinesis redelivers everything from the first failure on; events processed before are recognised as duplicates.
      batchItemFailures.push({ itemIdentifier: String(kinesis?.sequenceNumber) })
      break
    }
  }
  await parts.notify.settled()
  return { batchItemFailures }
}

function decode({ onCorrupt }: RecordsParts, data: unknown): SubscriptionRecord {
  try {
    return decodeSubscription(typeof data === 'string' ? data : '')
  } catch (cause) {
    onCorrupt(cause)
    throw cause
  }
}
