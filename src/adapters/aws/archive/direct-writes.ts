/**
 * The direct path of an append: a push is a row in DynamoDB, with its entries as a block while they are small, otherwise as an object in S3
 * that is stored first. Nothing else: its row is what makes a push durable and visible.
 */

import type { Batch } from '../../../domain/entries/batch.ts'
import { timeRange } from '../../../domain/entries/block.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { BatchOrigin, Clock } from '../../../ports/log-store.ts'
import { encodeArchive } from '../../../protocol/archive/archive-encode.ts'
import { contentHash } from '../../../protocol/archive/archive-names.ts'
import { arrivalKey, bucketOf, SPAN_MS, spanOf } from '../../../protocol/archive/archive-place.ts'
import type { ArchiveBucket } from '../archive-bucket.ts'
import { eachOf } from '../ids/claimed-batch.ts'
import { packRecentBlocks } from '../recent-block.ts'
import { type AppendPlan, planWhole } from '../write/append-plan.ts'
import type { ArrivedRow, ArrivedRows } from './arrived-rows.ts'
import type { DynamoManifest } from './dynamo-manifest.ts'
import { type ShardRaise, shardsAt } from './row-shards.ts'

/**
 * A PUT, its row and later its GET cost as much as 9.6 write units of 1 KB, so that a block of up to 9 KiB is cheaper in its row. See
 * docs/cost.md.
 */
export const INLINE_BYTES_MAX = 9 * 1024
/** More bytes of lines hardly ever fit: packing them would be in vain. */
const INLINE_TEXT_BYTES_MAX = 128 * 1024
/** Bytes of lines of an object: readers decompress it at once. */
const OBJECT_TEXT_BYTES_MAX = 8 * 2 ** 20
const OBJECTS_AT_ONCE = 8
/** Compaction takes ten minutes three minutes after their end: a row that was stored later than this is stored again. */
const LATE_MS = 120_000
/** A partition takes 1,000 write units a second, so a push that is throttled may pass with more of them. */
const RAISES_MAX = 3

export interface DirectParts {
  readonly bucket: Pick<ArchiveBucket, 'put'>
  readonly rows: Pick<ArrivedRows, 'put'>
  readonly manifest: Pick<DynamoManifest, 'ensureBuckets' | 'ensureState' | 'raiseShards'>
  readonly clock: Pick<Clock, 'nowMs'>
}

export class DirectWrites {
  readonly #parts: DirectParts
  readonly #prefix: string
  /**
   * How the rows of the buckets that this process has written to are spread. It may lack raises of other processes: their readers ask all
   * partitions that this process knows of, and more.
   */
  readonly #raises = new Map<number, Promise<readonly ShardRaise[]>>()

  constructor(parts: DirectParts, prefix: string) {
    this.#parts = parts
    this.#prefix = prefix
  }

  plan(batch: Batch, leftOut: ReadonlySet<number>): AppendPlan {
    return planWhole(batch, leftOut)
  }

  /** Resolves when all entries of the plan are durable. Rejects with store_unavailable or overloaded; the retry repeats the same keys. */
  async write(plan: AppendPlan, _origin: BatchOrigin, arrivedMs: number): Promise<void> {
    const { tenant } = plan.batch
    const bucket = bucketOf(tenant, await this.#parts.manifest.ensureBuckets())
    const rows = await this.#rowsOf(plan, bucket, arrivedMs)
    await eachOf(rows, OBJECTS_AT_ONCE, (row) => this.#putInTime(bucket, row, arrivedMs))
  }

  async #rowsOf(plan: AppendPlan, bucket: number, arrivedMs: number): Promise<readonly ArrivedRow[]> {
    const { batch, fresh, freshOrder } = plan
    if (batch.lineBytes + batch.metadata.length <= INLINE_TEXT_BYTES_MAX) {
      const packs = await packRecentBlocks(freshOrder)
      const [only] = packs
      if (packs.length === 0) return []
      if (packs.length === 1 && only !== undefined && only.packed.length <= INLINE_BYTES_MAX) {
        const content = { block: only.packed }
        const hash = contentHash(only.packed)
        const { count: entries } = only.block
        return [{ tenant: batch.tenant, part: 0, hash, entries, ...timeRange(only.block), content }]
      }
    }
    const members = await encodeArchive(batch, fresh, {
      memberBytesMax: Number.POSITIVE_INFINITY,
      textBytesMax: OBJECT_TEXT_BYTES_MAX,
      codec: 'zstd',
    })
    const rows: ArrivedRow[] = []
    await eachOf([...members.entries()], OBJECTS_AT_ONCE, async ([part, { bytes, entries, oldest, newest }]) => {
      const hash = contentHash(bytes)
      const range = { oldest, newest }
      const place = { tenant: batch.tenant, bucket, span: spanOf(arrivedMs), range, content: hash }
      const key = arrivalKey(this.#prefix, place)
      await this.#parts.bucket.put(key, bytes)
      const content = { key, bytes: bytes.length }
      rows.push({ tenant: batch.tenant, part, hash, entries, ...range, content })
    })
    return rows
  }

  /** A row that became durable when compaction may have read its ten minutes is stored once more, among those of the present. */
  async #putInTime(bucket: number, row: ArrivedRow, arrivedMs: number): Promise<void> {
    const { clock } = this.#parts
    for (let ms = arrivedMs; ; ms = clock.nowMs()) {
      await this.#put(bucket, row, ms)
      if (clock.nowMs() < (spanOf(ms) + 1) * SPAN_MS + LATE_MS) return
    }
  }

  async #put(bucket: number, row: ArrivedRow, arrivedMs: number): Promise<void> {
    const { rows, manifest } = this.#parts
    const span = spanOf(arrivedMs)
    for (let times = 0; ; times++) {
      const shards = shardsAt(await this.#raisesOf(bucket, span), span)
      try {
        return await rows.put(row, { bucket, shards }, arrivedMs)
      } catch (cause) {
        const isThrottled = cause instanceof GatewayError && cause.code === 'overloaded'
        if (!isThrottled || times === RAISES_MAX) throw cause
        const raises = await manifest.raiseShards(bucket, span, shards)
        this.#raises.set(bucket, Promise.resolve(raises))
        if (shardsAt(raises, span) === shards) throw cause
      }
    }
  }

  #raisesOf(bucket: number, span: number): Promise<readonly ShardRaise[]> {
    const known = this.#raises.get(bucket)
    if (known !== undefined) return known
    const read = this.#parts.manifest.ensureState(bucket, span).then(({ raises }) => raises)
    this.#raises.set(bucket, read)
    read.catch(() => this.#raises.delete(bucket))
    return read
  }
}
