/** The gateway's ports with their contracts. Read this file first. */

import type { Batch } from '../domain/entries/batch.ts'
import type { Block, StreamRun } from '../domain/entries/block.ts'
import type { RunSummary } from '../domain/entries/run-summary.ts'
import type { TextNeed } from '../domain/entries/text-need.ts'
import type { Labels } from '../domain/labels.ts'
import type { Limits } from '../domain/limits.ts'
import type { Matcher } from '../domain/selector.ts'

/** Reads the time; tests pass their own clock. */
export interface Clock {
  /**
   * Milliseconds since the epoch, for times that are stored or shown. May be set back or forward between two readings.
   */
  nowMs(): number
  /** Milliseconds since an arbitrary start that never go backwards, for durations and deadlines within this process. */
  monotonicMs(): number
}

/** The result of an append. */
export interface AppendResult {
  /** Entries that are now durable. */
  readonly stored: number
  /**
   * Entries that were already stored: same tenant, stream, nanosecond, line and structured metadata. A store may detect
   * some of them only when reading; those count as stored, and a read returns them once.
   */
  readonly duplicates: number
  /** For each id of the batch that was already used, in the order of the batch: the time of the entry that has it. */
  readonly takenIds: ReadonlyMap<string, bigint>
}

/** The origin of a batch: `logs` is POST /logs, `push` (the default) is everything else. */
export type BatchOrigin = 'push' | 'logs'

/** The time range [start, end) in nanoseconds, of the streams that satisfy all matchers. */
export interface StreamRange {
  readonly tenant: string
  readonly matchers: readonly Matcher[]
  readonly start: bigint
  readonly end: bigint
  /**
   * Awaited between two steps of a read, so that other work can use the thread; without it the event loop runs once.
   */
  readonly pause?: (() => Promise<void>) | undefined
}

export interface ReadRequest extends StreamRange {
  readonly direction: 'forward' | 'backward'
  /**
   * Called before a block is loaded, with the block's time range: false skips it. The result may change during the read (a
   * log query that has reached its limit needs nothing older than its oldest entry).
   */
  readonly wants?: (oldest: bigint, newest: bigint) => boolean
  /** Everything that `wants` accepts will be read, and its results do not change: a store may reject a large read upfront. */
  readonly readsAll?: boolean
  /** Only the columns are needed: blocks may come with empty text and metadata. */
  readonly withoutText?: boolean
  /**
   * Only entries with this value of `trace_id`, as structured metadata or as a label of their stream, are needed: a store may leave out
   * others.
   */
  readonly traceId?: string | undefined
  /**
   * Offers the summary of a run whose entries are all in the range, after `wants` has accepted its block. True: the read
   * needs nothing else of the run, and its entries do not come. False: the store offers parts of the run, and what is not
   * taken comes as entries of a block, maybe as several runs. A store may offer none. What it throws ends the read.
   */
  readonly takes?: ((run: RunSummary) => boolean) | undefined
  /** Only entries that meet each of these are of use; a store may leave out blocks without one. */
  readonly needs?: readonly TextNeed[] | undefined
  /** The lines of every block will be read, so that they may be decompressed ahead. */
  readonly scans?: boolean
}

/** A loaded block with the requested runs; the rest of its text and metadata must not be read. */
export interface ReadBlock {
  readonly block: Block
  /** The runs of the requested streams, clipped to the time range; never empty. */
  readonly runs: readonly StreamRun[]
  /** The order of blocks with entries of equal times: lower arrived earlier. */
  readonly sequence: number
}

/** Figures of the store for /metrics; cheap to read. */
export interface StoreFigures {
  readonly blocks: number
  readonly entries: number
  readonly streams: number
  /** Bytes on disk. */
  readonly diskBytes: number
  /** Stored line bytes. */
  readonly lineBytes: number
  /** Bytes of batches waiting for a commit. */
  readonly queueBytes: number
  readonly commits: number
  /** Rounds of maintenance (joins, retention) that failed since the last one that succeeded; absent without maintenance. */
  readonly maintenanceFailures?: number
}

/**
 * Stores entries.
 *
 * - `append` resolves when the batch is durable: it survives SIGKILL and power failure. A batch whose append resolved is
 *   never lost. It rejects with store_unavailable or overloaded otherwise; then nothing of the batch was stored, or some of a
 *   large one, which its retry finds as duplicates.
 * - A retried batch is not stored twice, within a window configured by the store.
 * - A read sees every batch whose append resolved before the read started.
 */
export interface LogStore {
  append(batch: Batch, origin?: BatchOrigin): Promise<AppendResult>
  /**
   * The blocks with entries in the range: newest first for `backward` (no later block has an entry newer than the newest
   * entry of an earlier block), oldest first for `forward`. The ranges of blocks may overlap. Only a few blocks are in
   * memory at a time, and a block is valid only until the next one is requested, because its memory is reused. Rejects with
   * store_damaged for an unreadable block, after returning the others.
   */
  read(request: ReadRequest, signal?: AbortSignal): AsyncIterable<ReadBlock>
  /** The streams with entries in the range, sorted by text; may include more near the borders of the range. */
  streams(range: StreamRange, signal?: AbortSignal): Promise<readonly Labels[]>
  /**
   * A text that changes whenever a read of the range might return a different result. From memory, so that every query can
   * call it. Not comparable between processes. Undefined if the store does not know.
   */
  version(range: Pick<StreamRange, 'tenant' | 'start' | 'end'>): string | undefined
  /** Undefined if a push could be stored now; otherwise the reason, a text that may be shown publicly. */
  trouble(): string | undefined
  figures(): StoreFigures
  /** Finishes accepted appends, then closes everything. */
  close(): Promise<void>
}

/** Receives a batch, which is valid only during the call because its memory is reused. Must not throw. */
export type BatchListener = (batch: Batch) => void

/** Publishes accepted batches to live tails. */
export interface LiveFeed {
  /**
   * Must be called with every batch once it is durable. Very cheap if the tenant has no subscribers. Parts of a retried
   * push may be published again.
   */
  publish(batch: Batch): void
  /** Calls `listener` with each batch of the tenant until the returned function is called. */
  subscribe(tenant: string, listener: BatchListener): () => void
}

/** A request to delete entries in [start, end) by a LogQL selector with optional line filters. */
export interface Deletion {
  readonly id: string
  readonly tenant: string
  readonly query: string
  readonly start: bigint
  readonly end: bigint
  readonly createdMs: number
  /** True when the entries are deleted from the store. */
  readonly isProcessed: boolean
}

/**
 * Returns the parts of a run to keep, in order; possibly the run itself. Depends only on the entries, so that a second call
 * on the remaining entries keeps all of them.
 */
export type KeepRuns = (block: Block, run: StreamRun) => readonly StreamRun[]

/**
 * Stores delete requests, and deletes entries. It does not interpret queries, and does not hide entries from reads: see
 * flows/delete/delete-logs.ts.
 */
export interface DeletionStore {
  /** The requests of all tenants, in order of addition; from memory, so that every read can call it. */
  list(): readonly Deletion[]
  /** Resolves when the request is durable. Rejects with store_unavailable. */
  add(deletion: Deletion): Promise<void>
  /** Resolves when the removal is durable; false if the request does not exist. */
  remove(tenant: string, id: string): Promise<boolean>
  setProcessed(tenant: string, id: string): Promise<boolean>
  /**
   * Deletes the entries of the streams and the time range that `keep` drops, a block at a time; resolves to their number.
   * Reads that started before may still see them. Entries stored meanwhile may be missed. `isStopped` is checked between
   * blocks. An unreadable block stays unchanged, and causes a rejection with store_damaged after the others are done.
   */
  erase(range: StreamRange, keep: KeepRuns, isStopped?: () => boolean): Promise<number>
}

/** Per-tenant limits, which may change at run time. */
export interface TenantLimits {
  /** From memory: called for every push and query. */
  of(tenant: string): Limits
}

/** The ports for flows and transport. */
export interface Ports {
  readonly clock: Clock
  readonly store: LogStore
  /** Undefined if the home has no long-lived connections, so no live tails. */
  readonly feed?: LiveFeed
  /** Undefined if the home cannot delete. */
  readonly deletions?: DeletionStore
  /** Undefined if all tenants have the limits of the settings. */
  readonly limits?: TenantLimits
}
