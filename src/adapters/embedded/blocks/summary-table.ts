/** The table of run summaries: beside the blocks, so that reading them does not pass over the blocks' lines. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { Block } from '../../../domain/entries/block.ts'
import { type SummarisedRun, summariseRuns } from '../../../domain/entries/run-summary.ts'
import { GatewayError } from '../../../domain/errors.ts'
import { decodeWithoutText, type EncodedBlock } from '../../../protocol/blocks/block-format.ts'
import { decodeSummaries, encodeSummaries } from '../../../protocol/blocks/summary-format.ts'
import { parseStreamIds } from '../streams/stored-stream.ts'
import type { StreamTable } from '../streams/stream-table.ts'

/**
 * The summaries of a block go with it. `unsummarised` has the blocks of a file from before this table, until maintenance
 * has read them.
 */
export const SUMMARIES_SCHEMA = `
  CREATE TABLE run_summaries (block INTEGER PRIMARY KEY, runs BLOB NOT NULL) STRICT;
  CREATE TABLE unsummarised (block INTEGER PRIMARY KEY) STRICT;
  CREATE TRIGGER run_summaries_deleted AFTER DELETE ON blocks
    BEGIN DELETE FROM run_summaries WHERE block = old.id; END;
`

/** Adds the table to a file of an earlier schema within a transaction. */
export function upgradeSummaries(db: DatabaseSync): void {
  db.exec(SUMMARIES_SCHEMA)
  resetSummaries(db)
}

/** Removes all summaries; SummaryFiller makes them again from the blocks. Within a transaction. */
export function resetSummaries(db: DatabaseSync): void {
  db.exec(`
    DELETE FROM run_summaries;
    DELETE FROM unsummarised;
    INSERT INTO unsummarised SELECT id FROM blocks WHERE retired IS NULL;
  `)
}

/** The tables that resetSummaries fills from the others. */
export const SUMMARY_TABLES: readonly string[] = ['run_summaries', 'unsummarised']

/** Writes the summaries of blocks. */
export class SummaryWriter {
  readonly #insert: StatementSync

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare('INSERT INTO run_summaries (block, runs) VALUES (?, ?)')
  }

  /** Within the caller's transaction. `streamIds` is the column of the block's row. */
  write(id: number, block: Block, streamIds: Uint8Array): void {
    this.#insert.run(id, encodeSummaries(summariseRuns(block), streamIds))
  }
}

/** Reads the summaries of blocks. */
export class SummaryReader {
  readonly #select: StatementSync

  constructor(db: DatabaseSync) {
    this.#select = db.prepare('SELECT runs FROM run_summaries WHERE block = ?')
  }

  /**
   * The summaries of all runs in order; undefined if the block has none. `streamIds` are those of the block's row. Throws
   * store_damaged.
   */
  read(id: number, streamIds: Uint32Array): readonly SummarisedRun[] | undefined {
    const row = this.#select.get(id)
    if (row === undefined) return undefined
    const bytes = new Uint8Array(streamIds.buffer, streamIds.byteOffset, streamIds.byteLength)
    return decodeSummaries(row['runs'] as Uint8Array, bytes)
  }
}

/** Blocks summarised in one transaction. */
const BLOCKS_PER_STEP = 16

/** Summarises the blocks of a file from before the table, a few at a time. */
export class SummaryFiller {
  readonly #table: StreamTable
  readonly #writer: SummaryWriter
  readonly #due: StatementSync
  readonly #block: StatementSync
  readonly #done: StatementSync
  readonly #onDamage: (blockId: number, cause: unknown) => void

  constructor(db: DatabaseSync, table: StreamTable, onDamage: (blockId: number, cause: unknown) => void) {
    this.#table = table
    this.#onDamage = onDamage
    this.#writer = new SummaryWriter(db)
    this.#due = db.prepare(`SELECT block FROM unsummarised ORDER BY block DESC LIMIT ${BLOCKS_PER_STEP}`)
    this.#block = db.prepare('SELECT streams, columns, metadata FROM blocks WHERE id = ? AND retired IS NULL')
    this.#done = db.prepare('DELETE FROM unsummarised WHERE block = ?')
  }

  /** Until none is left, newest first, in `transaction`s; `isStopped` ends it between two of them. */
  async run(transaction: (work: () => void) => void, isStopped: () => boolean): Promise<void> {
    while (!isStopped()) {
      const ids = this.#due.all().map((row) => row['block'] as number)
      if (ids.length === 0) return
      transaction(() => {
        for (const id of ids) {
          this.#summarise(id)
          this.#done.run(id)
        }
      })
      await setImmediate()
    }
  }

  #summarise(id: number): void {
    const row = this.#block.get(id)
    if (row === undefined) return
    const streamIds = row['streams'] as Uint8Array
    try {
      const streams = Array.from(parseStreamIds(streamIds), (stream) => this.#table.storedStream(stream))
      this.#writer.write(id, decodeWithoutText(row as unknown as EncodedBlock, streams), streamIds)
    } catch (cause) {
      // Reads find the damage again, and report what it costs them.
      if (!(cause instanceof GatewayError) || cause.code !== 'store_damaged') throw cause
      this.#onDamage(id, cause)
    }
  }
}
