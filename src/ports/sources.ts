/** What polling needs from outside: a source to read, a place for the cursor, sinks for the entries. */

import type { SourceCursor } from '../domain/sources/source-cursor.ts'
import type { SourceEntry } from '../domain/sources/source-entry.ts'

/** Part of a walk over a source's entries. */
export interface SourcePage {
  readonly entries: readonly SourceEntry[]
  /** Items that could not be read as entries: they have neither an id nor a time. */
  readonly unreadable: number
  /**
   * `forward`: every entry that was there when the walk began and is older than the newest of this page is on this page
   * or was on an earlier one, so the walk may begin again at that time. `backward`: only the whole walk is complete.
   */
  readonly direction: 'forward' | 'backward'
  /** Nothing of the range comes after this page. */
  readonly isLast: boolean
  /** Where a backward walk goes on later; undefined on its last page, and for a forward walk. */
  readonly resume?: string | undefined
}

export interface SourceRequest {
  readonly project: SourceProject
  /** Entries from this time on, ms since the epoch; some older ones may come with them. */
  readonly fromMs: number
  /** A backward walk goes on here. */
  readonly resume?: string | undefined
  /** Requests of this walk at most; every attempt counts. */
  readonly requests: RequestBudget
}

/** What the walks of one run may spend together. */
export interface RequestBudget {
  /** Takes one request, or says that none is left. */
  take(): boolean
  /** When the run has to be done: a reading of Clock.monotonicMs. */
  readonly untilMs: number
}

/** A project of the source, with the name that people gave it. */
export interface SourceProject {
  readonly id: string
  readonly name: string
}

/**
 * Something that keeps entries for a while and can be asked for them.
 *
 * `read` ends behind a page that says so by `isLast`, or before, when the budget is used up. It rejects with
 * source_unavailable when the source does not answer as it should; the pages before are good. An entry may come twice.
 */
export interface LogSource {
  readonly name: string
  read(request: SourceRequest): AsyncIterable<SourcePage>
}

/** The right to write, of one run. */
export interface Lease {
  /** Names the run. */
  readonly holder: string
  /** Milliseconds since the epoch; after that the run has stopped by itself. */
  readonly untilMs: number
}

export interface StoredCursor {
  /** Undefined before the first run. */
  readonly cursor: SourceCursor | undefined
  /** What a claim is compared with. */
  readonly revision: number
  /** Left by a run that is still at work, or that ended in the middle: entries may be stored that the cursor does not know. */
  readonly lease: Lease | undefined
}

/**
 * Keeps a cursor for each project.
 *
 * A run loads, then claims, then saves as often as it likes, and with the last save gives its lease back. Of runs that
 * loaded the same revision one claim succeeds. A claim that fails may leave its lease behind, and may set the cursor
 * back to what its run had loaded: that is why a lease that is found makes the next run look before it writes.
 *
 * All reject with store_unavailable when the state cannot be read or written, `load` with store_damaged when it is there
 * and cannot be understood: to begin again in silence would be a first run.
 */
export interface CursorStore {
  load(projectId: string): Promise<StoredCursor>
  /** Takes the lease if nobody wrote since `loaded`; rejects with state_conflict when somebody did. */
  claim(projectId: string, loaded: StoredCursor, lease: Lease): Promise<number>
  /**
   * Saves under a lease that is held; resolves with the new revision. `lease` undefined gives it back. A store with
   * little room may drop the oldest ids, and then raises `idsFromMs`.
   */
  save(projectId: string, revision: number, cursor: SourceCursor, lease: Lease | undefined): Promise<number>
}

/** What became of entries that were handed to a sink. */
export interface WriteOutcome {
  /** Entries that are durable now. */
  readonly stored: number
  /** Entries that were there before. */
  readonly duplicates: number
  /** Entries that the sink takes only in parts, or cut. */
  readonly oversized: number
  /** Entries that the sink refuses for good, by reason. */
  readonly rejected: ReadonlyMap<string, number>
}

/**
 * Keeps entries for good.
 *
 * `write` resolves when the entries are durable. When it rejects, any part of them may be. Entries whose ids are in
 * `doubtful` may be stored already: the sink looks, and writes them only where they are not.
 */
export interface LogSink {
  readonly name: string
  write(project: SourceProject, entries: readonly SourceEntry[], doubtful: ReadonlySet<string>): Promise<WriteOutcome>
}
