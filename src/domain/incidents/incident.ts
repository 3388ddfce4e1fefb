/** An incident: what is known of one failure, and the states it goes through. No clock, no I/O: times come in. */

import { GatewayError } from '../errors.ts'
import { type Labels, labelValue } from '../labels.ts'

/** What reports it: lines of one kind, an alert rule, or the detector of anomalies. */
export type IncidentKind = 'line' | 'rule' | 'anomaly'

export const INCIDENT_STATES = ['open', 'acknowledged', 'closed'] as const
export type IncidentState = (typeof INCIDENT_STATES)[number]

/** From the mildest to the worst; the words are those of domain/entries/level.ts. */
export const SEVERITIES = ['info', 'warn', 'error', 'critical', 'fatal'] as const
export type Severity = (typeof SEVERITIES)[number]

/** What makes two reports belong to one incident. */
export interface IncidentKey {
  readonly tenant: string
  readonly kind: IncidentKind
  /** A rule's name with its labels, or the labels and the pattern of a line. */
  readonly key: string
}

/** What every report says of its incident. */
export interface IncidentFacts extends IncidentKey {
  /** One line for people. */
  readonly title: string
  readonly labels: Labels
  readonly severity: Severity
  /** LogQL that finds the lines behind it; undefined where no query does. */
  readonly query?: string | undefined
  /** Where the lines are when they are not in the gateway's own store. */
  readonly logGroup?: GroupSearch | undefined
  /** Closes by itself when nothing was seen for so long; undefined: it waits for `resolve` or for a person. */
  readonly closesAfterMs?: number | undefined
}

/** Lines of a CloudWatch log group. */
export interface GroupSearch {
  readonly name: string
  /** A text that the lines have in common; undefined where there is none that is worth a search. */
  readonly text?: string | undefined
}

/** One occurrence, of a rule or an anomaly. */
export interface IncidentReport extends IncidentFacts {
  /** A report with the id of a recent one of the same incident is the same occurrence. */
  readonly eventId: string
  /** When it happened, ms since the epoch. */
  readonly ms: number
  /** The measured value in words. */
  readonly line: string
}

/** Lines of one kind that were counted together. */
export interface LineCount extends IncidentFacts {
  readonly kind: 'line'
  /** At least 1. */
  readonly count: number
  /** Times of the oldest and the newest of the lines, ms since the epoch, exact to about a millisecond. */
  readonly firstMs: number
  readonly lastMs: number
  /** Some of the lines, in the order they came. */
  readonly samples: readonly Sample[]
}

/** Names one incident. */
export interface IncidentRef {
  readonly tenant: string
  /** 32 hexadecimal digits that follow from its key: see nameIncident. */
  readonly id: string
}

/**
 * A keyed hash, 32 hexadecimal digits. Clients choose what is hashed, and two incidents of one id would be one: nobody may
 * be able to find collisions. The same in all processes of a home. Parts are separated, so that no two lists are one text.
 */
export type KeyedHash = (parts: readonly (string | Uint8Array)[]) => string

/** The id of a key's incident. */
export function nameIncident(hash: KeyedHash, { tenant, kind, key }: IncidentKey): string {
  return hash(['incident', tenant, kind, key])
}

export interface Sample {
  /** Of a line: its id in CloudWatch Logs, or its time in nanoseconds. */
  readonly eventId: string
  readonly ms: number
  readonly line: string
}

export interface Incident extends IncidentRef {
  readonly kind: IncidentKind
  readonly title: string
  readonly labels: Labels
  readonly severity: Severity
  readonly query: string | undefined
  readonly logGroup: GroupSearch | undefined
  readonly state: IncidentState
  /** Occurrences, over all the times it was open. */
  readonly count: number
  /** Times of the oldest and the newest occurrence, ms since the epoch. */
  readonly firstSeenMs: number
  readonly lastSeenMs: number
  /** When it was last opened, and when it last changed, by the gateway's clock. */
  readonly openedMs: number
  readonly updatedMs: number
  readonly closedMs: number | undefined
  /** Who acknowledged or closed it last: a principal's name; undefined for the gateway itself. */
  readonly changedBy: string | undefined
  /** When it closes by itself if nothing more is seen; undefined: it does not. */
  readonly quietAtMs: number | undefined
  /** The first and the newest occurrences that had a line. */
  readonly samples: readonly Sample[]
  /** How often it changed its state, the opening counted: makes the id of a notification. */
  readonly transitions: number
  /** Ids of the newest occurrences that were reported one by one. */
  readonly recentEvents: readonly string[]
}

/** What people are notified of; acknowledging is silent. `resolved`: over by itself. `closed`: by a person. */
export type Transition = 'opened' | 'reopened' | 'resolved' | 'closed'

/** What an incident became; without `transition` nobody is notified. */
export interface IncidentChange {
  readonly incident: Incident
  readonly transition?: Transition
}

/** Samples kept of an incident: some of the first, the rest the newest. Both bounds keep it far below 400 KB. */
export const SAMPLES_MAX = 10
export const FIRST_SAMPLES = 3
export const SAMPLE_CHARS_MAX = 2048
const TITLE_CHARS_MAX = 300
/** A report is repeated soon or never. */
const RECENT_EVENTS_MAX = 32

/** Occurrences of one incident that are applied together. */
interface Occurrences {
  readonly count: number
  readonly firstMs: number
  readonly lastMs: number
  readonly samples: readonly Sample[]
  readonly recentEvents: readonly string[]
}

/** Counts the occurrence; undefined when it was counted before. */
export function applyReport(
  found: Incident | undefined,
  id: string,
  report: IncidentReport,
  nowMs: number,
): IncidentChange | undefined {
  const { eventId, ms, line } = report
  const recent = found?.recentEvents ?? []
  if (recent.includes(eventId)) return undefined
  const recentEvents = [...recent, eventId].slice(-RECENT_EVENTS_MAX)
  const occurrences = { count: 1, firstMs: ms, lastMs: ms, samples: [{ eventId, ms, line }], recentEvents }
  return apply(found, id, report, occurrences, nowMs)
}

/** Counts the lines. That none of them is counted twice is up to the caller. */
export function applyCount(found: Incident | undefined, id: string, lines: LineCount, nowMs: number): IncidentChange {
  return apply(found, id, lines, { ...lines, recentEvents: [] }, nowMs)
}

/**
 * Opens the incident when there was none, and again when a closed one is seen no earlier than last time: a line that
 * comes late does not wake what is over.
 */
function apply(
  found: Incident | undefined,
  id: string,
  facts: IncidentFacts,
  seen: Occurrences,
  nowMs: number,
): IncidentChange {
  if (found === undefined) return { incident: open(id, facts, seen, nowMs), transition: 'opened' }
  // A time ahead of the clock, of an emitter whose own is wrong, must not keep it closed.
  const isReopened = found.state === 'closed' && seen.lastMs >= Math.min(found.lastSeenMs, found.closedMs ?? nowMs)
  const isOver = found.state === 'closed' && !isReopened
  const incident: Incident = {
    ...found,
    title: oneLine(facts.title),
    query: facts.query,
    logGroup: facts.logGroup,
    severity: worse(found.severity, facts.severity),
    count: found.count + seen.count,
    firstSeenMs: Math.min(found.firstSeenMs, seen.firstMs),
    lastSeenMs: Math.max(found.lastSeenMs, seen.lastMs),
    updatedMs: nowMs,
    samples: withSamples(found.samples, seen.samples),
    recentEvents: seen.recentEvents,
    quietAtMs: isOver ? undefined : quietAt(facts, nowMs),
  }
  if (!isReopened) return { incident }
  const opened = { state: 'open', openedMs: nowMs, closedMs: undefined, changedBy: undefined } as const
  // A new opening is judged by what is seen now.
  const { severity } = facts
  return { incident: { ...incident, ...opened, severity, transitions: found.transitions + 1 }, transition: 'reopened' }
}

/** A person has seen it: it stays quiet until it closes. Throws state_conflict for a closed one. */
export function acknowledge(found: Incident, by: string, nowMs: number): IncidentChange | undefined {
  if (found.state === 'acknowledged') return undefined
  if (found.state === 'closed') {
    const text = 'incident is closed; an open one can be acknowledged'
    throw new GatewayError('state_conflict', text)
  }
  const transitions = found.transitions + 1
  return { incident: { ...found, state: 'acknowledged', changedBy: by, updatedMs: nowMs, transitions } }
}

/** It is over: `by` a person, or by itself (undefined). Undefined when it was closed already. */
export function close(found: Incident, by: string | undefined, nowMs: number): IncidentChange | undefined {
  if (found.state === 'closed') return undefined
  const incident: Incident = {
    ...found,
    state: 'closed',
    closedMs: nowMs,
    updatedMs: nowMs,
    changedBy: by,
    quietAtMs: undefined,
    transitions: found.transitions + 1,
  }
  return { incident, transition: by === undefined ? 'resolved' : 'closed' }
}

/** The same as close by itself, but only if it is still quiet at `nowMs`. */
export function closeQuiet(found: Incident, nowMs: number): IncidentChange | undefined {
  return found.quietAtMs !== undefined && found.quietAtMs <= nowMs ? close(found, undefined, nowMs) : undefined
}

/** True when every pair is among the incident's labels. */
export function hasLabels(incident: Pick<Incident, 'labels'>, wanted: Labels): boolean {
  return wanted.every(({ name, value }) => labelValue(incident.labels, name) === value)
}

/** The later of two in SEVERITIES. */
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
    transitions: 1,
    recentEvents: seen.recentEvents,
  }
}

/** Counted from the gateway's clock: lines of yesterday that come today would be quiet at once. */
function quietAt({ closesAfterMs }: IncidentFacts, nowMs: number): number | undefined {
  return closesAfterMs === undefined ? undefined : nowMs + closesAfterMs
}

function withSamples(samples: readonly Sample[], added: readonly Sample[]): readonly Sample[] {
  const all = [...samples, ...added.map((sample) => ({ ...sample, line: cut(sample.line, SAMPLE_CHARS_MAX) }))]
  return all.length <= SAMPLES_MAX ? all : [...all.slice(0, FIRST_SAMPLES), ...all.slice(FIRST_SAMPLES - SAMPLES_MAX)]
}

/** Control characters, ends of lines, and what turns the direction of text: a title is shown in terminals and subjects. */
const UNSHOWN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu

function oneLine(title: string): string {
  return cut(title.replace(UNSHOWN, ' ').trim(), TITLE_CHARS_MAX)
}

/** Cut text ends with an ellipsis, never within a character. */
function cut(text: string, charsMax: number): string {
  return text.length <= charsMax
    ? text.toWellFormed()
    : `${text.slice(0, charsMax - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
