/** CommittedBlocks of the SQLite store: reported by its writer, and read through a read-only connection. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { Block } from '../../domain/entries/block.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { CommittedBlock, CommittedBlocks } from '../../ports/incidents.ts'
import { BLOCK_FORMAT, decodeBlock, decodeColumns } from '../../protocol/blocks/block-format.ts'
import { readFailure } from './database.ts'
import { parseStreamIds } from './streams/stored-stream.ts'
import type { StreamTable } from './streams/stream-table.ts'

/** Rows that are listed at once. */
const PAGE_ROWS = 512

/**
 * A block's position is its sequence, which is its id when it is committed. A join gives its block the sequence of one of
 * its parts: blocks that were not counted yet are not joined, so that what lies after a position is there as it came.
 */
export class SqliteCommittedBlocks implements CommittedBlocks {
  readonly #table: StreamTable
  readonly #onDamage: (blockId: number, cause: unknown) => void
  readonly #after: StatementSync
  readonly #load: StatementSync
  readonly #listeners: ((committed: CommittedBlock) => void)[] = []
  #last: number
  #joinsUpTo: number

  /** `db` only reads. `areKept`: no block is joined before keepAfter is called. */
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
    // A block after a position has a higher id as well: those before are not looked at.
    this.#after = db.prepare(`
      SELECT id, sequence FROM blocks WHERE id > :position AND sequence > :position AND retired IS NULL
      ORDER BY sequence, id LIMIT ${PAGE_ROWS}`)
    this.#load = db.prepare('SELECT tenant, format, streams, columns, metadata, text FROM blocks WHERE id = ?')
  }

  /** Blocks with a later sequence are not to be joined. */
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

  /** To be called for each block that was committed, once it is durable. */
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

  /** Whole positions: where a page is cut within one, that one is left to the next page. */
  #rowsAfter(position: number): readonly { readonly id: number; readonly sequence: number }[] {
    const rows = attempt(() => this.#after.all({ position })) as { id: number; sequence: number }[]
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS || rows[0]?.sequence === last.sequence) return rows
    return rows.filter(({ sequence }) => sequence < last.sequence)
  }

  /** Undefined for a block that is gone, or that cannot be read. */
  #read(id: number, wants: (levels: Uint8Array) => boolean): { tenant: string; block: Block } | undefined {
    const row = attempt(() => this.#load.get(id))
    if (row === undefined || row['format'] !== BLOCK_FORMAT) return undefined
    try {
      const tenant = this.#table.tenantName(row['tenant'] as number)
      const streams = [...parseStreamIds(row['streams'] as Uint8Array)].map((stream) =>
        this.#table.storedStream(stream),
      )
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
