/** All that the gateway needs from outside, each with its contract. Read this page first. */

import type { Batch } from '../domain/entries/batch.ts'
import type { Block, StreamRun } from '../domain/entries/block.ts'
import type { Labels } from '../domain/labels.ts'
import type { Limits } from '../domain/limits.ts'
import type { Matcher } from '../domain/selector.ts'

/** Reads time; a test hands in its own. */
export interface Clock {
  /** Milliseconds since the epoch. May be set back or forward between two readings: for times that are stored or shown. */
  nowMs(): number
  /** Milliseconds from a start of its own that never go back: for durations and for what is due in this process. */
  monotonicMs(): number
}

/** What became of a batch. */
export interface AppendResult {
  /** Entries that are now durable. */
  readonly stored: number
  /**
   * Entries that were there before: same tenant, stream, nanosecond, line and structured metadata. A store may find
   * some of them only when it reads; those count as stored, and a read gives them once.
   */
  readonly duplicates: number
  /** For each id of the batch that was taken before, in the batch's order: the time of the entry that has it. */
  readonly takenIds: ReadonlyMap<string, bigint>
}

/** Where a batch comes from: `logs` is POST /logs, `push` (the default) is everything else. */
export type BatchOrigin = 'push' | 'logs'

/** The time range [start, end) in nanoseconds, of the streams that every matcher takes. */
export interface StreamRange {
  readonly tenant: string
  readonly matchers: readonly Matcher[]
  readonly start: bigint
  readonly end: bigint
  /** Awaited between two steps of a read, so that others use the thread; without it the event loop goes round once. */
  readonly pause?: (() => Promise<void>) | undefined
}

export interface ReadRequest extends StreamRange {
  readonly direction: 'forward' | 'backward'
  /**
   * Asked before a block is loaded, with the time range it covers: false skips it. The answer may change while the
   * read goes on (a log query that has its limit wants nothing older than its oldest find).
   */
  readonly wants?: (oldest: bigint, newest: bigint) => boolean
  /** All that `wants` takes will be read, and its answers stay: a read that is too large may be refused before it begins. */
  readonly readsAll?: boolean
  /** Only the columns are needed: blocks may come with empty text and metadata. */
  readonly withoutText?: boolean
  /** The lines of every block will be looked at: they may be made ready ahead of time. */
  readonly scans?: boolean
}

/** A loaded block, with the part of it that a read asked for: the rest of its text and metadata is not to be read. */
export interface ReadBlock {
  readonly block: Block
  /** Runs of the streams asked for, narrowed to the time range; never empty. */
  readonly runs: readonly StreamRun[]
  /** Where the block stands among those that hold entries of equal times: lower came earlier. */
  readonly sequence: number
}

/** What the store knows of itself, for /metrics; reading it is cheap. */
export interface StoreFigures {
  readonly blocks: number
  readonly entries: number
  readonly streams: number
  /** Bytes on disk. */
  readonly diskBytes: number
  /** Line bytes that are stored. */
  readonly lineBytes: number
  /** Bytes of batches that wait for their commit. */
  readonly queueBytes: number
  readonly commits: number
}

/**
 * Keeps entries.
 *
 * - `append` resolves when the batch is durable: it survives SIGKILL and power loss. It rejects with
 *   store_unavailable or overloaded when it stored nothing of the batch. What it resolved is never lost.
 * - A retried batch is not stored twice; the window in which that holds is the store's setting.
 * - A read sees every batch whose append resolved before the read began.
 */
export interface LogStore {
  append(batch: Batch, origin?: BatchOrigin): Promise<AppendResult>
  /**
   * Blocks with entries of the range: newest first for `backward` (no later block has an entry newer than the newest
   * entry of an earlier block), oldest first for `forward`. Ranges of blocks may overlap. Only a few blocks are
   * held at a time, and a block is good only until the next one is asked for: its memory is used again. Rejects with store_damaged for a block that cannot be read, after the others were given.
   */
  read(request: ReadRequest, signal?: AbortSignal): AsyncIterable<ReadBlock>
  /** The streams with entries in the range, sorted by their text. Near the borders of the range, some more. */
  streams(range: StreamRange, signal?: AbortSignal): Promise<readonly Labels[]>
  /**
   * A text that is another one whenever a read of the range might give something else than before; from memory, so that
   * every query may ask. Texts of an earlier process say nothing. Undefined where the store cannot tell.
   */
  version(range: Pick<StreamRange, 'tenant' | 'start' | 'end'>): string | undefined
  /** Undefined when a push could be stored now; otherwise what is wrong, in words that may be shown to anybody. */
  trouble(): string | undefined
  figures(): StoreFigures
  /** Finishes what was accepted, then lets go of everything. */
  close(): Promise<void>
}

/** Told of a batch; it may be read during the call only, as its memory is used again. Must not throw. */
export type BatchListener = (batch: Batch) => void

/** Passes on what was just accepted, for live tails. */
export interface LiveFeed {
  /**
   * To be called for every batch once it is durable. Costs next to nothing while nobody listens to its tenant. A push
   * that is sent again may be passed on again in parts.
   */
  publish(batch: Batch): void
  /** Calls `listener` with each batch of the tenant until the returned function is called. */
  subscribe(tenant: string, listener: BatchListener): () => void
}

/** A request to delete entries of [start, end), by a LogQL selector with line filters or without. */
export interface Deletion {
  readonly id: string
  readonly tenant: string
  readonly query: string
  readonly start: bigint
  readonly end: bigint
  readonly createdMs: number
  /** True once the entries are gone from the store. */
  readonly isProcessed: boolean
}

/**
 * The parts of a run that stay, in order; each may be the run itself. What stays follows from the entries alone, so that
 * asking again about what stayed keeps all of it.
 */
export type KeepRuns = (block: Block, run: StreamRun) => readonly StreamRun[]

/**
 * Keeps requests to delete, and deletes. What a query means is not its business, and neither is that reads leave out
 * entries as soon as the request is there: see flows/delete-logs.ts.
 */
export interface DeletionStore {
  /** The requests of all tenants, in the order they were added; from memory, so that every read may ask. */
  list(): readonly Deletion[]
  /** Resolves when the request is durable. Rejects with store_unavailable. */
  add(deletion: Deletion): Promise<void>
  /** Resolves when it is durable that the request is gone, or changed; false where there is no such request. */
  remove(tenant: string, id: string): Promise<boolean>
  setProcessed(tenant: string, id: string): Promise<boolean>
  /**
   * Removes what `keep` leaves out of the streams and the time range, a block at a time; told how many entries. Reads
   * that began before may still see them. What comes to the store meanwhile may be missed. `isStopped` is asked
   * between two blocks. A block that cannot be read is left as it is, and told by a rejection with store_damaged after
   * the others are done.
   */
  erase(range: StreamRange, keep: KeepRuns, isStopped?: () => boolean): Promise<number>
}

/** Limits that differ by tenant, and may change while the gateway runs. */
export interface TenantLimits {
  /** From memory: it is asked once for every push and query. */
  of(tenant: string): Limits
}

/** The bundle that compose hands to flows and transport. */
export interface Ports {
  readonly clock: Clock
  readonly store: LogStore
  /** Absent where the home cannot hold connections: there are no live tails then. */
  readonly feed?: LiveFeed
  /** Absent where the home cannot delete. */
  readonly deletions?: DeletionStore
  /** Absent where all tenants have the same limits: those of the settings. */
  readonly limits?: TenantLimits
}
