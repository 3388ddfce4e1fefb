/** The ports of polling: a source, a cursor store, and sinks. */

import type { SourceCursor } from '../domain/sources/source-cursor.ts'
import type { SourceEntry } from '../domain/sources/source-entry.ts'

/** A page of a walk over a source's entries. */
export interface SourcePage {
  readonly entries: readonly SourceEntry[]
  /** Number of items that are not valid entries: without an id or a time. */
  readonly unreadable: number
  /**
   * `forward`: every entry that existed when the walk started and is older than the newest of this page is on this or an
   * earlier page, so the walk can restart at that time. `backward`: only the complete walk is complete.
   */
  readonly direction: 'forward' | 'backward'
  /** This is the last page of the range. */
  readonly isLast: boolean
  /** Where a backward walk continues later; undefined on its last page, and for a forward walk. */
  readonly resume?: string | undefined
}

export interface SourceRequest {
  readonly project: SourceProject
  /** Start time, ms since the epoch; some older entries may be returned too. */
  readonly fromMs: number
  /** A backward walk continues here. */
  readonly resume?: string | undefined
  /** Budget of requests for this walk; every attempt counts. */
  readonly requests: RequestBudget
}

/** The budget of requests for all walks of a run. */
export interface RequestBudget {
  /** Takes one request; false if none is left. */
  take(): boolean
  /** The deadline of the run: a reading of Clock.monotonicMs. */
  readonly untilMs: number
}

/** A project of the source, with its display name. */
export interface SourceProject {
  readonly id: string
  readonly name: string
}

/**
 * An external log source that keeps entries for a limited time.
 *
 * `read` ends after a page with `isLast`, or earlier if the budget is used up. It rejects with source_unavailable if the
 * source fails; the previous pages are valid. An entry may be returned twice.
 */
export interface LogSource {
  readonly name: string
  read(request: SourceRequest): AsyncIterable<SourcePage>
}

/** The exclusive right of a run to write. */
export interface Lease {
  /** Identifies the run. */
  readonly holder: string
  /** Milliseconds since the epoch; after that the run has stopped writing. */
  readonly untilMs: number
}

export interface StoredCursor {
  /** Undefined before the first run. */
  readonly cursor: SourceCursor | undefined
  /** For the comparison in `claim`. */
  readonly revision: number
  /** Left by an active or interrupted run: entries may be stored that the cursor does not include. */
  readonly lease: Lease | undefined
}

/**
 * Stores a cursor for each project.
 *
 * A run loads, claims, saves any number of times, and releases its lease with the last save. Of several runs that loaded
 * the same revision, one claim succeeds. A failed claim may leave its lease, and may reset the cursor to the loaded state:
 * that is why a run that finds a lease checks the sinks before it writes.
 *
 * All reject with store_unavailable if the state cannot be read or written, and `load` with store_damaged if it is
 * invalid: silently starting again would be a first run.
 */
export interface CursorStore {
  load(projectId: string): Promise<StoredCursor>
  /** Takes the lease if the state has not changed since `loaded`; otherwise rejects with state_conflict. */
  claim(projectId: string, loaded: StoredCursor, lease: Lease): Promise<number>
  /**
   * Saves under the held lease; resolves with the new revision. `lease` undefined releases it. A store with limited space
   * may drop the oldest ids, and then raises `idsFromMs`.
   */
  save(projectId: string, revision: number, cursor: SourceCursor, lease: Lease | undefined): Promise<number>
}

/** The outcome of a write to a sink. */
export interface WriteOutcome {
  /** Entries that are now durable. */
  readonly stored: number
  /** Entries that were already stored. */
  readonly duplicates: number
  /** Entries that the sink stores in parts or truncated. */
  readonly oversized: number
  /** Entries that the sink rejects permanently, by reason. */
  readonly rejected: ReadonlyMap<string, number>
}

/**
 * Stores entries permanently.
 *
 * `write` resolves when the entries are durable. If it rejects, any part of them may be stored. Entries whose ids are in
 * `doubtful` may already be stored: the sink checks, and writes only missing ones.
 */
export interface LogSink {
  readonly name: string
  write(project: SourceProject, entries: readonly SourceEntry[], doubtful: ReadonlySet<string>): Promise<WriteOutcome>
}
