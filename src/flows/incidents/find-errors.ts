/** From lines to reports: which lines count, and which of them belong to one incident. */

import type { Metadata } from '../../domain/entries/batch.ts'
import { SERVICE_NAME } from '../../domain/entries/service-name.ts'
import { GatewayError } from '../../domain/errors.ts'
import {
  type IncidentEvent,
  type IncidentReport,
  incidentIdOf,
  type Severity,
} from '../../domain/incidents/incident.ts'
import { KindLimits } from '../../domain/incidents/kind-limits.ts'
import { linePattern, literalOf } from '../../domain/incidents/line-fingerprint.ts'
import { formatLabels, type Labels, labelValue, quoteGo } from '../../domain/labels.ts'
import { LEVELS } from '../../domain/levels/level.ts'
import { matchesAll } from '../../domain/selector.ts'
import { NS_PER_MS } from '../../domain/time.ts'
import { parseExpr } from '../../logql/parse/parse.ts'
import type { LogExpr } from '../../logql/parse/syntax.ts'
import { LabelSet } from '../../logql/pipeline/label-set.ts'
import { compileStages } from '../../logql/pipeline/stages.ts'
import type { AuditRecord, AuditTrail, IncidentSink } from '../../ports/incidents.ts'

/** A line that somebody accepted or read. */
export interface IncidentLine {
  readonly tenant: string
  /** Of its stream. */
  readonly labels: Labels
  readonly metadata: Metadata
  readonly ns: bigint
  readonly line: string
  /** Its code in LEVELS. */
  readonly level: number
  /** The same each time the same line is seen. */
  readonly eventId: string
  /** Where it came from, for the audit trail. */
  readonly source?: { readonly logGroup: string; readonly logStream: string; readonly id: string }
}

export interface LineRules {
  /** The mildest level that counts, as a code of LEVELS. */
  readonly levelMin: number
  /** A LogQL log query that a line must pass as well. */
  readonly filter: string | undefined
  /** Labels that identify an incident; where a stream has none of them, all its labels do. */
  readonly identityLabels: readonly string[]
  readonly closesAfterMs: number | undefined
}

/** The pattern of lines that are too many kinds to tell apart. */
const VARIOUS = 'various lines'

/** Where nothing tells the service, all streams would be one. */
const UNKNOWN_SERVICE = 'unknown_service'

interface Group {
  readonly first: IncidentLine
  readonly pattern: string
  readonly labels: Labels
  severity: Severity
  readonly events: IncidentEvent[]
  readonly lines: IncidentLine[]
}

/** Lines of one incident as one report, with the lines themselves. */
export interface LineReport {
  readonly report: IncidentReport
  readonly lines: readonly IncidentLine[]
}

/** Collects lines until `take`. Throws query_malformed or query_unsupported for a filter that cannot be compiled. */
export class LineGrouper {
  readonly #rules: LineRules
  readonly #isWanted: (line: IncidentLine) => boolean
  readonly #kinds: KindLimits
  #groups = new Map<string, Group>()

  /** `kinds` may be shared with groupers before and after this one. */
  constructor(rules: LineRules, nowMs: number, kinds = new KindLimits()) {
    this.#rules = rules
    this.#kinds = kinds
    kinds.renew(nowMs)
    this.#isWanted = rules.filter === undefined ? () => true : compileFilter(rules.filter, nowMs)
  }

  /** True if the line counts. */
  add(seen: IncidentLine): boolean {
    const { levelMin } = this.#rules
    if (seen.level < levelMin || !this.#isWanted(seen)) return false
    const { labels, pattern } = this.#kindOf(seen)
    const key = `${seen.tenant}\n${formatLabels(labels)}\n${pattern}`
    const event = { id: seen.eventId, ms: Number(seen.ns / NS_PER_MS), line: seen.line }
    const severity = severityOf(seen.level)
    const group = this.#groups.get(key)
    if (group === undefined) {
      this.#groups.set(key, { first: seen, pattern, labels, severity, events: [event], lines: [seen] })
    } else {
      group.events.push(event)
      group.lines.push(seen)
      if (LEVELS.indexOf(severity) > LEVELS.indexOf(group.severity)) group.severity = severity
    }
    return true
  }

  #kindOf({ tenant, labels: all, line }: IncidentLine): Pick<Group, 'labels' | 'pattern'> {
    const labels = identityOf(all, this.#rules.identityLabels)
    const pattern = linePattern(line)
    const scope = this.#kinds.admit(tenant, formatLabels(labels), pattern)
    return { labels: scope === 'tenant' ? [] : labels, pattern: scope === 'own' ? pattern : VARIOUS }
  }

  /** What was collected until `nowMs`, and begins anew. */
  take(nowMs: number): readonly LineReport[] {
    this.#kinds.renew(nowMs)
    const groups = this.#groups
    this.#groups = new Map()
    return [...groups.values()].map((group) => ({ report: this.#reportOf(group), lines: group.lines }))
  }

  #reportOf({ first, pattern, labels, severity, events }: Group): IncidentReport {
    return {
      tenant: first.tenant,
      kind: 'line',
      key: `${formatLabels(labels)}\n${pattern}`,
      title: titleOf(pattern, labels),
      labels,
      severity,
      query: queryOf(labels, pattern, first.line),
      events,
      closesAfterMs: this.#rules.closesAfterMs,
    }
  }
}

export interface LinesOutcome {
  /** Lines that were counted now, for the first time. */
  readonly counted: number
  /** Incidents that were opened or opened again. */
  readonly opened: number
}

export interface RaiseParts {
  readonly sink: IncidentSink
  readonly audit: AuditTrail | undefined
}

/** Writes a row for each line where that is wanted, then raises. Rejects with store_unavailable: try again then. */
export async function raiseReports(
  { sink, audit }: RaiseParts,
  reports: readonly LineReport[],
  nowMs: number,
): Promise<LinesOutcome> {
  let counted = 0
  let opened = 0
  for (const { report, lines } of reports) {
    // Before they are counted: a row that was written twice is one row, one that was never written is lost.
    await audit?.write(lines.map((seen) => auditRecord(report, seen, nowMs)))
    const raised = await sink.raise(report)
    counted += raised.counted
    if (raised.transition !== undefined) opened++
  }
  return { counted, opened }
}

function auditRecord(report: IncidentReport, seen: IncidentLine, nowMs: number): AuditRecord {
  const { tenant, labels, ns, line, eventId } = seen
  const fallback = { logGroup: labelValue(labels, SERVICE_NAME), logStream: formatLabels(labels), id: eventId }
  const { logGroup, logStream, id } = seen.source ?? fallback
  return {
    incidentId: `${logStream}-${id}`,
    tenant,
    groupId: incidentIdOf(report),
    ms: Number(ns / NS_PER_MS),
    logGroup,
    logStream,
    message: line,
    severity: severityOf(seen.level).toUpperCase(),
    createdMs: nowMs,
  }
}

function severityOf(level: number): Severity {
  switch (LEVELS[level]) {
    case 'warn':
    case 'error':
    case 'critical':
    case 'fatal':
      return LEVELS[level]
    default:
      return 'info'
  }
}

function identityOf(labels: Labels, names: readonly string[]): Labels {
  const told = labels.filter(({ name, value }) => names.includes(name) && value !== UNKNOWN_SERVICE)
  return told.length > 0 ? told : labels
}

function titleOf(pattern: string, labels: Labels): string {
  const service = labelValue(labels, SERVICE_NAME)
  return service === '' ? pattern : `${service}: ${pattern}`
}

function queryOf(labels: Labels, pattern: string, line: string): string | undefined {
  if (labels.length === 0) return undefined
  const literal = literalOf(pattern, line)
  return literal === undefined ? formatLabels(labels) : `${formatLabels(labels)} |= ${quoteGo(literal)}`
}

function compileFilter(text: string, nowMs: number): (seen: IncidentLine) => boolean {
  const query = parseFilter(text)
  const stage = compileStages(query.stages, { nowMs })
  const set = new LabelSet()
  return ({ labels, metadata, ns, line }) => {
    if (!matchesAll(query.matchers, labels)) return false
    set.reset(labels, metadata)
    return stage({ ns, line, labels: set })
  }
}

/** Throws query_malformed for what is no log query. */
function parseFilter(text: string): LogExpr {
  const query = parseExpr(text)
  if (query.kind === 'log') return query
  throw new GatewayError('query_malformed', 'parse error : lines are chosen by a log query; leave out the aggregation')
}
