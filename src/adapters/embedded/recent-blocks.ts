/** The recent blocks in which duplicates are looked up, with a bounded cache of decoded blocks. */

import type { Batch } from '../../domain/entries/batch.ts'
import { type Block, lowerBound } from '../../domain/entries/block.ts'
import { batchOfBlock } from '../../domain/entries/block-builder.ts'
import type { StoredEntries } from '../../domain/entries/entry-order.ts'

/** Facts about a block committed within the duplicate window. */
export interface RecentBlock {
  readonly id: number
  readonly oldest: bigint
  readonly newest: bigint
  readonly committedMs: number
  /** In ascending order. */
  readonly streamIds: Uint32Array
}

/** Size of the columns of an entry, without its line and metadata. */
const COLUMN_BYTES = 32
/** Size of a run, without its labels, and of a character of these, which are there as key and as values. */
const RUN_BYTES = 400
const LABEL_CHARACTER_BYTES = 3

interface DecodedBlock {
  readonly block: Block
  readonly batch: Batch
  readonly bytes: number
}

/** LRU cache of decoded blocks by id, shared by all tenants. */
export class DecodedBlocks {
  readonly #bytesMax: number
  readonly #blocks = new Map<number, DecodedBlock>()
  #bytes = 0

  /** `bytesMax`: of lines, columns and labels. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(id: number): DecodedBlock | undefined {
    const block = this.#blocks.get(id)
    if (block === undefined) return undefined
    // The map is ordered by use: the first is the least recently used.
    this.#blocks.delete(id)
    this.#blocks.set(id, block)
    return block
  }

  add(id: number, block: Block): DecodedBlock {
    this.remove(id)
    const bytes = block.text.length + block.metadata.length + block.count * COLUMN_BYTES + labelBytes(block)
    const decoded = { block, batch: batchOfBlock('', block), bytes }
    this.#blocks.set(id, decoded)
    this.#bytes += bytes
    for (const oldest of this.#blocks.keys()) {
      if (this.#bytes <= this.#bytesMax || oldest === id) break
      this.remove(oldest)
    }
    return decoded
  }

  remove(id: number): void {
    this.#bytes -= this.#blocks.get(id)?.bytes ?? 0
    this.#blocks.delete(id)
  }
}

function labelBytes({ runs }: Block): number {
  let chars = 0
  for (const { key } of runs) chars += key.length
  return runs.length * RUN_BYTES + chars * LABEL_CHARACTER_BYTES
}

/** The recent blocks of one tenant; `load` decodes one from disk, or returns undefined if it is gone or unreadable. */
export class RecentBlocks {
  readonly #load: (id: number) => Block | undefined
  readonly #decoded: DecodedBlocks
  readonly #blocks = new Map<number, RecentBlock>()

  constructor(decoded: DecodedBlocks, load: (id: number) => Block | undefined) {
    this.#decoded = decoded
    this.#load = load
  }

  /** Adds a block, decoded if the caller has it decoded. */
  add(recent: RecentBlock, block?: Block): void {
    this.#blocks.set(recent.id, recent)
    if (block !== undefined) this.#decoded.add(recent.id, block)
  }

  remove(id: number): void {
    this.#blocks.delete(id)
    this.#decoded.remove(id)
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
  *entriesOf(
    near: readonly RecentBlock[],
    { id: streamId, key }: { readonly id: number; readonly key: string },
    oldest: bigint,
    newest: bigint,
  ): Iterable<StoredEntries> {
    for (const recent of near) {
      // An unreadable block was removed, so that it is not tried for every stream.
      if (!this.#blocks.has(recent.id)) continue
      if (recent.newest < oldest || recent.oldest > newest || !includesId(recent.streamIds, streamId)) continue
      const decoded = this.#decodedBlock(recent.id)
      const run = decoded?.block.runs.find((candidate) => candidate.key === key)
      if (decoded === undefined || run === undefined) continue
      const { timestamps } = decoded.block
      const start = lowerBound(timestamps, run.start, run.end, oldest)
      const end = lowerBound(timestamps, start, run.end, newest + 1n)
      if (start < end) yield { batch: decoded.batch, start, end }
    }
  }

  #decodedBlock(id: number): DecodedBlock | undefined {
    const cached = this.#decoded.get(id)
    if (cached !== undefined) return cached
    const block = this.#load(id)
    if (block !== undefined) return this.#decoded.add(id, block)
    this.remove(id)
    return undefined
  }
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
