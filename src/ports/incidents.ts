/** What incidents need from outside: a store with an outbox, notifiers, rows for an audit. And how incidents are raised. */

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
} from '../domain/incidents/incident.ts'
import type { Message, OutboxItem } from '../domain/incidents/notification.ts'
import type { Labels } from '../domain/labels.ts'

/** Takes reports of alert rules and anomalies. flows/incidents/raise-incidents.ts implements it. */
export interface IncidentSink {
  /**
   * Opens, counts or reopens the incident of the report's tenant, kind and key. A report that is repeated counts once.
   * Rejects with store_unavailable when it could not be recorded: report it again then.
   */
  raise(report: IncidentReport): Promise<Raised>
  /** It is over: closes its incident, if there is an open one. */
  resolve(key: IncidentKey): Promise<void>
}

export interface Raised extends IncidentRef {
  /** 1, or 0 when the report was counted before. */
  readonly counted: number
  readonly transition: Transition | undefined
}

/** What a decision wants written: all of it or nothing. */
export interface Decision extends IncidentChange {
  readonly outbox?: OutboxItem | undefined
}

/** Must be pure: it is asked again when another writer was faster. Undefined: nothing is to be written. */
export type Decide = (found: Incident | undefined) => Decision | undefined

/** What becomes of an incident by the lines that were counted. Must be pure. */
export interface CountDecider {
  idOf(lines: LineCount): string
  /** `id` is that of the lines. */
  decide(found: Incident | undefined, id: string, lines: LineCount): Decision
}

/** How far something was read: the write is refused when another writer moved the cursor from `from` meanwhile. */
export interface CursorMove {
  readonly name: string
  /** Undefined: there is no cursor of this name yet. */
  readonly from: string | undefined
  readonly to: string
}

/** The cursor of the last committed block whose lines are counted: its position. */
export const COUNTED_BLOCKS = 'counted-blocks'

/** Lines that were counted together, and are written together or not at all. */
export interface CountRecord {
  /** Names the delivery that the lines came with: lines of a delivery that was recorded before are not counted again. */
  readonly deliveryId?: string | undefined
  readonly counts: readonly LineCount[]
  readonly cursor?: CursorMove | undefined
  /** One for each line, where they are wanted. */
  readonly rows: readonly AuditRow[]
}

export interface RecordOutcome {
  /** False: the delivery was recorded before, or the cursor was moved; nothing was written. */
  readonly isNew: boolean
  /** Incidents that changed. A store that counts in two steps gives none: `fold` does. */
  readonly decisions: readonly Decision[]
  /** Whether `fold` is to follow, now or later. */
  readonly isPending: boolean
}

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
 * Keeps incidents, their counts, and the outbox.
 *
 * - What resolved is durable. Rejects with store_unavailable when nothing was written.
 * - `change` and counts are exact under concurrency: of two that decide about one incident at a time, one sees what the
 *   other wrote.
 * - Deliveries are remembered for the store's setting, and then may count again.
 */
export interface IncidentStore {
  /** Asks `decide` about the incident as it is, and writes the decision with its outbox item. */
  change(ref: IncidentRef, decide: Decide): Promise<Decision | undefined>
  /** Writes counts, cursor and rows in one go. A store that counts in two steps leaves the incidents to `fold`. */
  record(record: CountRecord, decider: CountDecider): Promise<RecordOutcome>
  /** Applies counts that were recorded and not applied yet, each once, also when processes fold at the same time. */
  fold(decider: CountDecider): Promise<readonly Decision[]>
  find(ref: IncidentRef): Promise<Incident | undefined>
  list(listing: IncidentListing): Promise<IncidentPage>
  /** Some of the incidents of all tenants that are to close by themselves at `nowMs`, up to `limit`. */
  listQuiet(nowMs: number, limit: number): Promise<readonly IncidentRef[]>
  /**
   * Up to `limit` outbox items that are due, of all tenants, oldest first; no other caller gets them before `untilMs`.
   * They come again then, unless they were settled.
   */
  takeDue(nowMs: number, untilMs: number, limit: number): Promise<readonly OutboxItem[]>
  /** Replaces items that were taken; those without targets are done and go. */
  settle(items: readonly OutboxItem[]): Promise<void>
  /** Counts one sending of the minute that holds `nowMs`, and gives the count, over all processes. */
  countSending(nowMs: number): Promise<number>
  /** A text that outlives a restart: how far something was read. */
  readCursor(name: string): Promise<string | undefined>
  writeCursor(name: string, text: string): Promise<void>
  /** Deletes deliveries, rows and closed incidents whose time is over. A store that does so by itself does nothing. */
  prune(nowMs: number): Promise<void>
  close(): Promise<void>
}

/** Notifies people. Rejects when it is not sure that the message was taken: it is sent again then, with the same id. */
export interface Notifier {
  /** Its name in outbox items, in logs and metrics. */
  readonly name: string
  send(message: Message, signal: AbortSignal): Promise<void>
}

/** One line that raised an incident, in the fields of a classic incident table. */
export interface AuditRow {
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

/** Blocks as they were committed: what incidents are counted from, and after a crash counted again. */
export interface CommittedBlocks {
  /** The position of the newest block; 0 where there is none. Positions rise from commit to commit. */
  last(): number
  /** Calls `listener` for each block as soon as it is durable, in the order of positions. It must not throw. */
  listen(listener: (committed: CommittedBlock) => void): void
  /** Leaves blocks after `position` as they were committed: they are not joined. Until then, none of them is. */
  keepAfter(position: number): void
  /**
   * Blocks after `position`, oldest first; a position may come more than once, one after the other. Those whose levels
   * `wants` refuses come without text and metadata. A block is good until the next one is asked for. One that cannot be
   * read is left out.
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
  /** Of its stream: the same whenever it is read. */
  readonly id: string
  readonly ms: number
  readonly message: string
}

/** Reads log groups that no subscription delivers. */
export interface LogGroupReader {
  /** Pages of the events of [fromMs, toMs), in no order that is promised. Rejects with source_unavailable. */
  read(logGroup: string, fromMs: number, toMs: number): AsyncIterable<readonly LogGroupEvent[]>
}
