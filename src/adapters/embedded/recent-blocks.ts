/** The recent blocks in which duplicates are looked up: a short summary of each, and the few that have matches decoded. */

import type { Batch } from '../../domain/entries/batch.ts'
import { type Block, lowerBound } from '../../domain/entries/block.ts'
import { batchOfBlock } from '../../domain/entries/block-builder.ts'
import { type StoredEntries, type StoredSamples, sampleEntry } from '../../domain/entries/entry-order.ts'
import type { NsColumn } from '../../domain/time.ts'

/** Facts about a block committed within the duplicate window. */
export interface RecentBlock {
  readonly id: number
  readonly oldest: bigint
  readonly newest: bigint
  readonly committedMs: number
  /** In ascending order. */
  readonly streamIds: Uint32Array
}

/** What is compared first of the entries of a block. */
interface Summary {
  readonly runs: ReadonlyMap<string, Span>
  readonly timestamps: NsColumn
  /** By sampleEntry. */
  readonly samples: Uint32Array
}

interface Span {
  readonly start: number
  readonly end: number
}

interface DecodedBlock {
  readonly block: Block
  readonly batch: Batch
}

/** A time and a sample. */
const SUMMARY_ENTRY_BYTES = 12
/** Size of the columns of a decoded entry, without its line and metadata. */
const COLUMN_BYTES = 32
/** Size of a run, without its labels, and of a character of these, which are there as key and as values. */
const RUN_BYTES = 400
const LABEL_CHARACTER_BYTES = 3

/** An LRU cache by block id whose values take at most `bytesMax` bytes, but always keeps the last one. */
class BoundedCache<Value> {
  readonly #bytesMax: number
  /** Ordered by use: the first is the least recently used. */
  readonly #values = new Map<number, { readonly value: Value; readonly bytes: number }>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(id: number): Value | undefined {
    const found = this.#values.get(id)
    if (found === undefined) return undefined
    this.#values.delete(id)
    this.#values.set(id, found)
    return found.value
  }

  add(id: number, value: Value, bytes: number): Value {
    this.remove(id)
    this.#values.set(id, { value, bytes })
    this.#bytes += bytes
    for (const oldest of this.#values.keys()) {
      if (this.#bytes <= this.#bytesMax || oldest === id) break
      this.remove(oldest)
    }
    return value
  }

  remove(id: number): void {
    this.#bytes -= this.#values.get(id)?.bytes ?? 0
    this.#values.delete(id)
  }
}

/** Summaries and decoded blocks of all tenants, half of `bytesMax` for each. */
export class RecentContents {
  readonly summaries: BoundedCache<Summary>
  readonly decoded: BoundedCache<DecodedBlock>

  constructor(bytesMax: number) {
    this.summaries = new BoundedCache(bytesMax / 2)
    this.decoded = new BoundedCache(bytesMax / 2)
  }
}

/** The recent blocks of one tenant; `load` decodes one from disk, or returns undefined if it is gone or unreadable. */
export class RecentBlocks {
  readonly #load: (id: number) => Block | undefined
  readonly #contents: RecentContents
  readonly #blocks = new Map<number, RecentBlock>()

  constructor(contents: RecentContents, load: (id: number) => Block | undefined) {
    this.#contents = contents
    this.#load = load
  }

  /** Adds a block, with its contents if the caller has them. */
  add(recent: RecentBlock, block?: Block): void {
    this.#blocks.set(recent.id, recent)
    if (block !== undefined) this.#summarize(recent.id, block)
  }

  remove(id: number): void {
    this.#blocks.delete(id)
    this.#contents.summaries.remove(id)
    this.#contents.decoded.remove(id)
  }

  /** Removes blocks committed before `ms`. */
  forgetBefore(ms: number): void {
    for (const [id, { committedMs }] of this.#blocks) if (committedMs < ms) this.remove(id)
  }

  /** The blocks that may have entries in [oldest, newest]; called once per commit, as there can be very many. */
  within(oldest: bigint, newest: bigint): RecentBlock[] {
    const near: RecentBlock[] = []
    for (const block of this.#blocks.values()) {
      if (block.newest >= oldest && block.oldest <= newest) near.push(block)
    }
    return near
  }

  /** The entries of the stream in [oldest, newest] in the blocks `near`. */
  *samplesOf(
    near: readonly RecentBlock[],
    { id: streamId, key }: { readonly id: number; readonly key: string },
    oldest: bigint,
    newest: bigint,
  ): Iterable<StoredSamples> {
    for (const recent of near) {
      // An unreadable block was removed, so that it is not tried for every stream.
      if (!this.#blocks.has(recent.id)) continue
      if (recent.newest < oldest || recent.oldest > newest || !includesId(recent.streamIds, streamId)) continue
      const summary = this.#summary(recent.id)
      const run = summary?.runs.get(key)
      if (summary === undefined || run === undefined) continue
      const { timestamps, samples } = summary
      const start = lowerBound(timestamps, run.start, run.end, oldest)
      const end = lowerBound(timestamps, start, run.end, newest + 1n)
      if (start < end) yield { timestamps, samples, start, end, load: () => this.#entries(recent.id, start, end) }
    }
  }

  #summary(id: number): Summary | undefined {
    const cached = this.#contents.summaries.get(id)
    if (cached !== undefined) return cached
    const decoded = this.#decodedBlock(id)
    return decoded === undefined ? undefined : this.#summarize(id, decoded.block)
  }

  #summarize(id: number, block: Block): Summary {
    const runs = new Map(block.runs.map(({ key, start, end }) => [key, { start, end }]))
    const batch = batchOfBlock('', block)
    const samples = new Uint32Array(block.count)
    for (let i = 0; i < block.count; i++) samples[i] = sampleEntry(batch, i)
    const summary = { runs, timestamps: block.timestamps, samples }
    return this.#contents.summaries.add(id, summary, block.count * SUMMARY_ENTRY_BYTES + labelBytes(block))
  }

  #entries(id: number, start: number, end: number): StoredEntries | undefined {
    const decoded = this.#decodedBlock(id)
    return decoded === undefined ? undefined : { batch: decoded.batch, start, end }
  }

  #decodedBlock(id: number): DecodedBlock | undefined {
    const cached = this.#contents.decoded.get(id)
    if (cached !== undefined) return cached
    const block = this.#load(id)
    if (block === undefined) {
      this.remove(id)
      return undefined
    }
    const bytes = block.text.length + block.metadata.length + block.count * COLUMN_BYTES + labelBytes(block)
    return this.#contents.decoded.add(id, { block, batch: batchOfBlock('', block) }, bytes)
  }
}

function labelBytes({ runs }: Block): number {
  let chars = 0
  for (const { key } of runs) chars += key.length
  return runs.length * RUN_BYTES + chars * LABEL_CHARACTER_BYTES
}

/** Whether the ids, in ascending order, include `id`. */
function includesId(ids: Uint32Array, id: number): boolean {
  let low = 0
  let high = ids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ids[middle] as number) < id) low = middle + 1
    else high = middle
  }
  return ids[low] === id
}
