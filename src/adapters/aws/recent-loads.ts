/** Recent items into the scratch store: all of them at first, then only what came since. */

import type { Block } from '../../domain/block.ts'
import { batchOfBlock } from '../../domain/block-builder.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { Clock, LogStore } from '../../ports.ts'
import type { ReaderEvents } from './object-loads.ts'
import { BUCKET_MS, type RecentItem, type RecentItems, SHARDS, sortKeyAt } from './recent-items.ts'
import { cacheFailure } from './scratch-cache.ts'

/**
 * How far behind the last look the next one begins: an item is stamped before it is written, by another container's
 * clock, and seen once it is written. Longer than a write may be tried again.
 */
const OVERLAP_MS = 60_000
/** How far ahead of ours the clock of another container may be. */
const SKEW_MS = 60_000
/** Blocks handed to the scratch store at once: they share a commit. */
const APPENDS_MAX = 16

/** What was loaded of one tenant. */
interface TenantRecent {
  /** When the last look that was finished began, ms since the epoch. */
  reachedMs: number | undefined
  /** Items within the overlap that were loaded, by sort key, with their arrival. */
  readonly seen: Map<string, number>
  /** Items that cannot be read, likewise. */
  readonly damaged: Map<string, number>
  running: Promise<void> | undefined
  /** A look that begins when the running one is over: for all who came meanwhile. */
  next: Promise<void> | undefined
}

export class RecentLoads {
  /** True once the scratch store has failed: it is not to be used by later reads. */
  isBroken = false
  readonly #items: Pick<RecentItems, 'query'>
  readonly #store: LogStore
  readonly #clock: Clock
  readonly #windowMs: number
  readonly #events: ReaderEvents
  readonly #tenants = new Map<string, TenantRecent>()

  /** `windowMs`: how long an item may be there after its arrival. */
  constructor(
    items: Pick<RecentItems, 'query'>,
    store: LogStore,
    { clock, windowMs, events }: { clock: Clock; windowMs: number; events: ReaderEvents },
  ) {
    this.#items = items
    this.#store = store
    this.#clock = clock
    this.#windowMs = windowMs
    this.#events = events
  }

  /**
   * Loads what the tenant's items hold that were written before the call. Resolves with store_damaged when one of them
   * cannot be read. Rejects with store_unavailable or overloaded.
   */
  async load(tenant: string): Promise<GatewayError | undefined> {
    const recent = this.#recentOf(tenant)
    await this.#look(tenant, recent)
    const oldestMs = this.#clock.nowMs() - this.#windowMs
    for (const [sortKey, arrivedMs] of recent.damaged) if (arrivedMs < oldestMs) recent.damaged.delete(sortKey)
    if (recent.damaged.size === 0) return undefined
    const text = `${recent.damaged.size} recent items cannot be read; the archive has their entries within minutes`
    return new GatewayError('store_damaged', text)
  }

  /** A look that was under way already may have missed what was written since: then one more follows. */
  #look(tenant: string, recent: TenantRecent): Promise<void> {
    if (recent.running === undefined) {
      recent.running = this.#loadNew(tenant, recent).finally(() => {
        recent.running = undefined
      })
      return recent.running
    }
    recent.next ??= recent.running
      .catch(() => undefined)
      .then(() => {
        recent.next = undefined
        return this.#look(tenant, recent)
      })
    return recent.next
  }

  async #loadNew(tenant: string, recent: TenantRecent): Promise<void> {
    const nowMs = this.#clock.nowMs()
    const windowStartMs = nowMs - this.#windowMs - OVERLAP_MS
    const fromMs =
      recent.reachedMs === undefined ? windowStartMs : Math.max(windowStartMs, recent.reachedMs - OVERLAP_MS)
    const appends: Promise<void>[] = []
    try {
      for await (const item of this.#itemsSince(tenant, fromMs, nowMs)) {
        if (recent.seen.has(item.sortKey)) continue
        const append = this.#append(tenant, recent, item)
        // It is looked at when its turn comes; until then its failure is nobody's.
        append.catch(() => undefined)
        appends.push(append)
        if (appends.length >= APPENDS_MAX) await appends.shift()
      }
    } finally {
      await Promise.all(appends)
    }
    recent.reachedMs = nowMs
    for (const [sortKey, arrivedMs] of recent.seen) if (arrivedMs < nowMs - OVERLAP_MS) recent.seen.delete(sortKey)
  }

  /** Items in the order of their arrival, bucket after bucket. */
  async *#itemsSince(tenant: string, fromMs: number, nowMs: number): AsyncGenerator<RecentItem, void, undefined> {
    const after = sortKeyAt(fromMs)
    const first = Math.floor(fromMs / BUCKET_MS)
    const last = Math.floor((nowMs + SKEW_MS) / BUCKET_MS)
    const openBucket = (bucket: number): ShardHead[] =>
      Array.from({ length: SHARDS }, (_, shard) => {
        const items = this.#items.query({ tenant, bucketMs: bucket * BUCKET_MS, shard, after }, nowMs)
        const head = items.next()
        head.catch(() => undefined)
        return { items, head }
      })
    let heads = openBucket(first)
    for (let bucket = first; bucket <= last; bucket++) {
      const following = bucket < last ? openBucket(bucket + 1) : []
      yield* merge(heads)
      heads = following
    }
  }

  async #append(tenant: string, recent: TenantRecent, item: RecentItem): Promise<void> {
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
      if (!recent.damaged.has(item.sortKey)) this.#events.sourceDamaged('recent item', cause.message)
      recent.damaged.set(item.sortKey, item.arrivedMs)
      return undefined
    }
  }

  #recentOf(tenant: string): TenantRecent {
    let recent = this.#tenants.get(tenant)
    if (recent === undefined) {
      recent = { reachedMs: undefined, seen: new Map(), damaged: new Map(), running: undefined, next: undefined }
      this.#tenants.set(tenant, recent)
    }
    return recent
  }
}

/** A shard's items, and the next of them on its way. */
interface ShardHead {
  readonly items: AsyncGenerator<RecentItem, void, undefined>
  readonly head: Promise<IteratorResult<RecentItem, void>>
}

/** The items of all shards by rising sort key, as each shard gives its own. */
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
