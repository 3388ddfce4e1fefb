/** Counts the error lines of a CloudWatch log group. */

import type { KeyedHash } from '../../domain/incidents/incident.ts'
import { type Labels, sortLabels } from '../../domain/labels.ts'
import { levelOfLine } from '../../domain/levels/line-level.ts'
import { msToNs } from '../../domain/time.ts'
import type { CursorMove } from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'
import type { OpenedCounter } from './open-counter.ts'
import type { IncidentDesk } from './raise-incidents.ts'

/** Events of one stream of a log group, as delivered. */
export interface GroupEvents {
  readonly logGroup: string
  readonly logStream: string
  readonly events: readonly { readonly id: string; readonly ms: number; readonly message: string }[]
}

export interface GroupParts {
  readonly desk: Pick<IncidentDesk, 'record'>
  /** Shared by all deliveries of the process, one at a time. */
  readonly opened: OpenedCounter
  readonly hash: KeyedHash
  readonly clock: Clock
  /** The tenant of the incidents. */
  readonly tenant: string
}

export interface GroupOutcome {
  /** Number of events that were checked. */
  readonly processed: number
  /** Number of lines that were counted for the first time. */
  readonly counted: number
  /** Number of incidents that were opened or reopened. */
  readonly opened: number
  /** False: the delivery was already counted, or another process moved the cursor. */
  readonly isNew: boolean
}

/**
 * Counts a delivery, once even if it is repeated unchanged, or the events of a read that moves `cursor`. Rejects with
 * store_unavailable if nothing was recorded: deliver it again.
 */
export async function countGroups(
  parts: GroupParts,
  groups: readonly GroupEvents[],
  cursor?: CursorMove,
): Promise<GroupOutcome> {
  const { opened, desk, clock } = parts
  let processed = 0
  for (const group of groups) processed += countEvents(parts, group)
  const { counts } = opened.counter.take(clock.monotonicMs())
  const rows = opened.takeRows()
  if (counts.length === 0 && cursor === undefined) return { processed, counted: 0, opened: 0, isNew: true }
  const deliveryId = cursor === undefined ? nameDelivery(parts, groups) : undefined
  const { isNew, decisions } = await desk.record({ deliveryId, counts, cursor, rows })
  const counted = isNew ? counts.reduce((sum, { count }) => sum + count, 0) : 0
  return { processed, counted, opened: decisions.filter(({ transition }) => transition !== undefined).length, isNew }
}

const UTF8 = new TextEncoder()

function countEvents({ opened, tenant }: GroupParts, { logGroup, logStream, events }: GroupEvents): number {
  const stream = { tenant, key: logGroup, labels: labelsOf(logGroup), logGroup, logStream }
  for (const { id, ms, message } of events) {
    const text = UTF8.encode(message.trimEnd())
    opened.counter.countLine(stream, text, levelOfLine(text, 0, text.length), msToNs(ms), id)
  }
  return events.length
}

function nameDelivery({ hash, tenant }: GroupParts, groups: readonly GroupEvents[]): string {
  return hash([
    'delivery',
    tenant,
    ...groups.flatMap(({ logGroup, logStream, events }) => [
      logGroup,
      logStream,
      ...events.flatMap(({ id, message }) => [id, message]),
    ]),
  ])
}

/**
 * The service is the last part of the group's name, as in `/aws/lambda/shop`. The log stream is not a label, because
 * streams are short-lived.
 */
function labelsOf(logGroup: string): Labels {
  const service = logGroup.split('/').findLast((part) => part !== '') ?? ''
  return sortLabels([
    { name: 'log_group', value: logGroup },
    { name: 'service_name', value: service },
  ])
}
