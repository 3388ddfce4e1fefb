/**
 * Reads of the aws home. Rows, files, recent items and archive objects are sources, each with the time range that its entries may have.
 * A read loads sources, in the order in which it needs them, into a scratch store, which removes duplicates. It returns a
 * slice of time from there as soon as no source that is still to be loaded can have entries in that slice.
 *
 * Entries with equal times have the order in which their sources were loaded. A forward read loads in the order of
 * arrival; a backward read, or one that loads older sources after another read, keeps that order within each group that it
 * loads together.
 */

import type { RunSummary } from '../../../domain/entries/run-summary.ts'
import { GatewayError } from '../../../domain/errors.ts'
import type { Labels } from '../../../domain/labels.ts'
import { msToNs, NS_PER_MS } from '../../../domain/time.ts'
import type { Clock, ReadBlock, ReadRequest, StreamRange } from '../../../ports/log-store.ts'
import { AHEAD_MS_MAX, type FirehoseTiming, type NameRange, SKEW_MS } from '../../../protocol/archive/archive-names.ts'
import { bucketOf } from '../../../protocol/archive/archive-place.ts'
import { type ArrivedRows, ROW_KEPT_MS } from '../archive/arrived-rows.ts'
import type { DynamoManifest } from '../archive/dynamo-manifest.ts'
import type { ArchiveBucket } from '../archive-bucket.ts'
import type { RecentItems } from '../recent-items.ts'
import type { StreamIndex } from '../stream-index.ts'
import { ArchiveSources } from './archive-sources.ts'
import { FileReads } from './file-reads.ts'
import { listBoth, ManifestSources } from './manifest-sources.ts'
import { ObjectLoads, type ReaderEvents } from './object-loads.ts'
import { RecentLoads } from './recent-loads.ts'
import { cacheFailure, type Generation, type OpenScratch, ScratchCache, type ScratchSettings } from './scratch-cache.ts'
import { unlessAborted } from './shared-loads.ts'
import { type SourceList, SourceQueue } from './source-queue.ts'

export interface ReaderSettings {
  /** Key prefix of the archive, such as `logs/`. */
  readonly prefix: string
  /** Whether the firehose path is in use, whose objects are listed and whose recent items are read; otherwise only where some exist. */
  readonly listsObjects: boolean
  readonly timing: FirehoseTiming
  /** How long a recent item may exist after its arrival. */
  readonly recentWindowMs: number
  /** Maximum compressed bytes of the archive, and of recent items, that a read may load. */
  readonly queryBytesMax: number
  readonly cache: ScratchSettings
}

export interface ReaderParts {
  readonly bucket: Pick<ArchiveBucket, 'list' | 'get' | 'getRange'>
  readonly manifest: Pick<DynamoManifest, 'buckets' | 'state' | 'days'>
  readonly rows: Pick<ArrivedRows, 'query'>
  readonly recent: Pick<RecentItems, 'query'>
  readonly index: Pick<StreamIndex, 'streams'>
  readonly openScratch: OpenScratch
  readonly clock: Clock
  readonly events: ReaderEvents
}

/** How long it is remembered that the firehose path has no objects, ms. */
const LOOK_MS = 300_000

/** The loaded sources of a scratch store. */
interface Loads {
  readonly objects: ObjectLoads
  readonly recent: RecentLoads
  /** Rows of the direct path. */
  readonly rows: RecentLoads
}

export class ArchiveReader {
  readonly #parts: ReaderParts
  readonly #settings: ReaderSettings
  readonly #sources: ArchiveSources
  readonly #manifest: ManifestSources
  /** When objects of the firehose path were last looked for and not found. */
  #noneListedMs = Number.NEGATIVE_INFINITY
  #listsObjects: boolean
  readonly #cache: ScratchCache<Loads>
  #isClosed = false

  constructor(parts: ReaderParts, settings: ReaderSettings) {
    const { bucket, manifest, rows, recent, openScratch, clock, events } = parts
    this.#parts = parts
    this.#settings = settings
    this.#listsObjects = settings.listsObjects
    this.#sources = new ArchiveSources(bucket, settings.prefix, settings.timing)
    this.#manifest = new ManifestSources({ manifest, bucket, files: new FileReads(bucket) })
    const loads = { clock, bytesMax: settings.queryBytesMax, events }
    const rowItems: Pick<RecentItems, 'query'> = {
      query: async function* (query, _nowMs, signal) {
        const buckets = await manifest.buckets()
        if (buckets !== undefined) yield* rows.query(bucketOf(query.tenant, buckets), query, signal)
      },
    }
    this.#cache = new ScratchCache(settings.cache, openScratch, (store) => ({
      objects: new ObjectLoads(bucket, store, events),
      recent: new RecentLoads(recent, store, { ...loads, windowMs: settings.recentWindowMs }),
      rows: new RecentLoads(rowItems, store, { ...loads, windowMs: ROW_KEPT_MS }),
    }))
  }

  /**
   * See LogStore.read. Also rejects with query_refused if it would load more than the settings allow, and with overloaded
   * if a service throttles.
   */
  async *read(request: ReadRequest, signal?: AbortSignal): AsyncGenerator<ReadBlock, void, undefined> {
    signal?.throwIfAborted()
    const lease = await this.#cache.lease()
    const { memory } = lease.generation
    try {
      if (request.start < request.end) yield* this.#readFrom(lease.generation, request, signal)
    } catch (cause) {
      signal?.throwIfAborted()
      throw cause
    } finally {
      lease.release(memory.objects.isBroken || memory.recent.isBroken || memory.rows.isBroken)
    }
  }

  /** See LogStore.streams: reads the index and loads nothing. */
  async streams(range: StreamRange, signal?: AbortSignal): Promise<readonly Labels[]> {
    if (this.#isClosed) throw new GatewayError('store_unavailable', 'the gateway is shutting down; retry')
    return this.#parts.index.streams(range, signal)
  }

  /** Size of the cache on disk. */
  get cacheBytes(): number {
    return this.#cache.bytes
  }

  /** Ends running reads, and deletes the cache. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#cache.close()
  }

  async *#readFrom(
    generation: Generation<Loads>,
    request: ReadRequest,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<ReadBlock, void, undefined> {
    const { objects, recent, rows } = generation.memory
    // Earlier arrivals have no entries in the range: those would have been too far in the future.
    const sinceMs = Number(request.start / NS_PER_MS) - AHEAD_MS_MAX - 1
    const plan = await this.#manifest.plan(request.tenant, request.start, request.end)
    let damage = plan && (await unlessAborted(rows.load(request.tenant, plan.sinceMs, plan.raises), signal))
    const isListed = this.#listsObjects || (await this.#findObjects(signal))
    const list: SourceList['list'] = (range, signal) => {
      const lists = [
        ...(plan === undefined ? [] : [this.#manifest.list(plan, rows, request, range, signal)]),
        ...(isListed ? [this.#sources.list(range, signal)] : []),
      ]
      return listBoth(lists, range.direction)
    }
    const queue = new SourceQueue({ list }, request, {
      isLoaded: (source) => objects.hasWhole(source),
      recent: isListed ? this.#recentRange() : undefined,
      bytesMax: this.#settings.queryBytesMax,
      signal,
    })
    await queue.checkWhole()
    for await (const step of queue.steps()) {
      if (step.kind === 'load') {
        damage = (await objects.load(step.sources, signal)) ?? damage
        if (step.recent) damage = (await unlessAborted(recent.load(request.tenant, sinceMs), signal)) ?? damage
      } else yield* readSlice(generation, { ...request, start: step.start, end: step.end }, signal)
    }
    signal?.throwIfAborted()
    if (damage !== undefined) throw damage
  }

  /**
   * Whether the bucket has folders of years, as the firehose path makes them: looked for once in a while, since a gateway that has always
   * used the direct path has none.
   */
  async #findObjects(signal: AbortSignal | undefined): Promise<boolean> {
    const { clock, bucket } = this.#parts
    if (clock.monotonicMs() - this.#noneListedMs < LOOK_MS) return false
    for await (const { folders } of bucket.list({ prefix: this.#settings.prefix, delimiter: '/' }, signal)) {
      if (folders.some((folder) => /\/\d{4}\/$/.test(folder))) this.#listsObjects = true
    }
    this.#noneListedMs = clock.monotonicMs()
    return this.#listsObjects
  }

  /**
   * The times that entries of recent items may have. Items expire long after their entries were written to the archive, so
   * a read that misses an expired item finds its entries there.
   */
  #recentRange(): NameRange {
    const { recentWindowMs, timing } = this.#settings
    const nowMs = this.#parts.clock.nowMs()
    return {
      oldest: msToNs(nowMs - recentWindowMs - timing.lateAfterMs - SKEW_MS),
      newest: msToNs(nowMs + AHEAD_MS_MAX + SKEW_MS),
    }
  }
}

/** The entries of the slice in the scratch store. Its failures are reported as failures of the cache. */
async function* readSlice(
  { store, memory }: Generation<Loads>,
  request: ReadRequest,
  signal: AbortSignal | undefined,
): AsyncGenerator<ReadBlock, void, undefined> {
  const { takes } = request
  // An error of the reader is no failure of the cache.
  let refusal: { readonly cause: unknown } | undefined
  const asked = (run: RunSummary): boolean => {
    try {
      return takes?.(run) === true
    } catch (cause) {
      refusal = { cause }
      throw cause
    }
  }
  const blocks = store.read({ ...request, takes: takes && asked }, signal)[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { value, done } = await nextBlock(blocks, memory, { signal, refusal: () => refusal })
      if (done === true) return
      yield value
    }
  } finally {
    await blocks.return?.()
  }
}

async function nextBlock(
  blocks: AsyncIterator<ReadBlock>,
  memory: Loads,
  ends: { readonly signal: AbortSignal | undefined; readonly refusal: () => { readonly cause: unknown } | undefined },
): Promise<IteratorResult<ReadBlock>> {
  try {
    return await blocks.next()
  } catch (cause) {
    ends.signal?.throwIfAborted()
    const refusal = ends.refusal()
    if (refusal !== undefined) throw refusal.cause
    memory.objects.isBroken = true
    throw cacheFailure(cause)
  }
}
