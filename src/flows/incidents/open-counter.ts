/** Creates the line counter from the settings: level, filter, and audit rows if they are stored. */

import { SERVICE_NAME } from '../../domain/entries/service-name.ts'
import { type KeyedHash, nameIncident } from '../../domain/incidents/incident.ts'
import { type CountedLine, type CountRules, LineCounter, severityOf } from '../../domain/incidents/line-counter.ts'
import type { Kind } from '../../domain/incidents/line-kinds.ts'
import { formatLabels, labelValue } from '../../domain/labels.ts'
import { NS_PER_MS } from '../../domain/time.ts'
import type { AuditRow } from '../../ports/incidents.ts'
import type { Clock } from '../../ports/log-store.ts'

export interface LineRules extends CountRules {
  /** An additional filter; see line-filter.ts. */
  readonly accepts: ((line: CountedLine) => boolean) | undefined
  /** Whether an audit row is written for each line. */
  readonly keepsRows: boolean
}

export interface OpenedCounter {
  readonly counter: LineCounter
  /** The rows of the lines that were counted since the last call. */
  takeRows(): readonly AuditRow[]
  /** Puts back rows that could not be written. */
  putBackRows(rows: readonly AuditRow[]): void
  /** Size of the waiting rows, in bytes. */
  readonly rowBytes: () => number
}

/** Size of a row in addition to its message. */
const ROW_COST_BYTES = 500

export function openCounter(rules: LineRules, hash: KeyedHash, clock: Clock): OpenedCounter {
  let rows: AuditRow[] = []
  let bytes = 0
  const add = (row: AuditRow): void => {
    rows.push(row)
    bytes += row.message.length + ROW_COST_BYTES
  }
  const onLine = (line: CountedLine, facts: Kind['facts']): void => add(rowOf(line, facts, hash, clock.nowMs()))
  const counter = new LineCounter(rules, clock.monotonicMs(), {
    accepts: rules.accepts,
    onLine: rules.keepsRows ? onLine : undefined,
  })
  return {
    counter,
    takeRows: () => {
      const taken = rows
      rows = []
      bytes = 0
      return taken
    },
    putBackRows: (taken) => {
      for (const row of taken) add(row)
    },
    rowBytes: () => bytes,
  }
}

function rowOf(line: CountedLine, facts: Kind['facts'], hash: KeyedHash, nowMs: number): AuditRow {
  const { tenant, labels, ns, sampleId, level } = line
  const logStream = line.logStream ?? formatLabels(labels)
  return {
    incidentId: `${logStream}-${sampleId}`,
    tenant,
    groupId: nameIncident(hash, facts),
    ms: Number(ns / NS_PER_MS),
    logGroup: facts.logGroup?.name ?? labelValue(labels, SERVICE_NAME),
    logStream,
    message: line.line,
    severity: severityOf(level).toUpperCase(),
    createdMs: nowMs,
  }
}
