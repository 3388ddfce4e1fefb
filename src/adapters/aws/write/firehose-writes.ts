/**
 * The firehose path of an append: fresh pushes go to Firehose, fresh logs to the queue, both also to a recent item, and late or future
 * entries to an object of their own hour. Names are content hashes and reads remove duplicates, so that a partly failed append can be
 * retried.
 */

import type { Batch } from '../../../domain/entries/batch.ts'
import { timeRange } from '../../../domain/entries/block.ts'
import type { BatchOrigin } from '../../../ports/log-store.ts'
import { type ArchiveMember, encodeArchive } from '../../../protocol/archive/archive-encode.ts'
import { contentHash, freshRange, objectKey } from '../../../protocol/archive/archive-names.ts'
import type { ArchiveBucket } from '../archive-bucket.ts'
import { allDone, eachOf } from '../ids/claimed-batch.ts'
import { packRecentBlocks } from '../recent-block.ts'
import type { RecentItems } from '../recent-items.ts'
import { type AppendPlan, planAppend } from './append-plan.ts'
import { type FirehoseRecords, RECORD_BYTES_MAX } from './firehose-records.ts'
import { type LogQueue, MESSAGE_MEMBER_BYTES_MAX } from './log-queue.ts'

export interface FirehoseSettings {
  /** Key prefix of the archive, such as `logs/`. */
  readonly prefix: string
  /** Entries older than this on arrival are written to the archive immediately. */
  readonly lateAfterMs: number
  /** Whether pushes are also stored as recent items; otherwise queries see them after Firehose has written them. */
  readonly keepsRecentPushes: boolean
}

export interface FirehoseParts {
  readonly records: Pick<FirehoseRecords, 'put'>
  readonly queue: Pick<LogQueue, 'send'>
  readonly recent: Pick<RecentItems, 'put'>
  readonly bucket: Pick<ArchiveBucket, 'put'>
}

/** Objects of late entries that an append writes concurrently: a backfill may have many hours. */
const OBJECTS_AT_ONCE = 8
/** An object may have any size; its gzip members are compressed one by one. */
const OBJECT_MEMBER_BYTES_MAX = 64 * 2 ** 20
const ITEMS_AT_ONCE = 8

export class FirehoseWrites {
  readonly #writes: FirehoseParts
  readonly #settings: FirehoseSettings

  constructor(writes: FirehoseParts, settings: FirehoseSettings) {
    this.#writes = writes
    this.#settings = settings
  }

  plan(batch: Batch, leftOut: ReadonlySet<number>, arrivedMs: number): AppendPlan {
    return planAppend(batch, leftOut, freshRange(arrivedMs, this.#settings.lateAfterMs))
  }

  /** Writes all parts concurrently. Rejects, after all have ended, with the first failure. */
  async write(plan: AppendPlan, origin: BatchOrigin, arrivedMs: number): Promise<void> {
    const writes: Promise<void>[] = [this.#writeDirect(plan)]
    if (plan.fresh.length > 0) {
      writes.push(origin === 'push' ? this.#writeRecords(plan) : this.#writeMessages(plan))
      if (origin === 'logs' || this.#settings.keepsRecentPushes) writes.push(this.#writeRecent(plan, arrivedMs))
    }
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
