/** Counts the error lines of a CloudWatch log group. */

import type { KeyedHash } from '../../domain/incidents/incident.ts'
import { type Labels, sortLabels } from '../../domain/labels.ts'
import { levelOfLine } from '../../domain/levels/line-level.ts'
import { msToNs } from '../../domain/time.ts'
import type { CursorMove } from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'
import type { OpenedCounter } from './open-counter.ts'
import type { IncidentDesk } from './raise-incidents.ts'

/** Events of one stream of a log group, as they were delivered. */
export interface GroupEvents {
  readonly logGroup: string
  readonly logStream: string
  readonly events: readonly { readonly id: string; readonly ms: number; readonly message: string }[]
}

export interface GroupParts {
  readonly desk: Pick<IncidentDesk, 'record'>
  /** Shared by all deliveries of the process, one after the other. */
  readonly opened: OpenedCounter
  readonly hash: KeyedHash
  readonly clock: Clock
  /** Whose incidents they are. */
  readonly tenant: string
}

export interface GroupOutcome {
  /** Events that were looked at. */
  readonly processed: number
  /** Lines that were counted now, for the first time. */
  readonly counted: number
  /** Incidents that were opened or reopened. */
  readonly opened: number
  /** False: the delivery was counted before, or another process moved the cursor. */
  readonly isNew: boolean
}

/**
 * Counts a delivery, once also when it is repeated as it was, or the events of a read that moves `cursor`. Rejects with
 * store_unavailable when nothing was recorded: deliver it again then.
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

/** The service is the last part of the group's name, as `/aws/lambda/shop` has it. Streams come and go: no label. */
function labelsOf(logGroup: string): Labels {
  const service = logGroup.split('/').findLast((part) => part !== '') ?? ''
  return sortLabels([
    { name: 'log_group', value: logGroup },
    { name: 'service_name', value: service },
  ])
}
