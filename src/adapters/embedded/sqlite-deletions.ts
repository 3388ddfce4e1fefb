/** DeletionStore on SQLite: requests in their own table, blocks rewritten without the deleted entries. */

import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { Block } from '../../domain/entries/block.ts'
import { batchOfBlock, buildBlocks } from '../../domain/entries/block-builder.ts'
import { orderEntries } from '../../domain/entries/entry-order.ts'
import { GatewayError } from '../../domain/errors.ts'
import { matchesAll } from '../../domain/selector.ts'
import type { Clock, Deletion, DeletionStore, KeepRuns, StreamRange } from '../../ports/log-store.ts'
import type { BlockEvents, BlockRow, BlockWriter } from './block-writer.ts'
import { parseStreamIds } from './streams/stored-stream.ts'
import { WantedStreams } from './streams/wanted-streams.ts'

/** Times are ns since the epoch; the id is the client's handle. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS deletions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    query TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    processed INTEGER NOT NULL,
    UNIQUE (tenant, id)
  ) STRICT
`

const pause = (): Promise<void> => setImmediate()

/** Block rows per statement. */
const PAGE_ROWS = 64

export interface DeletionParts {
  readonly db: DatabaseSync
  readonly writer: BlockWriter
  readonly clock: Clock
  readonly events: BlockEvents
  /** Called with the cause of a failed change; the caller of the change gets an error. */
  readonly onFailure: (cause: unknown) => void
  /** Line bytes at which a block is full. */
  readonly blockBytes: number
}

export class SqliteDeletions implements DeletionStore {
  readonly #parts: DeletionParts
  #deletions: readonly Deletion[]

  constructor(parts: DeletionParts) {
    this.#parts = parts
    parts.db.exec(SCHEMA)
    this.#deletions = readDeletions(parts.db)
  }

  list(): readonly Deletion[] {
    return this.#deletions
  }

  async add(deletion: Deletion): Promise<void> {
    const { tenant, id, query, start, end, createdMs, isProcessed } = deletion
    const insert = `
      INSERT INTO deletions (tenant, id, query, start_ns, end_ns, created_ms, processed) VALUES (?, ?, ?, ?, ?, ?, ?)`
    this.#change(() => {
      this.#parts.db.prepare(insert).run(tenant, id, query, start, end, createdMs, isProcessed ? 1 : 0)
    })
    this.#deletions = [...this.#deletions, deletion]
  }

  async remove(tenant: string, id: string): Promise<boolean> {
    const rest = this.#deletions.filter((each) => each.tenant !== tenant || each.id !== id)
    if (rest.length === this.#deletions.length) return false
    this.#change(() => this.#parts.db.prepare('DELETE FROM deletions WHERE tenant = ? AND id = ?').run(tenant, id))
    this.#deletions = rest
    return true
  }

  async setProcessed(tenant: string, id: string): Promise<boolean> {
    const deletion = this.#deletions.find((each) => each.tenant === tenant && each.id === id)
    if (deletion === undefined) return false
    const update = 'UPDATE deletions SET processed = 1 WHERE tenant = ? AND id = ?'
    this.#change(() => this.#parts.db.prepare(update).run(tenant, id))
    this.#deletions = this.#deletions.map((each) => (each === deletion ? { ...deletion, isProcessed: true } : each))
    return true
  }

  /**
   * Visits the blocks by ascending id: a block that is joined or rewritten meanwhile gets a higher id and is visited again.
   */
  async erase(range: StreamRange, keep: KeepRuns, isStopped: () => boolean = () => false): Promise<number> {
    const { table } = this.#parts.writer
    const tenant = table.tenantId(range.tenant)
    if (tenant === undefined) return 0
    let erased = 0
    let damaged = 0
    const wanted = await WantedStreams.open(table, tenant, range.matchers, pause)
    for (let after = 0; ; ) {
      const rows = this.#blocksAfter(tenant, range, after)
      if (rows.length === 0) break
      await pause()
      for (const { row, streamIds } of rows) {
        if (isStopped()) return erased
        after = row.id
        const isWanted = streamIds.some((id) => wanted.has(id))
        await wanted.rest(pause)
        if (!isWanted || !this.#isThere(row.id)) continue
        const block = this.#parts.writer.loadBlock(tenant, row.id)
        if (block === undefined) damaged++
        else erased += this.#rewrite(row, block, range, keep)
        await pause()
      }
    }
    if (damaged === 0) return erased
    const text = `${damaged} blocks cannot be read, so nothing was deleted from them; run 'millrace repair', or restore a backup`
    throw new GatewayError('store_damaged', text)
  }

  /** Replaces the block by its remaining entries; returns the number of deleted entries. */
  #rewrite(row: BlockRow, block: Block, range: StreamRange, keep: KeepRuns): number {
    const { db, writer, clock, events, blockBytes } = this.#parts
    const isKept = new Uint8Array(block.count)
    for (const run of block.runs) {
      const runs = matchesAll(range.matchers, run.labels) ? keep(block, run) : [run]
      for (const { start, end } of runs) isKept.fill(1, start, end)
    }
    if (!isKept.includes(0)) return 0
    const order = orderEntries([batchOfBlock('', block)], (_, entry) => isKept[entry] === 0)
    const replaced: { row: BlockRow; streamIds: number[] }[] = []
    this.#change(() =>
      writer.transaction(() => {
        for (const part of buildBlocks(order, blockBytes)) {
          const streamIds = part.runs.map((run) => writer.table.stream(row.tenant, run.key)?.id as number)
          replaced.push({ row: writer.insertBlock(row.tenant, part, row.committedMs, row.sequence), streamIds })
        }
        // A block without remaining entries is retired by itself, so that no read finds it.
        const retiredBy = replaced[0]?.row.id ?? row.id
        const retire = 'UPDATE blocks SET retired = ?, retired_ms = ? WHERE id = ?'
        db.prepare(retire).run(retiredBy, clock.nowMs(), row.id)
      }),
    )
    let erased = row.entries
    for (const part of replaced) {
      erased -= part.row.entries
      writer.rememberBlock(part.row, part.streamIds)
      events.blockAdded(part.row)
    }
    writer.forgetBlock(row.tenant, row.id)
    events.blockRemoved(row)
    return erased
  }

  #blocksAfter(
    tenant: number,
    { start, end }: StreamRange,
    after: number,
  ): { row: BlockRow; streamIds: Uint32Array }[] {
    const statement = this.#parts.db.prepare(`
      SELECT id, tenant, sequence, oldest, newest, entries, line_bytes, committed_ms, streams FROM blocks
      WHERE tenant = ? AND newest >= ? AND oldest < ? AND id > ? AND retired IS NULL ORDER BY id LIMIT ${PAGE_ROWS}`)
    statement.setReadBigInts(true)
    return statement.all(tenant, start, end, after).map((row) => ({
      row: {
        id: Number(row['id']),
        tenant,
        sequence: Number(row['sequence']),
        oldest: row['oldest'] as bigint,
        newest: row['newest'] as bigint,
        entries: Number(row['entries']),
        lineBytes: Number(row['line_bytes']),
        committedMs: Number(row['committed_ms']),
      },
      streamIds: parseStreamIds(row['streams'] as Uint8Array),
    }))
  }

  /** False if the block was joined or has expired since its row was read. */
  #isThere(id: number): boolean {
    return this.#parts.db.prepare('SELECT 1 FROM blocks WHERE id = ? AND retired IS NULL').get(id) !== undefined
  }

  #change(work: () => void): void {
    try {
      work()
    } catch (cause) {
      this.#parts.onFailure(cause)
      const text = 'the store could not be changed, so nothing was deleted; retry when its disk works again'
      throw new GatewayError('store_unavailable', text, { cause })
    }
  }
}

/** The requests in the file, in order of addition. */
export function readDeletions(db: DatabaseSync): readonly Deletion[] {
  const rows = db.prepare('SELECT * FROM deletions ORDER BY sequence')
  rows.setReadBigInts(true)
  return rows.all().map(toDeletion)
}

function toDeletion(row: Record<string, unknown>): Deletion {
  return {
    id: row['id'] as string,
    tenant: row['tenant'] as string,
    query: row['query'] as string,
    start: row['start_ns'] as bigint,
    end: row['end_ns'] as bigint,
    createdMs: Number(row['created_ms']),
    isProcessed: row['processed'] === 1n,
  }
}
