/** An incident: what is observed of one trouble, and the states it goes through. No clock, no I/O: times come in. */

import { murmur128 } from '../../kit/murmur3.ts'
import { GatewayError } from '../errors.ts'
import { type Labels, labelValue } from '../labels.ts'

/** What saw the trouble: lines of one kind, an alert rule, or a detector of anomalies. */
export type IncidentKind = 'line' | 'rule' | 'anomaly'

export const INCIDENT_STATES = ['open', 'acknowledged', 'closed'] as const
export type IncidentState = (typeof INCIDENT_STATES)[number]

/** From the mildest to the worst; the words are those of domain/level.ts. */
export const SEVERITIES = ['info', 'warn', 'error', 'critical', 'fatal'] as const
export type Severity = (typeof SEVERITIES)[number]

/** One occurrence. The same occurrence told again has the same `id`, and counts once. */
export interface IncidentEvent {
  readonly id: string
  /** When it happened, ms since the epoch. */
  readonly ms: number
  /** The line itself or the measured value in words, where it may serve as a sample. */
  readonly line?: string
}

/** What somebody saw, to be told to `raise`: occurrences of one trouble. */
export interface IncidentReport {
  readonly tenant: string
  readonly kind: IncidentKind
  /** What makes it the same trouble as before, among those of its tenant and kind: a rule's name, a line's fingerprint. */
  readonly key: string
  /** One line for people. */
  readonly title: string
  readonly labels: Labels
  readonly severity: Severity
  /** LogQL that finds the lines behind it; undefined where no query does. */
  readonly query?: string | undefined
  /** At least one. */
  readonly events: readonly IncidentEvent[]
  /** Closes by itself when nothing was seen for so long; undefined: it waits for `resolve` or for a person. */
  readonly closesAfterMs?: number | undefined
}

/** Names one incident. */
export interface IncidentRef {
  readonly tenant: string
  /** incidentIdOf its tenant, kind and key. */
  readonly id: string
}

export interface Sample {
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
}

/** What people are told of; acknowledging is silent. `resolved`: over by itself. `closed`: by a person. */
export type Transition = 'opened' | 'reopened' | 'resolved' | 'closed'

/** What an incident became; without `transition` there is nothing to tell anybody. */
export interface IncidentChange {
  readonly incident: Incident
  readonly transition?: Transition
}

/** Samples kept of an incident: some of the first, the rest the newest. Both bounds keep it far below 400 KB. */
export const SAMPLES_MAX = 10
const FIRST_SAMPLES = 3
export const SAMPLE_CHARS_MAX = 2048
const TITLE_CHARS_MAX = 300

/** 32 hexadecimal digits that follow from the tenant, the kind and the key. */
export function incidentIdOf({ tenant, kind, key }: Pick<IncidentReport, 'tenant' | 'kind' | 'key'>): string {
  return murmur128(new TextEncoder().encode(`${tenant}\n${kind}\n${key}`))
}

/**
 * Counts the events that `isFresh` says were not counted before. Opens the incident when there was none, and again when
 * a closed one is seen no earlier than last time: a line that comes late does not wake what is over. Undefined when no
 * event is fresh.
 */
export function applyReport(
  found: Incident | undefined,
  report: IncidentReport,
  isFresh: (event: IncidentEvent) => boolean,
  nowMs: number,
): IncidentChange | undefined {
  const fresh = report.events.filter(isFresh)
  if (fresh.length === 0) return undefined
  const times = fresh.map(({ ms }) => ms)
  const oldestMs = times.reduce((a, b) => Math.min(a, b))
  const newestMs = times.reduce((a, b) => Math.max(a, b))
  if (found === undefined) return { incident: open(report, fresh, oldestMs, newestMs, nowMs), transition: 'opened' }
  // A time ahead of the clock, of an emitter whose own is wrong, must not keep it closed.
  const isReopened = found.state === 'closed' && newestMs >= Math.min(found.lastSeenMs, found.closedMs ?? nowMs)
  const isOver = found.state === 'closed' && !isReopened
  const incident: Incident = {
    ...found,
    title: oneLine(report.title),
    query: report.query,
    severity: worse(found.severity, report.severity),
    count: found.count + fresh.length,
    firstSeenMs: Math.min(found.firstSeenMs, oldestMs),
    lastSeenMs: Math.max(found.lastSeenMs, newestMs),
    updatedMs: nowMs,
    samples: withSamples(found.samples, fresh),
    quietAtMs: isOver ? undefined : quietAt(report, nowMs),
  }
  if (!isReopened) return { incident }
  const opened = { state: 'open', openedMs: nowMs, closedMs: undefined, changedBy: undefined } as const
  // A new opening is judged by what is seen now.
  const severity = report.severity
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

function open(
  report: IncidentReport,
  fresh: readonly IncidentEvent[],
  firstSeenMs: number,
  lastSeenMs: number,
  nowMs: number,
): Incident {
  const { tenant, kind, title, labels, severity, query } = report
  return {
    tenant,
    id: incidentIdOf(report),
    kind,
    title: oneLine(title),
    labels,
    severity,
    query,
    state: 'open',
    count: fresh.length,
    firstSeenMs,
    lastSeenMs,
    openedMs: nowMs,
    updatedMs: nowMs,
    closedMs: undefined,
    changedBy: undefined,
    quietAtMs: quietAt(report, nowMs),
    samples: withSamples([], fresh),
    transitions: 1,
  }
}

/** Counted from the gateway's clock: lines of yesterday that come today would be quiet at once. */
function quietAt({ closesAfterMs }: IncidentReport, nowMs: number): number | undefined {
  return closesAfterMs === undefined ? undefined : nowMs + closesAfterMs
}

function withSamples(samples: readonly Sample[], events: readonly IncidentEvent[]): readonly Sample[] {
  const added = events.flatMap(({ id, ms, line }) =>
    line === undefined ? [] : [{ eventId: id, ms, line: cut(line, SAMPLE_CHARS_MAX) }],
  )
  const all = [...samples, ...added]
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
