/**
 * LogStore on AWS services. An append is done when each of its entries is stored durably: fresh pushes in Firehose, fresh
 * logs in the queue and in a recent item, late or future entries in an object of their own hour. Names are content hashes
 * and reads remove duplicates, so a partly failed append can simply be retried.
 */

import type { Batch } from '../../domain/entries/batch.ts'
import { timeRange } from '../../domain/entries/block.ts'
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
import { type ArchiveMember, encodeArchive } from '../../protocol/archive/archive-encode.ts'
import { contentHash, freshRange, objectKey } from '../../protocol/archive/archive-names.ts'
import type { ArchiveBucket } from './archive-bucket.ts'
import { type ClaimedBatch, claimIds, eachOf } from './ids/claimed-batch.ts'
import type { EntryIds } from './ids/entry-ids.ts'
import { packRecentBlocks } from './recent-block.ts'
import type { RecentItems } from './recent-items.ts'
import type { StreamIndex } from './stream-index.ts'
import { type AppendPlan, planAppend } from './write/append-plan.ts'
import { type FirehoseRecords, RECORD_BYTES_MAX } from './write/firehose-records.ts'
import { type LogQueue, MESSAGE_MEMBER_BYTES_MAX } from './write/log-queue.ts'

export interface AwsStoreSettings {
  /** Key prefix of the archive, such as `logs/`. */
  readonly prefix: string
  /** Entries older than this on arrival are written to the archive immediately. */
  readonly lateAfterMs: number
  /** Whether pushes are also stored as recent items; otherwise queries see them after Firehose has written them. */
  readonly keepsRecentPushes: boolean
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

/** The destinations of an append. */
export interface AwsWrites {
  readonly records: Pick<FirehoseRecords, 'put'>
  readonly queue: Pick<LogQueue, 'send'>
  readonly recent: Pick<RecentItems, 'put'>
  readonly bucket: Pick<ArchiveBucket, 'put'>
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

/** Objects of late entries that an append writes concurrently: a backfill may have many hours. */
const OBJECTS_AT_ONCE = 8
/** An object may have any size; its gzip members are compressed one by one. */
const OBJECT_MEMBER_BYTES_MAX = 64 * 2 ** 20
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

  /** Only the cache on this disk; the services have metrics of their own. */
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
      const plan = planAppend(claimed.batch, claimed.leftOut, freshRange(arrivedMs, this.#settings.lateAfterMs))
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

  /** Writes all parts concurrently. Rejects, after all have ended, with the first failure. */
  async #write(plan: AppendPlan, origin: BatchOrigin, arrivedMs: number): Promise<void> {
    const writes: Promise<void>[] = [this.#writeDirect(plan)]
    if (plan.fresh.length > 0) {
      writes.push(origin === 'push' ? this.#writeRecords(plan) : this.#writeMessages(plan))
      if (origin === 'logs' || this.#settings.keepsRecentPushes) writes.push(this.#writeRecent(plan, arrivedMs))
    }
    if (plan.fresh.length + plan.direct.size > 0) writes.push(this.#writes.index.announce(plan.batch, arrivedMs))
    await allDone(writes)
  }

  async #writeRecords({ batch, fresh }: AppendPlan): Promise<void> {
    const members = await encodeArchive(batch, fresh, { memberBytesMax: RECORD_BYTES_MAX })
    const [fitting, large] = bySize(members, RECORD_BYTES_MAX)
    await allDone([this.#writes.records.put(fitting.map(({ bytes }) => bytes)), ...this.#putEach(large)])
  }

  async #writeMessages({ batch, fresh }: AppendPlan): Promise<void> {
    const members = await encodeArchive(batch, fresh, { memberBytesMax: MESSAGE_MEMBER_BYTES_MAX })
    const [fitting, large] = bySize(members, MESSAGE_MEMBER_BYTES_MAX)
    await allDone([this.#writes.queue.send(fitting), ...this.#putEach(large)])
  }

  /** Writes an entry as an object whose escaped text is too large for a record. */
  #putEach(members: readonly ArchiveMember[]): Promise<void>[] {
    return members.map((member) => this.#putObject([member]))
  }

  async #writeRecent({ batch, freshOrder }: AppendPlan, arrivedMs: number): Promise<void> {
    const packs = await packRecentBlocks(freshOrder)
    await eachOf([...packs.entries()], ITEMS_AT_ONCE, ([part, { block, packed }]) =>
      this.#writes.recent.put({ tenant: batch.tenant, part, packed, ...timeRange(block) }, arrivedMs),
    )
  }

  async #writeDirect({ batch, direct }: AppendPlan): Promise<void> {
    await eachOf([...direct.values()], OBJECTS_AT_ONCE, async (entries) =>
      this.#putObject(await encodeArchive(batch, entries, { memberBytesMax: OBJECT_MEMBER_BYTES_MAX })),
    )
  }

  /** Writes the members of one hour as an object. */
  #putObject(members: readonly ArchiveMember[]): Promise<void> {
    const content = Buffer.concat(members.map(({ bytes }) => bytes))
    const oldest = members.map((member) => member.oldest).reduce((a, b) => (a < b ? a : b))
    const newest = members.map((member) => member.newest).reduce((a, b) => (a > b ? a : b))
    const range = { oldest, newest }
    return this.#writes.bucket.put(objectKey(this.#settings.prefix, 'late', range, contentHash(content)), content)
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

function bySize(
  members: readonly ArchiveMember[],
  bytesMax: number,
): [fitting: ArchiveMember[], large: ArchiveMember[]] {
  return [
    members.filter(({ bytes }) => bytes.length <= bytesMax),
    members.filter(({ bytes }) => bytes.length > bytesMax),
  ]
}

/** Rejects with the first failure, but only after all have ended, because the caller then reuses the batch's memory. */
async function allDone(writes: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(writes)) if (outcome.status === 'rejected') throw outcome.reason
}
