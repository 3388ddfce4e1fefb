/** An incident and its state machine. Pure: times are arguments. */

import { GatewayError } from '../errors.ts'
import { type Labels, labelValue } from '../labels.ts'

/** Its source: lines of one kind, an alert rule, or anomaly detection. */
export type IncidentKind = 'line' | 'rule' | 'anomaly'

export const INCIDENT_STATES = ['open', 'acknowledged', 'closed'] as const
export type IncidentState = (typeof INCIDENT_STATES)[number]

/** In ascending order; the words are those of domain/levels/level.ts. */
export const SEVERITIES = ['info', 'warn', 'error', 'critical', 'fatal'] as const
export type Severity = (typeof SEVERITIES)[number]

/** Identifies an incident: reports with an equal key belong to the same one. */
export interface IncidentKey {
  readonly tenant: string
  readonly kind: IncidentKind
  /** The name and labels of a rule, or the labels and pattern of a line. */
  readonly key: string
}

/** The description of an incident, which every report contains. */
export interface IncidentFacts extends IncidentKey {
  /** One line of text for people. */
  readonly title: string
  readonly labels: Labels
  readonly severity: Severity
  /** LogQL that finds the lines behind it; undefined if no query does. */
  readonly query?: string | undefined
  /** Where the lines are if they are not in the gateway's own store. */
  readonly logGroup?: GroupSearch | undefined
  /** Closes automatically after this time without an occurrence; undefined: only `resolve` or a person closes it. */
  readonly closesAfterMs?: number | undefined
}

/** A search in a CloudWatch log group. */
export interface GroupSearch {
  readonly name: string
  /** A text that all the lines contain; undefined if there is none that is specific enough. */
  readonly text?: string | undefined
}

/** One occurrence of a rule or an anomaly. */
export interface IncidentReport extends IncidentFacts {
  /** A report with the same id as a recent one of the same incident is the same occurrence. */
  readonly eventId: string
  /** The time of the occurrence, ms since the epoch. */
  readonly ms: number
  /** The measured value as text. */
  readonly line: string
}

/** Lines of one kind that were counted together. */
export interface LineCount extends IncidentFacts {
  readonly kind: 'line'
  /** At least 1. */
  readonly count: number
  /** Times of the oldest and the newest line, ms since the epoch, exact to about a millisecond. */
  readonly firstMs: number
  readonly lastMs: number
  /** Some of the lines, in order of arrival. */
  readonly samples: readonly Sample[]
}

/** A reference to an incident. */
export interface IncidentRef {
  readonly tenant: string
  /** 32 hexadecimal digits, derived from its key: see nameIncident. */
  readonly id: string
}

/**
 * A keyed hash, 32 hexadecimal digits. Clients choose the hashed texts, and a collision would merge two incidents, so
 * the key must be secret. It is the same in all processes of a home. Parts are separated, so that different lists never
 * hash the same bytes.
 */
export type KeyedHash = (parts: readonly (string | Uint8Array)[]) => string

/** The id of the incident with this key. */
export function nameIncident(hash: KeyedHash, { tenant, kind, key }: IncidentKey): string {
  return hash(['incident', tenant, kind, key])
}

export interface Sample {
  /** For a line: its id in CloudWatch Logs, or its time in nanoseconds. */
  readonly eventId: string
  readonly ms: number
  readonly line: string
}

/** A change of an incident's state. */
export interface StateChange {
  /** From the gateway's clock, ms since the epoch. */
  readonly ms: number
  readonly what: Transition | 'acknowledged'
  /** The name of the principal that made it; undefined for the gateway itself. */
  readonly by?: string | undefined
}

export interface Incident extends IncidentRef {
  readonly kind: IncidentKind
  readonly title: string
  readonly labels: Labels
  readonly severity: Severity
  readonly query: string | undefined
  readonly logGroup: GroupSearch | undefined
  readonly state: IncidentState
  /** Number of occurrences, including those before it was last reopened. */
  readonly count: number
  /** Times of the oldest and the newest occurrence, ms since the epoch. */
  readonly firstSeenMs: number
  readonly lastSeenMs: number
  /** Times of the last opening and of the last change, from the gateway's clock. */
  readonly openedMs: number
  readonly updatedMs: number
  readonly closedMs: number | undefined
  /** The name of the principal that last acknowledged or closed it; undefined for the gateway itself. */
  readonly changedBy: string | undefined
  /** When it closes if there are no further occurrences; undefined: never. */
  readonly quietAtMs: number | undefined
  /** The first and the newest occurrences that have a line. */
  readonly samples: readonly Sample[]
  /** The first changes of state and the newest, oldest first. */
  readonly history: readonly StateChange[]
  /** Number of state changes including the opening; part of the ids of notifications. */
  readonly transitions: number
  /** Ids of the newest occurrences that were reported individually. */
  readonly recentEvents: readonly string[]
}

/**
 * Changes that people are notified of; acknowledging is silent. `resolved`: closed automatically. `closed`: by a
 * person.
 */
export type Transition = 'opened' | 'reopened' | 'resolved' | 'closed'

/** A changed incident; without `transition` nobody is notified. */
export interface IncidentChange {
  readonly incident: Incident
  readonly transition?: Transition
}

/** Maximum samples of an incident: some of the first, the others the newest. Both bounds keep it far below 400 KB. */
export const SAMPLES_MAX = 10
export const FIRST_SAMPLES = 3
export const SAMPLE_CHARS_MAX = 2048
/** Maximum state changes in the history: the opening and the newest. Their number is in `transitions`. */
export const HISTORY_MAX = 50
const TITLE_CHARS_MAX = 300
/** Reports are only repeated soon after the first attempt. */
const RECENT_EVENTS_MAX = 32

/** Occurrences of one incident that are applied together. */
interface Occurrences {
  readonly count: number
  readonly firstMs: number
  readonly lastMs: number
  readonly samples: readonly Sample[]
  readonly recentEvents: readonly string[]
}

/** Counts the occurrence; undefined if it was already counted. */
export function applyReport(
  current: Incident | undefined,
  id: string,
  report: IncidentReport,
  nowMs: number,
): IncidentChange | undefined {
  const { eventId, ms, line } = report
  const recent = current?.recentEvents ?? []
  if (recent.includes(eventId)) return undefined
  const recentEvents = [...recent, eventId].slice(-RECENT_EVENTS_MAX)
  const occurrences = { count: 1, firstMs: ms, lastMs: ms, samples: [{ eventId, ms, line }], recentEvents }
  return apply(current, id, report, occurrences, nowMs)
}

/** Counts the lines. The caller ensures that no line is counted twice. */
export function applyCount(current: Incident | undefined, id: string, lines: LineCount, nowMs: number): IncidentChange {
  return apply(current, id, lines, { ...lines, recentEvents: [] }, nowMs)
}

/**
 * Opens a new incident. Reopens a closed one unless all occurrences are older than its last one: a late line does not
 * reopen it.
 */
function apply(
  current: Incident | undefined,
  id: string,
  facts: IncidentFacts,
  seen: Occurrences,
  nowMs: number,
): IncidentChange {
  if (current === undefined) return { incident: open(id, facts, seen, nowMs), transition: 'opened' }
  // A sample time in the future, from an emitter with a wrong clock, must not keep it closed.
  const isReopened =
    current.state === 'closed' && seen.lastMs >= Math.min(current.lastSeenMs, current.closedMs ?? nowMs)
  const isOver = current.state === 'closed' && !isReopened
  const incident: Incident = {
    ...current,
    title: oneLine(facts.title),
    query: facts.query,
    logGroup: facts.logGroup,
    severity: worse(current.severity, facts.severity),
    count: current.count + seen.count,
    firstSeenMs: Math.min(current.firstSeenMs, seen.firstMs),
    lastSeenMs: Math.max(current.lastSeenMs, seen.lastMs),
    updatedMs: nowMs,
    samples: withSamples(current.samples, seen.samples),
    recentEvents: seen.recentEvents,
    quietAtMs: isOver ? undefined : quietAt(facts, nowMs),
  }
  if (!isReopened) return { incident }
  const opened = { state: 'open', openedMs: nowMs, closedMs: undefined, changedBy: undefined } as const
  // A reopened incident gets the severity of the new occurrences.
  const { severity } = facts
  return {
    incident: { ...incident, ...opened, severity, ...changed(current, { ms: nowMs, what: 'reopened' }) },
    transition: 'reopened',
  }
}

/** Marks it as seen by a person: no further notifications until it closes. Throws state_conflict if it is closed. */
export function acknowledge(current: Incident, by: string, nowMs: number): IncidentChange | undefined {
  if (current.state === 'acknowledged') return undefined
  if (current.state === 'closed') {
    const text = 'incident is closed; an open one can be acknowledged'
    throw new GatewayError('state_conflict', text)
  }
  const history = changed(current, { ms: nowMs, what: 'acknowledged', by })
  return { incident: { ...current, state: 'acknowledged', changedBy: by, updatedMs: nowMs, ...history } }
}

/** Closes it, by a person or (undefined) automatically. Undefined if it is already closed. */
export function close(current: Incident, by: string | undefined, nowMs: number): IncidentChange | undefined {
  if (current.state === 'closed') return undefined
  const transition = by === undefined ? 'resolved' : 'closed'
  const incident: Incident = {
    ...current,
    ...changed(current, { ms: nowMs, what: transition, by }),
    state: 'closed',
    closedMs: nowMs,
    updatedMs: nowMs,
    changedBy: by,
    quietAtMs: undefined,
  }
  return { incident, transition }
}

function changed({ history, transitions }: Incident, change: StateChange): Pick<Incident, 'history' | 'transitions'> {
  const all = [...history, change]
  return {
    history: all.length <= HISTORY_MAX ? all : [...all.slice(0, 1), ...all.slice(1 - HISTORY_MAX)],
    transitions: transitions + 1,
  }
}

/** Closes it automatically if it is still quiet at `nowMs`. */
export function closeQuiet(current: Incident, nowMs: number): IncidentChange | undefined {
  return current.quietAtMs !== undefined && current.quietAtMs <= nowMs ? close(current, undefined, nowMs) : undefined
}

/** Counts of one kind as one; `b` was taken later. */
export function mergeCounts(a: LineCount, b: LineCount): LineCount {
  return {
    ...b,
    severity: worse(a.severity, b.severity),
    count: a.count + b.count,
    firstMs: Math.min(a.firstMs, b.firstMs),
    lastMs: Math.max(a.lastMs, b.lastMs),
    samples: withSamples(a.samples, b.samples),
  }
}

/** What a listing wants of an incident beside its tenant, its state and its last occurrence. */
export interface WantedIncidents {
  /** Labels that it has. */
  readonly labels: Labels
  /** First seen at this time or later, ms since the epoch. */
  readonly firstSinceMs?: number | undefined
}

export function isWanted(
  incident: Pick<Incident, 'labels' | 'firstSeenMs'>,
  { labels, firstSinceMs = Number.NEGATIVE_INFINITY }: WantedIncidents,
): boolean {
  if (incident.firstSeenMs < firstSinceMs) return false
  return labels.every(({ name, value }) => labelValue(incident.labels, name) === value)
}

/** The higher of two severities. */
export function worse(a: Severity, b: Severity): Severity {
  return SEVERITIES.indexOf(a) >= SEVERITIES.indexOf(b) ? a : b
}

function open(id: string, facts: IncidentFacts, seen: Occurrences, nowMs: number): Incident {
  const { tenant, kind, title, labels, severity, query, logGroup } = facts
  return {
    tenant,
    id,
    kind,
    title: oneLine(title),
    labels,
    severity,
    query,
    logGroup,
    state: 'open',
    count: seen.count,
    firstSeenMs: seen.firstMs,
    lastSeenMs: seen.lastMs,
    openedMs: nowMs,
    updatedMs: nowMs,
    closedMs: undefined,
    changedBy: undefined,
    quietAtMs: quietAt(facts, nowMs),
    samples: withSamples([], seen.samples),
    history: [{ ms: nowMs, what: 'opened' }],
    transitions: 1,
    recentEvents: seen.recentEvents,
  }
}

/** From the gateway's clock: otherwise old lines that arrive late would close the incident at once. */
function quietAt({ closesAfterMs }: IncidentFacts, nowMs: number): number | undefined {
  return closesAfterMs === undefined ? undefined : nowMs + closesAfterMs
}

function withSamples(samples: readonly Sample[], added: readonly Sample[]): readonly Sample[] {
  const all = [...samples, ...added.map((sample) => ({ ...sample, line: cut(sample.line, SAMPLE_CHARS_MAX) }))]
  return all.length <= SAMPLES_MAX ? all : [...all.slice(0, FIRST_SAMPLES), ...all.slice(FIRST_SAMPLES - SAMPLES_MAX)]
}

/** Control characters, line ends and bidirectional controls: titles are displayed in terminals and mail subjects. */
const UNSHOWN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu

function oneLine(title: string): string {
  return cut(title.replace(UNSHOWN, ' ').trim(), TITLE_CHARS_MAX)
}

/** Truncates at a character boundary and appends an ellipsis. */
function cut(text: string, charsMax: number): string {
  return text.length <= charsMax
    ? text.toWellFormed()
    : `${text.slice(0, charsMax - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
