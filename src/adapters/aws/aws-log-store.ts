/**
 * LogStore on AWS services. An append is done when each of its entries is stored durably by its path, and its streams are in
 * the stream index. Names are content hashes and reads remove duplicates, so a partly failed append can simply be retried.
 */

import type { Batch } from '../../domain/entries/batch.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { Labels } from '../../domain/labels.ts'
import type {
  AppendResult,
  BatchOrigin,
  Clock,
  LogStore,
  ReadBlock,
  ReadRequest,
  StoreFigures,
  StreamRange,
} from '../../ports/log-store.ts'
import { allDone, type ClaimedBatch, claimIds, eachOf } from './ids/claimed-batch.ts'
import type { EntryIds } from './ids/entry-ids.ts'
import type { StreamIndex } from './stream-index.ts'
import type { AppendPlan } from './write/append-plan.ts'

export interface AwsStoreSettings {
  /** Bytes of batches being appended; above this, appends are rejected with overloaded. */
  readonly queueBytesMax: number
}

/** The read side. */
export interface ArchiveReads {
  /** Size of the cache on disk. */
  readonly cacheBytes: number
  read(request: ReadRequest, signal?: AbortSignal): AsyncIterable<ReadBlock>
  streams(range: StreamRange, signal?: AbortSignal): Promise<readonly Labels[]>
  close(): Promise<void>
}

/** Where the entries of an append are stored. */
export interface WritePath {
  /** Decides where each entry goes; `leftOut` are not written. Throws body_too_large. */
  plan(batch: Batch, leftOut: ReadonlySet<number>, arrivedMs: number): AppendPlan
  /** Resolves when all entries are durable. Rejects, after everything has ended, with store_unavailable or overloaded. */
  write(plan: AppendPlan, origin: BatchOrigin, arrivedMs: number): Promise<void>
}

/** The destinations of an append. */
export interface AwsWrites {
  readonly path: WritePath
  readonly ids: EntryIds
  readonly index: Pick<StreamIndex, 'announce'>
}

/** Events that the store reports. */
export interface AwsStoreEvents {
  /** An append took `ms`. */
  committed(ms: number, batches: number): void
  /** An append failed, and its batch was rejected. */
  writeFailed(cause: unknown): void
}

const ITEMS_AT_ONCE = 8
/** Consecutive failures after which the store reports trouble. */
const TROUBLE_FAILURES = 3
/** Trouble ends after this time without a failure: clients that see it stop sending, so no success would end it. */
const TROUBLE_MS = 30_000

export class AwsLogStore implements LogStore {
  readonly #writes: AwsWrites
  readonly #reads: ArchiveReads
  readonly #settings: AwsStoreSettings
  readonly #clock: Clock
  readonly #events: AwsStoreEvents
  readonly #running = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined
  #queueBytes = 0
  #failures = 0
  #failedMs = 0
  #reason = ''
  #commits = 0

  constructor(
    writes: AwsWrites,
    reads: ArchiveReads,
    settings: AwsStoreSettings,
    clock: Clock,
    events: AwsStoreEvents,
  ) {
    this.#writes = writes
    this.#reads = reads
    this.#settings = settings
    this.#clock = clock
    this.#events = events
  }

  append(batch: Batch, origin: BatchOrigin = 'push'): Promise<AppendResult> {
    if (this.#closing !== undefined) {
      return Promise.reject(new GatewayError('store_unavailable', 'the gateway is shutting down; retry'))
    }
    // A batch keeps the whole request body of its lines in memory.
    const bytes = batch.text.length + batch.metadata.length + batch.count * 32
    if (this.#queueBytes > 0 && this.#queueBytes + bytes > this.#settings.queueBytesMax) {
      const text = `${this.#queueBytes} bytes are being written; the limit is ${this.#settings.queueBytesMax}; retry later or raise MILLRACE_QUEUE_BYTES_MAX`
      return Promise.reject(new GatewayError('overloaded', text))
    }
    this.#queueBytes += bytes
    const appended = this.#append(batch, origin).finally(() => {
      this.#queueBytes -= bytes
      this.#running.delete(appended)
    })
    this.#running.add(appended)
    return appended
  }

  read(request: ReadRequest, signal?: AbortSignal): AsyncIterable<ReadBlock> {
    return this.#reads.read(request, signal)
  }

  streams(range: StreamRange, signal?: AbortSignal): Promise<readonly Labels[]> {
    return this.#reads.streams(range, signal)
  }

  /** Undefined, because other processes write too. */
  version(): undefined {
    return undefined
  }

  /** Derived from the last appends; calls no service. */
  trouble(): string | undefined {
    const isRecent = this.#clock.monotonicMs() - this.#failedMs < TROUBLE_MS
    return this.#failures >= TROUBLE_FAILURES && isRecent ? this.#reason : undefined
  }

  /** Only the cache on this disk; the services have their own metrics. */
  figures(): StoreFigures {
    return {
      blocks: 0,
      entries: 0,
      streams: 0,
      diskBytes: this.#reads.cacheBytes,
      lineBytes: 0,
      queueBytes: this.#queueBytes,
      commits: this.#commits,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  async #finish(): Promise<void> {
    await Promise.allSettled(this.#running)
    await this.#reads.close()
  }

  async #append(batch: Batch, origin: BatchOrigin): Promise<AppendResult> {
    const startedMs = this.#clock.monotonicMs()
    try {
      const claimed = await this.#claim(batch)
      const arrivedMs = this.#clock.nowMs()
      const plan = this.#writes.path.plan(claimed.batch, claimed.leftOut, arrivedMs)
      await this.#write(plan, origin, arrivedMs)
      await eachOf(claimed.claims, ITEMS_AT_ONCE, (claim) => this.#writes.ids.confirm(batch.tenant, claim))
      const duplicates = claimed.leftOut.size + plan.duplicates
      this.#succeeded(this.#clock.monotonicMs() - startedMs)
      return { stored: batch.count - duplicates, duplicates, takenIds: claimed.takenIds }
    } catch (cause) {
      this.#failed(cause)
      throw cause
    }
  }

  #claim(batch: Batch): ClaimedBatch | Promise<ClaimedBatch> {
    if (batch.ids.length > 0) return claimIds(this.#writes.ids, batch)
    return { batch, leftOut: new Set(), takenIds: new Map(), claims: [] }
  }

  /** Writes the entries and their streams concurrently. Rejects, after both have ended, with the first failure. */
  async #write(plan: AppendPlan, origin: BatchOrigin, arrivedMs: number): Promise<void> {
    if (plan.fresh.length + plan.direct.size === 0) return
    const { path, index } = this.#writes
    await allDone([path.write(plan, origin, arrivedMs), index.announce(plan.batch, arrivedMs)])
  }

  #succeeded(ms: number): void {
    this.#failures = 0
    this.#commits++
    this.#events.committed(ms, 1)
  }

  #failed(cause: unknown): void {
    this.#events.writeFailed(cause)
    // Oversized or throttled appends are for the client to fix, and do not mark the store as failing.
    if (cause instanceof GatewayError && cause.code !== 'store_unavailable') return
    this.#failures++
    this.#failedMs = this.#clock.monotonicMs()
    this.#reason = cause instanceof GatewayError ? cause.message : 'the last pushes could not be stored'
  }
}
