/** Raises incidents for events of a CloudWatch log group. */

import type { KindLimits } from '../../domain/incidents/kind-limits.ts'
import { type Labels, sortLabels } from '../../domain/labels.ts'
import { levelOfLine } from '../../domain/levels/line-level.ts'
import type { AuditTrail, IncidentSink } from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'
import { LineGrouper, type LineRules, raiseReports } from './find-errors.ts'

export interface GroupEvents {
  readonly logGroup: string
  readonly logStream: string
  readonly events: readonly { readonly id: string; readonly ms: number; readonly message: string }[]
}

export interface CloudWatchParts {
  readonly sink: IncidentSink
  readonly audit: AuditTrail | undefined
  readonly rules: LineRules
  readonly clock: Clock
  readonly kinds: KindLimits
  /** Whose incidents they are. */
  readonly tenant: string
}

export interface CloudWatchOutcome {
  /** Events that were looked at. */
  readonly processed: number
  /** Lines that count, for the first time: one entry of a classic incident table each. */
  readonly counted: number
  /** Incidents that were opened or opened again. */
  readonly opened: number
}

/** Rejects with store_unavailable when it could not be recorded: deliver it again then, nothing counts twice. */
export async function raiseCloudWatch(
  { sink, audit, rules, clock, kinds, tenant }: CloudWatchParts,
  groups: readonly GroupEvents[],
): Promise<CloudWatchOutcome> {
  const grouper = new LineGrouper(rules, clock.nowMs(), kinds)
  let processed = 0
  for (const { logGroup, logStream, events } of groups) {
    const labels = labelsOf(logGroup)
    for (const { id, ms, message } of events) {
      processed++
      const bytes = UTF8.encode(message)
      grouper.add({
        tenant,
        labels,
        metadata: [],
        ns: BigInt(ms) * 1_000_000n,
        line: message.trimEnd(),
        level: levelOfLine(bytes, 0, bytes.length),
        eventId: `${logGroup} ${logStream} ${id}`,
        source: { logGroup, logStream, id },
      })
    }
  }
  const nowMs = clock.nowMs()
  return { processed, ...(await raiseReports({ sink, audit }, grouper.take(nowMs), nowMs)) }
}

const UTF8 = new TextEncoder()

/** The service is the last part of the group's name, as `/aws/lambda/shop` has it. Streams come and go: no label. */
function labelsOf(logGroup: string): Labels {
  const service = logGroup.split('/').findLast((part) => part !== '') ?? ''
  return sortLabels([
    { name: 'log_group', value: logGroup },
    { name: 'service_name', value: service },
  ])
}
