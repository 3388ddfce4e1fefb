/** Loads recent items, or rows of the direct path, into the scratch store: first those of the requested time, then only new ones. */

import type { Block } from '../../../domain/entries/block.ts'
import { batchOfBlock } from '../../../domain/entries/block-builder.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { Clock, LogStore } from '../../../ports/log-store.ts'
import { type NameRange, SKEW_MS } from '../../../protocol/archive/archive-names.ts'
import { SPAN_MS, spanOf } from '../../../protocol/archive/archive-place.ts'
import { joinRaises, type ShardRaise, shardsAt } from '../archive/row-shards.ts'
import { type ArrivedContent, type RecentItem, type RecentItems, SHARDS, sortKeyAt } from '../recent-items.ts'
import type { ReaderEvents } from './object-loads.ts'
import { cacheFailure } from './scratch-cache.ts'

/**
 * How far before the previous lookup the next one starts: an item gets its time before it is written, from another
 * container's clock, and is visible only after that. Writing it, with all retries, takes less than a minute.
 */
const OVERLAP_MS = SKEW_MS + 60_000
/** Blocks passed to the scratch store together; they share a commit. */
const APPENDS_MAX = 16
/** Maximum number of remembered tenants; a forgotten one is loaded from the start. */
const TENANTS_MAX = 10_000

/** Arrivals from `fromMs` (inclusive) to `beforeMs` (exclusive), ms since the epoch. */
interface Arrivals {
  readonly fromMs: number
  readonly beforeMs: number
}

/** The loaded items of one tenant. */
interface TenantRecent {
  /** The loaded arrivals, up to the start of the last finished lookup. */
  covered: { fromMs: number; toMs: number } | undefined
  /** Arrival times of loaded items within the overlap, by sort key. */
  readonly seen: Map<string, number>
  /** The same for unreadable items. */
  readonly damaged: Map<string, number>
  running: Promise<void> | undefined
  /** The lookup that starts after the running one, for all reads that arrived meanwhile, from the latest time they need. */
  next: { sinceMs: number; readonly look: Promise<void> } | undefined
  /** Lookups of older items, one after the other. */
  back: Promise<void>
  /** Rows of the direct path by sort key. */
  readonly rows: Map<string, ArrivedSource>
  /** Over how many partitions items are spread, as far as any read knows. */
  raises: readonly ShardRaise[]
}

/** A row of the direct path, which a read loads when it needs its times. */
export interface ArrivedSource extends NameRange {
  /** Sorts by arrival. */
  readonly sortKey: string
  readonly arrivedMs: number
  /** Undefined for a block that was loaded. */
  content: ArrivedContent | undefined
}

/** Recent items are always on as many partitions. */
const ALWAYS: readonly ShardRaise[] = [{ from: 0, until: Number.POSITIVE_INFINITY, shards: SHARDS }]
/** How long rows are remembered for reads that began before compaction took them, ms. */
const ROWS_KEPT_MS = 3600_000
/** Blocks of rows in memory, of all tenants, which no read has needed yet. */
const HELD_BYTES_MAX = 64 * 2 ** 20

export interface RecentSettings {
  readonly clock: Clock
  /** How long an item may exist after its arrival. */
  readonly windowMs: number
  /** Maximum bytes of items that a lookup may load. */
  readonly bytesMax: number
  readonly events: ReaderEvents
}

export class RecentLoads {
  /** True if the scratch store has failed: later reads must not use it. */
  isBroken = false
  readonly #items: Pick<RecentItems, 'query'>
  readonly #store: LogStore
  readonly #settings: RecentSettings
  /** Least recently used first. */
  readonly #tenants = new Map<string, TenantRecent>()
  #heldBytes = 0

  constructor(items: Pick<RecentItems, 'query'>, store: LogStore, settings: RecentSettings) {
    this.#items = items
    this.#store = store
    this.#settings = settings
  }

  /**
   * Loads the tenant's items that arrived at `sinceMs` or later and were written before the call. Resolves with
   * store_damaged if one of them cannot be read. Rejects with query_refused if they exceed the limit of a lookup, with
   * store_unavailable or overloaded. `raises`: over how many partitions the items are spread.
   */
  async load(tenant: string, sinceMs = 0, raises = ALWAYS): Promise<GatewayError | undefined> {
    const recent = this.#recentOf(tenant)
    const keptSpan = spanOf(sinceMs - ROWS_KEPT_MS)
    recent.raises = joinRaises([...recent.raises, ...raises]).filter(({ until }) => until >= keptSpan)
    for (const [sortKey, row] of recent.rows) {
      if (row.arrivedMs >= sinceMs - ROWS_KEPT_MS) continue
      this.release(row)
      recent.rows.delete(sortKey)
    }
    await this.#look(tenant, recent, sinceMs)
    await this.#lookBack(tenant, recent, sinceMs)
    const oldestMs = Math.max(sinceMs, this.#settings.clock.nowMs() - this.#settings.windowMs)
    for (const [sortKey, arrivedMs] of recent.damaged) if (arrivedMs < oldestMs) recent.damaged.delete(sortKey)
    if (recent.damaged.size === 0) return undefined
    const text = `${recent.damaged.size} recent items cannot be read; the archive has their entries within minutes`
    return new GatewayError('store_damaged', text)
  }

  /** The rows of loaded items that arrived at `sinceMs` or later, in the order of arrival. Call it after `load`. */
  rowsOf(tenant: string, sinceMs: number): readonly ArrivedSource[] {
    const found = [...this.#recentOf(tenant).rows.values()].filter(({ arrivedMs }) => arrivedMs >= sinceMs)
    return found.sort((a, b) => (a.sortKey < b.sortKey ? -1 : 1))
  }

  /** Lets go of a row's block, which is in the scratch store or no longer needed. */
  release(row: ArrivedSource): void {
    if (row.content === undefined || !('block' in row.content)) return
    this.#heldBytes -= row.content.block.length
    row.content = undefined
  }

  /** A running lookup may have missed items written since it started, so another one follows it. */
  #look(tenant: string, recent: TenantRecent, sinceMs: number): Promise<void> {
    if (recent.running === undefined) {
      recent.running = this.#loadNew(tenant, recent, sinceMs).finally(() => {
        recent.running = undefined
      })
      return recent.running
    }
    if (recent.next !== undefined) recent.next.sinceMs = Math.max(recent.next.sinceMs, sinceMs)
    else {
      const next = { sinceMs, look: Promise.resolve() }
      next.look = recent.running
        .catch(() => undefined)
        .then(() => {
          recent.next = undefined
          return this.#look(tenant, recent, next.sinceMs)
        })
      recent.next = next
    }
    return recent.next.look
  }

  async #loadNew(tenant: string, recent: TenantRecent, sinceMs: number): Promise<void> {
    const nowMs = this.#settings.clock.nowMs()
    const { covered } = recent
    const wantedMs = Math.max(sinceMs, this.#windowStartMs(nowMs))
    const isGap = covered === undefined || covered.toMs - OVERLAP_MS < wantedMs
    const fromMs = isGap ? wantedMs : covered.toMs - OVERLAP_MS
    await this.#loadArrivals(tenant, recent, { fromMs, beforeMs: Number.POSITIVE_INFINITY })
    if (isGap) recent.covered = { fromMs, toMs: nowMs }
    else covered.toMs = nowMs
    for (const [sortKey, arrivedMs] of recent.seen) if (arrivedMs < nowMs - OVERLAP_MS) recent.seen.delete(sortKey)
  }

  /** Loads older items, for a read that goes further back than previous ones. */
  #lookBack(tenant: string, recent: TenantRecent, sinceMs: number): Promise<void> {
    const look = recent.back.then(async () => {
      for (let covered = recent.covered; covered !== undefined; covered = recent.covered) {
        const fromMs = Math.max(sinceMs, this.#windowStartMs(this.#settings.clock.nowMs()))
        if (fromMs >= covered.fromMs) return
        await this.#loadArrivals(tenant, recent, { fromMs, beforeMs: covered.fromMs })
        covered.fromMs = fromMs
      }
    })
    recent.back = look.catch(() => undefined)
    return look
  }

  #windowStartMs(nowMs: number): number {
    return nowMs - this.#settings.windowMs - SKEW_MS
  }

  async #loadArrivals(tenant: string, recent: TenantRecent, arrivals: Arrivals): Promise<void> {
    const { clock, bytesMax } = this.#settings
    const appends: Promise<void>[] = []
    let bytes = 0
    try {
      for await (const item of this.#itemsOf(tenant, recent.raises, arrivals, clock.nowMs())) {
        if (recent.seen.has(item.sortKey)) continue
        bytes += item.bytes
        if (bytes > bytesMax) throw tooMuch(bytesMax)
        const append = this.#append(tenant, recent, item)
        // Awaited later, in order; avoids an unhandled rejection.
        append.catch(() => undefined)
        appends.push(append)
        if (appends.length >= APPENDS_MAX) await appends.shift()
      }
    } finally {
      await Promise.all(appends)
    }
  }

  /** Items in the order of arrival, bucket by bucket. */
  async *#itemsOf(
    tenant: string,
    raises: readonly ShardRaise[],
    { fromMs, beforeMs }: Arrivals,
    nowMs: number,
  ): AsyncGenerator<RecentItem, void, undefined> {
    const after = sortKeyAt(fromMs)
    const first = spanOf(fromMs)
    const last = spanOf(Math.min(nowMs + SKEW_MS, beforeMs - 1))
    const openBucket = (bucket: number): ShardHead[] =>
      Array.from({ length: shardsAt(raises, bucket) }, (_, shard) => {
        const items = this.#items.query({ tenant, bucketMs: bucket * SPAN_MS, shard, after }, nowMs)
        const head = items.next()
        head.catch(() => undefined)
        return { items, head }
      })
    let heads = first <= last ? openBucket(first) : []
    for (let bucket = first; bucket <= last; bucket++) {
      const following = bucket < last ? openBucket(bucket + 1) : []
      for await (const item of merge(heads)) {
        if (item.arrivedMs >= beforeMs) return
        yield item
      }
      heads = following
    }
  }

  async #append(tenant: string, recent: TenantRecent, item: RecentItem): Promise<void> {
    if (item.row !== undefined) {
      const { sortKey, arrivedMs, oldest, newest, row: content } = item
      this.#heldBytes += item.bytes
      recent.rows.set(sortKey, { sortKey, arrivedMs, oldest, newest, content })
      recent.seen.set(sortKey, arrivedMs)
      return
    }
    const block = this.#decode(recent, item)
    if (block !== undefined) {
      try {
        await this.#store.append(batchOfBlock(tenant, block))
      } catch (cause) {
        if (cause instanceof GatewayError && cause.code === 'overloaded') throw cause
        this.isBroken = true
        throw cacheFailure(cause)
      }
    }
    recent.seen.set(item.sortKey, item.arrivedMs)
  }

  #decode(recent: TenantRecent, item: RecentItem): Block | undefined {
    try {
      return item.decode()
    } catch (cause) {
      if (!(cause instanceof GatewayError) || cause.code !== 'store_damaged') throw cause
      if (!recent.damaged.has(item.sortKey)) this.#settings.events.sourceDamaged('recent item', cause.message)
      recent.damaged.set(item.sortKey, item.arrivedMs)
      return undefined
    }
  }

  #recentOf(tenant: string): TenantRecent {
    const recent = this.#tenants.get(tenant) ?? {
      covered: undefined,
      seen: new Map(),
      damaged: new Map(),
      running: undefined,
      next: undefined,
      back: Promise.resolve(),
      rows: new Map(),
      raises: [],
    }
    // The map is ordered by use.
    this.#tenants.delete(tenant)
    this.#tenants.set(tenant, recent)
    for (const [longestUnused, old] of this.#tenants) {
      const isFull = this.#tenants.size > TENANTS_MAX || this.#heldBytes > HELD_BYTES_MAX
      if (!isFull || old === recent) break
      for (const row of old.rows.values())
        if (row.content && 'block' in row.content) this.#heldBytes -= row.content.block.length
      this.#tenants.delete(longestUnused)
    }
    return recent
  }
}

function tooMuch(bytesMax: number): GatewayError {
  const text = `the recent items in the query's time range are larger than ${bytesMax} bytes, the limit per query`
  const advice = 'narrow its time range, or raise MILLRACE_ARCHIVE_QUERY_BYTES_MAX'
  return new GatewayError('query_refused', `${text}; ${advice}`)
}

/** The items of a shard, with the next one prefetched. */
interface ShardHead {
  readonly items: AsyncGenerator<RecentItem, void, undefined>
  readonly head: Promise<IteratorResult<RecentItem, void>>
}

/** Merges the items of all shards by sort key. */
async function* merge(shards: readonly ShardHead[]): AsyncGenerator<RecentItem, void, undefined> {
  const heads: { item: RecentItem; items: ShardHead['items'] }[] = []
  for (const { items, head } of shards) {
    const { value: item } = await head
    if (item) heads.push({ item, items })
  }
  while (heads.length > 0) {
    const least = heads.reduce((best, head) => (head.item.sortKey < best.item.sortKey ? head : best))
    yield least.item
    const { value: item } = await least.items.next()
    if (item) least.item = item
    else heads.splice(heads.indexOf(least), 1)
  }
}
