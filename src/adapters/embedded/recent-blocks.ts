/** The blocks in which a retried line is looked for, and a bounded number of them kept decoded. */

import type { Batch } from '../../domain/entries/batch.ts'
import { type Block, lowerBound } from '../../domain/entries/block.ts'
import { batchOfBlock } from '../../domain/entries/block-builder.ts'
import type { StoredEntries } from '../../domain/entries/entry-order.ts'

/** What is remembered of a block committed within the window. */
export interface RecentBlock {
  readonly id: number
  readonly oldest: bigint
  readonly newest: bigint
  readonly committedMs: number
  readonly streamIds: ReadonlySet<number>
}

/** Decoded blocks kept at most, of all tenants, in bytes of lines and columns. */
const DECODED_BYTES_MAX = 64 * 1024 * 1024
/** What an entry's columns take, beside its line and metadata. */
const COLUMN_BYTES = 32

interface DecodedBlock {
  readonly block: Block
  readonly batch: Batch
  readonly bytes: number
}

/** The decoded blocks used last, by id; one for all tenants. */
export class DecodedBlocks {
  readonly #blocks = new Map<number, DecodedBlock>()
  #bytes = 0

  get(id: number): DecodedBlock | undefined {
    const known = this.#blocks.get(id)
    if (known === undefined) return undefined
    // The map's order is the order of use: the first is the longest unused.
    this.#blocks.delete(id)
    this.#blocks.set(id, known)
    return known
  }

  add(id: number, block: Block): DecodedBlock {
    this.remove(id)
    const bytes = block.text.length + block.metadata.length + block.count * COLUMN_BYTES
    const decoded = { block, batch: batchOfBlock('', block), bytes }
    this.#blocks.set(id, decoded)
    this.#bytes += bytes
    for (const oldest of this.#blocks.keys()) {
      if (this.#bytes <= DECODED_BYTES_MAX || oldest === id) break
      this.remove(oldest)
    }
    return decoded
  }

  remove(id: number): void {
    this.#bytes -= this.#blocks.get(id)?.bytes ?? 0
    this.#blocks.delete(id)
  }
}

/** Recent blocks of one tenant; `load` decodes one from disk, or tells that it is gone or unreadable. */
export class RecentBlocks {
  readonly #load: (id: number) => Block | undefined
  readonly #decoded: DecodedBlocks
  readonly #blocks = new Map<number, RecentBlock>()

  constructor(decoded: DecodedBlocks, load: (id: number) => Block | undefined) {
    this.#decoded = decoded
    this.#load = load
  }

  /** Adds a block, decoded when the caller has it so. */
  add(recent: RecentBlock, block?: Block): void {
    this.#blocks.set(recent.id, recent)
    if (block !== undefined) this.#decoded.add(recent.id, block)
  }

  remove(id: number): void {
    this.#blocks.delete(id)
    this.#decoded.remove(id)
  }

  /** Forgets blocks committed before `ms`. */
  forgetBefore(ms: number): void {
    for (const [id, { committedMs }] of this.#blocks) if (committedMs < ms) this.remove(id)
  }

  /** The blocks that may hold entries in [oldest, newest]: asked once a commit, as there can be very many. */
  within(oldest: bigint, newest: bigint): RecentBlock[] {
    const near: RecentBlock[] = []
    for (const block of this.#blocks.values()) {
      if (block.newest >= oldest && block.oldest <= newest) near.push(block)
    }
    return near
  }

  /** The entries of the stream in [oldest, newest] that the blocks `near` hold. */
  *entriesOf(
    near: readonly RecentBlock[],
    { id: streamId, key }: { readonly id: number; readonly key: string },
    oldest: bigint,
    newest: bigint,
  ): Iterable<StoredEntries> {
    for (const recent of near) {
      // One that could not be read is forgotten at once, and not tried for every stream.
      if (!this.#blocks.has(recent.id)) continue
      if (recent.newest < oldest || recent.oldest > newest || !recent.streamIds.has(streamId)) continue
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
    const known = this.#decoded.get(id)
    if (known !== undefined) return known
    const block = this.#load(id)
    if (block !== undefined) return this.#decoded.add(id, block)
    this.remove(id)
    return undefined
  }
}
