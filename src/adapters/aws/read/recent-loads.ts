/** Recent items into the scratch store: those of the time asked for at first, then only what came since. */

import type { Block } from '../../../domain/entries/block.ts'
import { batchOfBlock } from '../../../domain/entries/block-builder.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { Clock, LogStore } from '../../../ports/log-store.ts'
import { SKEW_MS } from '../../../protocol/archive/archive-names.ts'
import { BUCKET_MS, type RecentItem, type RecentItems, SHARDS, sortKeyAt } from '../recent-items.ts'
import type { ReaderEvents } from './object-loads.ts'
import { cacheFailure } from './scratch-cache.ts'

/**
 * How far behind the last look the next one begins: an item is stamped before it is written, by another container's
 * clock, and seen once it is written. Writing it, with all tries, takes less than a minute.
 */
const OVERLAP_MS = SKEW_MS + 60_000
/** Blocks handed to the scratch store at once: they share a commit. */
const APPENDS_MAX = 16
/** Tenants whose looks are remembered; one that is forgotten is looked at as if for the first time. */
const TENANTS_MAX = 10_000

/** Arrivals from `fromMs` on and before `beforeMs`, ms since the epoch. */
interface Arrivals {
  readonly fromMs: number
  readonly beforeMs: number
}

/** What was loaded of one tenant. */
interface TenantRecent {
  /** Arrivals that are loaded, up to when the last look that was finished began. */
  covered: { fromMs: number; toMs: number } | undefined
  /** Items within the overlap that were loaded, by sort key, with their arrival. */
  readonly seen: Map<string, number>
  /** Items that cannot be read, likewise. */
  readonly damaged: Map<string, number>
  running: Promise<void> | undefined
  /** A look that begins when the running one is over: for all who came meanwhile, from the latest time they want. */
  next: { sinceMs: number; readonly look: Promise<void> } | undefined
  /** Looks at older items, one after the other. */
  back: Promise<void>
}

export interface RecentSettings {
  readonly clock: Clock
  /** How long an item may be there after its arrival. */
  readonly windowMs: number
  /** Bytes of items that one look may load. */
  readonly bytesMax: number
  readonly events: ReaderEvents
}

export class RecentLoads {
  /** True once the scratch store has failed: it is not to be used by later reads. */
  isBroken = false
  readonly #items: Pick<RecentItems, 'query'>
  readonly #store: LogStore
  readonly #settings: RecentSettings
  /** The longest unused first. */
  readonly #tenants = new Map<string, TenantRecent>()

  constructor(items: Pick<RecentItems, 'query'>, store: LogStore, settings: RecentSettings) {
    this.#items = items
    this.#store = store
    this.#settings = settings
  }

  /**
   * Loads what the tenant's items hold that arrived at `sinceMs` or later and were written before the call. Resolves
   * with store_damaged when one of them cannot be read. Rejects with query_refused when they are more than a look may
   * load, with store_unavailable or overloaded.
   */
  async load(tenant: string, sinceMs = 0): Promise<GatewayError | undefined> {
    const recent = this.#recentOf(tenant)
    await this.#look(tenant, recent, sinceMs)
    await this.#lookBack(tenant, recent, sinceMs)
    const oldestMs = this.#settings.clock.nowMs() - this.#settings.windowMs
    for (const [sortKey, arrivedMs] of recent.damaged) if (arrivedMs < oldestMs) recent.damaged.delete(sortKey)
    if (recent.damaged.size === 0) return undefined
    const text = `${recent.damaged.size} recent items cannot be read; the archive has their entries within minutes`
    return new GatewayError('store_damaged', text)
  }

  /** A look that was under way already may have missed what was written since: then one more follows. */
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

  /** What arrived before all that is loaded, for a read that goes further back than those before it. */
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
      for await (const item of this.#itemsOf(tenant, arrivals, clock.nowMs())) {
        if (recent.seen.has(item.sortKey)) continue
        bytes += item.bytes
        if (bytes > bytesMax) throw tooMuch(bytesMax)
        const append = this.#append(tenant, recent, item)
        // It is looked at when its turn comes; until then its failure is nobody's.
        append.catch(() => undefined)
        appends.push(append)
        if (appends.length >= APPENDS_MAX) await appends.shift()
      }
    } finally {
      await Promise.all(appends)
    }
  }

  /** Items in the order of their arrival, bucket after bucket. */
  async *#itemsOf(
    tenant: string,
    { fromMs, beforeMs }: Arrivals,
    nowMs: number,
  ): AsyncGenerator<RecentItem, void, undefined> {
    const after = sortKeyAt(fromMs)
    const first = Math.floor(fromMs / BUCKET_MS)
    const last = Math.floor(Math.min(nowMs + SKEW_MS, beforeMs - 1) / BUCKET_MS)
    const openBucket = (bucket: number): ShardHead[] =>
      Array.from({ length: SHARDS }, (_, shard) => {
        const items = this.#items.query({ tenant, bucketMs: bucket * BUCKET_MS, shard, after }, nowMs)
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
    }
    // The map's order is the order of use.
    this.#tenants.delete(tenant)
    this.#tenants.set(tenant, recent)
    const [longestUnused] = this.#tenants.keys()
    if (this.#tenants.size > TENANTS_MAX && longestUnused !== undefined) this.#tenants.delete(longestUnused)
    return recent
  }
}

function tooMuch(bytesMax: number): GatewayError {
  const text = `what came of late within the query's time range is more than ${bytesMax} bytes, the limit of one query`
  const advice = 'narrow its time range, or raise MILLRACE_ARCHIVE_QUERY_BYTES_MAX'
  return new GatewayError('query_refused', `${text}; ${advice}`)
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
