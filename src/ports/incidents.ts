/** What incidents need from outside: a store with an outbox, notifiers, an audit trail. And the seam to raise them. */

import type { Block } from '../domain/entries/block.ts'
import type {
  Incident,
  IncidentChange,
  IncidentEvent,
  IncidentRef,
  IncidentReport,
  IncidentState,
  Transition,
} from '../domain/incidents/incident.ts'
import type { Message, OutboxItem } from '../domain/incidents/notification.ts'
import type { Labels } from '../domain/labels.ts'

/** Where whoever sees a incident tells it: lines, alert rules, anomalies. flows/raise-incidents.ts is it. */
export interface IncidentSink {
  /**
   * Opens, counts or reopens the incident of the report's tenant, kind and key. Telling the same events again,
   * also at the same time, counts them once. Rejects with store_unavailable when it could not be recorded: tell it
   * again then.
   */
  raise(report: IncidentReport): Promise<Raised>
  /** The incident is over: closes its incident, if there is an open one. */
  resolve(incident: Pick<IncidentReport, 'tenant' | 'kind' | 'key'>): Promise<void>
}

export interface Raised extends IncidentRef {
  /** Events that were counted now; the others were counted before. */
  readonly counted: number
  readonly transition: Transition | undefined
}

/** What a decision wants written: all of it or nothing. */
export interface Decision extends IncidentChange {
  readonly outbox?: OutboxItem | undefined
}

/** Must be pure: it may be asked again when somebody else was faster. Undefined: nothing is to be written. */
export type Decide = (
  found: Incident | undefined,
  isFresh: (event: Pick<IncidentEvent, 'id' | 'ms'>) => boolean,
) => Decision | undefined

export interface IncidentListing {
  readonly tenant: string
  /** Undefined: all. */
  readonly states: readonly IncidentState[] | undefined
  /** Seen last at this time or later, ms since the epoch. */
  readonly sinceMs: number | undefined
  /** Labels that the incident has. */
  readonly labels: Labels
  readonly limit: number
  /** The last one of the page before. */
  readonly after: IncidentPosition | undefined
}

/** Incidents are listed by their last occurrence, newest first, those of one time by their id, the last first. */
export interface IncidentPosition {
  readonly lastSeenMs: number
  readonly id: string
}

export interface IncidentPage {
  readonly incidents: readonly Incident[]
  /** Undefined when this is the last page. A page may have fewer incidents than asked for, and yet a next one. */
  readonly next: IncidentPosition | undefined
}

/**
 * Keeps incidents, which events they counted, and the outbox.
 *
 * - What resolved is durable. Rejects with store_unavailable when nothing was written.
 * - `change` is exact under concurrency: of two that decide about one incident at a time, one sees what the other
 *   wrote.
 * - An event is remembered for the store's setting, and then may count again. Of one incident at least the newest
 *   8,192 are remembered.
 */
export interface IncidentStore {
  /**
   * Asks `decide` about the incident as it is, and writes the decision, the outbox item and that the `events` are
   * counted together. CHANGE_EVENTS_MAX of domain/event-window.ts events at most, each id once.
   */
  change(
    ref: IncidentRef,
    events: readonly Pick<IncidentEvent, 'id' | 'ms'>[],
    decide: Decide,
  ): Promise<Decision | undefined>
  find(ref: IncidentRef): Promise<Incident | undefined>
  list(listing: IncidentListing): Promise<IncidentPage>
  /** Some of the incidents of all tenants that are to close by themselves at `nowMs`, up to `limit`. */
  listQuiet(nowMs: number, limit: number): Promise<readonly IncidentRef[]>
  /**
   * Up to `limit` outbox items that are due, of all tenants, oldest first; nobody else gets them before `untilMs`. They
   * come again then, unless they were settled.
   */
  takeDue(nowMs: number, untilMs: number, limit: number): Promise<readonly OutboxItem[]>
  /** Replaces items that were taken; those without targets are done and go. */
  settle(items: readonly OutboxItem[]): Promise<void>
  /** Counts one sending of the minute that holds `nowMs`, and gives the count, over all processes. */
  countSending(nowMs: number): Promise<number>
  /** A text that outlives a restart: how far something was read. */
  readCursor(name: string): Promise<string | undefined>
  writeCursor(name: string, text: string): Promise<void>
  /** Forgets events and closed incidents whose time is over. A store that does so by itself does nothing. */
  prune(nowMs: number): Promise<void>
  close(): Promise<void>
}

/** Tells people. Rejects when it is not sure that the message was taken: it is sent again then, with the same id. */
export interface Notifier {
  /** Its name in outbox items, in logs and metrics. */
  readonly name: string
  send(message: Message, signal: AbortSignal): Promise<void>
}

/** One line that raised an incident, in the fields of a classic incident table. */
export interface AuditRecord {
  /** The stream and the event's id in it, `stream-id`. */
  readonly incidentId: string
  readonly tenant: string
  /** The incident that counts it. */
  readonly groupId: string
  readonly ms: number
  readonly logGroup: string
  readonly logStream: string
  readonly message: string
  readonly severity: string
  readonly createdMs: number
}

/** A row for each line, kept for a time. Writing a row again changes nothing. */
export interface AuditTrail {
  /** Resolves, when all are durable, to how many were new. */
  write(records: readonly AuditRecord[]): Promise<number>
  prune(nowMs: number): Promise<void>
}

/** Blocks by when they were committed: how what was accepted, but not looked at before a crash, is found again. */
export interface CommittedBlocks {
  /**
   * Blocks of all tenants that were committed at `ms` (since the epoch) or later; entries that were committed before
   * may be among them. A block is good until the next one is asked for. One that cannot be read is left out.
   */
  since(ms: number): AsyncIterable<{ readonly tenant: string; readonly block: Block }>
}

export interface LogGroupEvent {
  readonly logStream: string
  /** Of its stream: the same whenever it is read. */
  readonly id: string
  readonly ms: number
  readonly message: string
}

/** Log groups that are read by us, where nobody delivers them. */
export interface LogGroupReader {
  /**
   * Pages of the events of [fromMs, toMs), in no order that is promised. Rejects with source_unavailable.
   */
  read(logGroup: string, fromMs: number, toMs: number): AsyncIterable<readonly LogGroupEvent[]>
}
