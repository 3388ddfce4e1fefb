/** CommittedBlocks of the SQLite store: notified by its writer, and read through a read-only connection. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { Block } from '../../domain/entries/block.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { CommittedBlock, CommittedBlocks } from '../../ports/incidents.ts'
import { BLOCK_FORMAT, decodeBlock, decodeColumns } from '../../protocol/blocks/block-format.ts'
import { readFailure } from './database.ts'
import { parseStreamIds } from './streams/stored-stream.ts'
import type { StreamTable } from './streams/stream-table.ts'

/** Rows listed at once. */
const PAGE_ROWS = 512

/**
 * A block's position is its sequence, which equals its id when it is committed. A joined block gets the sequence of one
 * of its parts: blocks that are not counted yet are not joined, so that all blocks after a position are as they were
 * committed.
 */
export class SqliteCommittedBlocks implements CommittedBlocks {
  readonly #table: StreamTable
  readonly #onDamage: (blockId: number, cause: unknown) => void
  readonly #after: StatementSync
  readonly #load: StatementSync
  readonly #listeners: ((committed: CommittedBlock) => void)[] = []
  #last: number
  #joinsUpTo: number

  /** `db` is only read. `areKept`: no block is joined before keepAfter is called. */
  constructor(
    db: DatabaseSync,
    table: StreamTable,
    areKept: boolean,
    onDamage: (blockId: number, cause: unknown) => void,
  ) {
    this.#table = table
    this.#onDamage = onDamage
    this.#joinsUpTo = areKept ? 0 : Number.POSITIVE_INFINITY
    this.#last = Number(db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'blocks'").get()?.['seq'] ?? 0)
    // A block after a position also has a higher id, so lower ids are skipped.
    this.#after = db.prepare(`
      SELECT id, sequence FROM blocks WHERE id > :position AND sequence > :position AND retired IS NULL
      ORDER BY sequence, id LIMIT ${PAGE_ROWS}`)
    this.#load = db.prepare('SELECT tenant, format, streams, columns, metadata, text FROM blocks WHERE id = ?')
  }

  /** Blocks with a later sequence must not be joined. */
  get joinsUpTo(): number {
    return this.#joinsUpTo
  }

  last(): number {
    return this.#last
  }

  listen(listener: (committed: CommittedBlock) => void): void {
    this.#listeners.push(listener)
  }

  keepAfter(position: number): void {
    this.#joinsUpTo = position
  }

  /** Must be called for each committed block, once it is durable. */
  committed(committed: CommittedBlock): void {
    this.#last = committed.position
    for (const listener of this.#listeners) listener(committed)
  }

  async *since(position: number, wants: (levels: Uint8Array) => boolean): AsyncGenerator<CommittedBlock> {
    let reached = position
    for (let rows = this.#rowsAfter(reached); rows.length > 0; rows = this.#rowsAfter(reached)) {
      for (const { id, sequence } of rows) {
        const loaded = this.#read(id, wants)
        if (loaded !== undefined) yield { ...loaded, position: sequence }
        reached = sequence
      }
      await setImmediate()
    }
  }

  /** Complete positions: a position that a page splits is left to the next page. */
  #rowsAfter(position: number): readonly { readonly id: number; readonly sequence: number }[] {
    const rows = attempt(() => this.#after.all({ position })) as { id: number; sequence: number }[]
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS || rows[0]?.sequence === last.sequence) return rows
    return rows.filter(({ sequence }) => sequence < last.sequence)
  }

  /** Undefined for a block that no longer exists or is unreadable. */
  #read(id: number, wants: (levels: Uint8Array) => boolean): { tenant: string; block: Block } | undefined {
    const row = attempt(() => this.#load.get(id))
    if (row === undefined || row['format'] !== BLOCK_FORMAT) return undefined
    try {
      const tenantId = row['tenant'] as number
      const tenant = this.#table.tenantName(tenantId)
      const streams = this.#table.streamsOf(tenantId, parseStreamIds(row['streams'] as Uint8Array))
      const encoded = row as unknown as { columns: Uint8Array; metadata: Uint8Array; text: Uint8Array }
      const columns = decodeColumns(encoded.columns, streams)
      return { tenant, block: wants(columns.levels) ? decodeBlock(encoded, streams) : columns }
    } catch (cause) {
      if (!(cause instanceof GatewayError) || cause.code !== 'store_damaged') throw cause
      this.#onDamage(id, cause)
      return undefined
    }
  }
}

function attempt<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw readFailure(cause)
  }
}
