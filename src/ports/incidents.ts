/** The ports of incidents: a store with an outbox, notifiers, audit rows, and how incidents are raised. */

import type { Block } from '../domain/entries/block.ts'
import type {
  Incident,
  IncidentChange,
  IncidentKey,
  IncidentRef,
  IncidentReport,
  IncidentState,
  LineCount,
  Transition,
  WantedIncidents,
} from '../domain/incidents/incident.ts'
import type { Message, OutboxItem } from '../domain/incidents/notification.ts'

/** Accepts reports of alert rules and anomalies. flows/incidents/raise-incidents.ts implements it. */
export interface IncidentSink {
  /**
   * Opens, counts or reopens the incident of the report's tenant, kind and key. A repeated report counts once. Rejects
   * with store_unavailable if it was not recorded: report it again later.
   */
  raise(report: IncidentReport): Promise<Raised>
  /** The cause is over: closes the incident if it is open. */
  resolve(key: IncidentKey): Promise<void>
}

export interface Raised extends IncidentRef {
  /** 1, or 0 if the report was already counted. */
  readonly counted: number
  readonly transition: Transition | undefined
}

/** What a decision writes, in one transaction. */
export interface Decision extends IncidentChange {
  readonly outbox?: OutboxItem | undefined
}

/** Must be pure: it is called again if another writer was faster. Returns undefined if nothing has to be written. */
export type Decide = (current: Incident | undefined) => Decision | undefined

/** How counted lines change an incident. Must be pure. */
export interface CountDecider {
  idOf(lines: LineCount): string
  /** `id` is the id of the lines' incident. */
  decide(current: Incident | undefined, id: string, lines: LineCount): Decision
}

/**
 * The position up to which something was read. The write is rejected if another writer has moved the cursor from `from`
 * in the meantime.
 */
export interface CursorMove {
  readonly name: string
  /** Undefined: there is no cursor with this name yet. */
  readonly from: string | undefined
  readonly to: string
}

/** The cursor that holds the position of the last committed block whose lines are counted. */
export const COUNTED_BLOCKS = 'counted-blocks'

/** Lines that were counted together, and are written in one transaction. */
export interface CountRecord {
  /** Identifies the delivery of the lines: a delivery that was already recorded is not counted again. */
  readonly deliveryId?: string | undefined
  readonly counts: readonly LineCount[]
  /** Counts of incidents that are open: they may wait for a later fold. */
  readonly later?: readonly LineCount[]
  readonly cursor?: CursorMove | undefined
  /** One for each line, if audit rows are stored. */
  readonly rows: readonly AuditRow[]
}

export interface RecordOutcome {
  /** False: the delivery was already recorded, or the cursor has moved; nothing was written. */
  readonly isNew: boolean
  /** Incidents that changed. A store that counts in two steps returns none here, but from `fold`. */
  readonly decisions: readonly Decision[]
  /** Whether `counts` wait for `fold`. */
  readonly isPending: boolean
}

export interface IncidentListing extends WantedIncidents {
  readonly tenant: string
  /** Undefined: all. */
  readonly states: readonly IncidentState[] | undefined
  /** Last seen at this time or later, ms since the epoch. */
  readonly sinceMs: number | undefined
  readonly limit: number
  /** The last incident of the previous page. */
  readonly after: IncidentPosition | undefined
}

/** Incidents are listed by last occurrence, newest first; incidents with the same time by id, in descending order. */
export interface IncidentPosition {
  readonly lastSeenMs: number
  readonly id: string
}

export interface IncidentPage {
  readonly incidents: readonly Incident[]
  /** Undefined on the last page. A page may have fewer incidents than requested even if there is a next page. */
  readonly next: IncidentPosition | undefined
}

/**
 * Stores incidents, their counts, and the outbox.
 *
 * - Resolved calls are durable. They reject with store_unavailable if nothing was written.
 * - `change` and counts are exact under concurrency: of two simultaneous decisions about one incident, one sees what
 *   the other wrote.
 * - Deliveries are remembered for a configured time; after that a repeated delivery may be counted again.
 */
export interface IncidentStore {
  /** Calls `decide` with the current incident, and writes the decision with its outbox item. */
  change(ref: IncidentRef, decide: Decide): Promise<Decision | undefined>
  /**
   * Writes counts, cursor and rows in one transaction. A store that counts in two steps leaves the incidents to `fold`.
   */
  record(record: CountRecord, decider: CountDecider): Promise<RecordOutcome>
  /** Applies recorded counts that are not applied yet, each once, even if several processes fold at the same time. */
  fold(decider: CountDecider): Promise<readonly Decision[]>
  find(ref: IncidentRef): Promise<Incident | undefined>
  list(listing: IncidentListing): Promise<IncidentPage>
  /** Some of the incidents of all tenants that are due to close at `nowMs`, up to `limit`. */
  listQuiet(nowMs: number, limit: number): Promise<readonly IncidentRef[]>
  /**
   * Up to `limit` outbox items of all tenants that are due, oldest first. No other caller gets them before `untilMs`;
   * after that they are due again, unless they were settled.
   */
  takeDue(nowMs: number, untilMs: number, limit: number): Promise<readonly OutboxItem[]>
  /** Replaces items that were taken; deletes those without targets. */
  settle(items: readonly OutboxItem[]): Promise<void>
  /** Counts one notification in the minute of `nowMs`, and returns the count over all processes. */
  countSending(nowMs: number): Promise<number>
  /** A persistent text, such as the position up to which something was read. */
  readCursor(name: string): Promise<string | undefined>
  writeCursor(name: string, text: string): Promise<void>
  /** Deletes expired deliveries, rows and closed incidents. A store that expires them itself does nothing. */
  prune(nowMs: number): Promise<void>
  close(): Promise<void>
}

/** Sends a notification. Rejects if it may not have been delivered: it is retried later with the same id. */
export interface Notifier {
  /** Its name in outbox items, in logs and metrics. */
  readonly name: string
  send(message: Message, signal: AbortSignal): Promise<void>
}

/** A line that raised an incident, with the columns of a classic incident table. */
export interface AuditRow {
  /** The log stream and the event's id in it, `stream-id`. */
  readonly incidentId: string
  readonly tenant: string
  /** The id of its incident. */
  readonly groupId: string
  readonly ms: number
  readonly logGroup: string
  readonly logStream: string
  readonly message: string
  readonly severity: string
  readonly createdMs: number
}

/**
 * Blocks in the order of their commits: incidents are counted from them, and counted again from the cursor after a
 * crash.
 */
export interface CommittedBlocks {
  /** The position of the newest block; 0 if there is none. Positions rise from commit to commit. */
  last(): number
  /** Calls `listener` for each block as soon as it is durable, in the order of positions. It must not throw. */
  listen(listener: (committed: CommittedBlock) => void): void
  /**
   * Keeps blocks after `position` as they were committed, without joining them. Before the first call no block is
   * joined.
   */
  keepAfter(position: number): void
  /**
   * Blocks after `position`, oldest first; a position may be returned more than once in a row. Blocks whose levels
   * `wants` rejects come without text and metadata. A block is valid until the next one is requested. Unreadable blocks
   * are skipped.
   */
  since(position: number, wants: (levels: Uint8Array) => boolean): AsyncIterable<CommittedBlock>
}

export interface CommittedBlock {
  readonly tenant: string
  readonly block: Block
  readonly position: number
}

export interface LogGroupEvent {
  readonly logStream: string
  /** Its id in its stream, the same on every read. */
  readonly id: string
  readonly ms: number
  readonly message: string
}

/** Reads log groups that have no subscription. */
export interface LogGroupReader {
  /** The events of [fromMs, toMs) in pages, in any order. Rejects with source_unavailable. */
  read(logGroup: string, fromMs: number, toMs: number): AsyncIterable<readonly LogGroupEvent[]>
}
