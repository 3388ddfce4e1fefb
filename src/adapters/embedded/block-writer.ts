/** Batches to durable blocks: one transaction a commit, exact duplicates left out. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Batch } from '../../domain/entries/batch.ts'
import { type Block, timeRange } from '../../domain/entries/block.ts'
import { buildBlocks } from '../../domain/entries/block-builder.ts'
import { dropStored, type EntryOrder, orderEntries } from '../../domain/entries/entry-order.ts'
import { GatewayError } from '../../domain/errors.ts'
import { NS_MAX, NS_MIN } from '../../domain/time.ts'
import type { AppendResult, Clock } from '../../ports/log-store.ts'
import { BLOCK_FORMAT, decodeBlock, encodeBlock } from '../../protocol/blocks/block-format.ts'
import { DecodedBlocks, RecentBlocks } from './recent-blocks.ts'
import { formatLabelColumn, formatStreamIds, parseStreamIds, type StoredStream, StreamTable } from './stream-table.ts'

export interface WriterSettings {
  /** Line bytes at which a block is full. */
  readonly blockBytes: number
  /** How long after its commit an entry still counts as there before, ms. */
  readonly duplicateWindowMs: number
}

/** A block's row as the database has it. */
export interface BlockRow {
  readonly id: number
  readonly tenant: number
  readonly sequence: number
  readonly oldest: bigint
  readonly newest: bigint
  readonly entries: number
  readonly lineBytes: number
  readonly committedMs: number
}

/** What the blocks' keepers tell the store, in the same turn in which reads begin to see it. */
export interface BlockEvents {
  blockAdded(row: BlockRow): void
  blockRemoved(row: BlockRow): void
  blockDamaged(blockId: number, cause: unknown): void
}

interface TenantWrite {
  readonly name: string
  readonly batches: Batch[]
  /** Where each batch stands in the commit. */
  readonly positions: number[]
}

/** What one commit answers, what it changes in memory once it is durable, and what it takes back when it fails. */
interface Outcome {
  readonly results: AppendResult[]
  readonly after: (() => void)[]
  readonly undo: (() => void)[]
}

export class BlockWriter {
  readonly #db: DatabaseSync
  readonly #clock: Clock
  readonly #settings: WriterSettings
  readonly #table: StreamTable
  readonly #recent = new Map<number, RecentBlocks>()
  readonly #decoded = new DecodedBlocks()
  readonly #insertTenant: StatementSync
  readonly #insertStream: StatementSync
  readonly #insertBlock: StatementSync
  readonly #setSequence: StatementSync
  readonly #selectId: StatementSync
  readonly #insertId: StatementSync
  readonly #selectBlock: StatementSync
  readonly #events: BlockEvents

  constructor(db: DatabaseSync, clock: Clock, settings: WriterSettings, events: BlockEvents) {
    this.#db = db
    this.#clock = clock
    this.#settings = settings
    this.#events = events
    this.#table = new StreamTable(db)
    this.#insertTenant = db.prepare('INSERT INTO tenants (name) VALUES (?)')
    this.#insertStream = db.prepare('INSERT INTO streams (tenant, key, labels) VALUES (?, ?, ?)')
    this.#insertBlock = db.prepare(`
      INSERT INTO blocks (tenant, sequence, oldest, newest, entries, line_bytes, committed_ms, format, streams, columns,
        metadata, text)
      VALUES (?, ?, ?, ?, ?, ?, ?, ${BLOCK_FORMAT}, ?, ?, ?, ?)`)
    this.#setSequence = db.prepare('UPDATE blocks SET sequence = id WHERE id = ?')
    this.#selectId = db.prepare('SELECT ns FROM entry_ids WHERE tenant = ? AND id = ?')
    this.#selectId.setReadBigInts(true)
    this.#insertId = db.prepare('INSERT INTO entry_ids (tenant, id, ns, committed_ms) VALUES (?, ?, ?, ?)')
    this.#selectBlock = db.prepare('SELECT streams, columns, metadata, text FROM blocks WHERE id = ?')
    this.#loadRecent()
  }

  get table(): StreamTable {
    return this.#table
  }

  /**
   * Stores the batches in one transaction: all of them or, when it throws, none. Results come in the batches' order.
   */
  commit(batches: readonly Batch[]): AppendResult[] {
    const outcome: Outcome = { results: new Array(batches.length), after: [], undo: [] }
    try {
      this.transaction(() => {
        for (const write of byTenant(batches)) this.#writeTenant(write, outcome)
      })
    } catch (cause) {
      for (const undo of outcome.undo) undo()
      throw cause
    }
    for (const apply of outcome.after) apply()
    return outcome.results
  }

  /** Runs `work` in a transaction of its own; when it throws, nothing of it stays. */
  transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#db.exec('COMMIT')
    } catch (cause) {
      // After a full disk SQLite may have rolled back by itself already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw cause
    }
  }

  /** Writes as much as a block takes and removes it again; throws where a commit would. */
  probe(): void {
    this.#db.exec(`INSERT INTO probes (filler) VALUES (zeroblob(${this.#settings.blockBytes})); DELETE FROM probes;`)
  }

  /**
   * Inserts a block within the caller's transaction and returns its row. `sequence` undefined: a new one, the last.
   * The streams must be in the table.
   */
  insertBlock(tenant: number, block: Block, committedMs: number, sequence: number | undefined): BlockRow {
    const encoded = encodeBlock(block)
    const { oldest, newest } = timeRange(block)
    const ids = block.runs.map((run) => (this.#table.stream(tenant, run.key) as StoredStream).id)
    const { lastInsertRowid } = this.#insertBlock.run(
      tenant,
      sequence ?? 0,
      oldest,
      newest,
      block.count,
      block.text.length,
      committedMs,
      formatStreamIds(ids),
      encoded.columns,
      encoded.metadata,
      encoded.text,
    )
    const id = Number(lastInsertRowid)
    if (sequence === undefined) this.#setSequence.run(id)
    const lineBytes = block.text.length
    return { id, tenant, sequence: sequence ?? id, oldest, newest, entries: block.count, lineBytes, committedMs }
  }

  /** Loads and decodes one block; undefined when it is gone or, as its event tells, damaged. */
  loadBlock(id: number): Block | undefined {
    try {
      return this.#decodeRow(id)
    } catch (cause) {
      if (!(cause instanceof GatewayError) || cause.code !== 'store_damaged') throw cause
      // A push must not fail for what was stored before it, nor the upkeep of all other blocks.
      this.#events.blockDamaged(id, cause)
      return undefined
    }
  }

  #decodeRow(id: number): Block | undefined {
    const row = this.#selectBlock.get(id)
    if (row === undefined) return undefined
    const streams = [...parseStreamIds(row['streams'] as Uint8Array)].map((stream) => this.#table.storedStream(stream))
    return decodeBlock(row as unknown as { columns: Uint8Array; metadata: Uint8Array; text: Uint8Array }, streams)
  }

  /** Tells the window of a block that is durable now, decoded when the caller has it so. */
  rememberBlock(row: BlockRow, streamIds: Iterable<number>, block?: Block): void {
    if (row.committedMs < this.#clock.nowMs() - this.#settings.duplicateWindowMs) return
    this.#recentOf(row.tenant).add({ ...row, streamIds: new Set(streamIds) }, block)
  }

  forgetBlock(tenant: number, id: number): void {
    this.#recentOf(tenant).remove(id)
  }

  /** Lets go of what has left the window. */
  forgetOld(): void {
    for (const recent of this.#recent.values()) {
      recent.forgetBefore(this.#clock.nowMs() - this.#settings.duplicateWindowMs)
    }
  }

  #writeTenant(write: TenantWrite, outcome: Outcome): void {
    const tenant = this.#tenantId(write.name, outcome)
    const taken = this.#claimIds(tenant, write)
    const order = orderEntries(write.batches, (batch, entry) => taken.leftOut[batch]?.has(entry) === true)
    this.#dropStored(tenant, order)
    const nowMs = this.#clock.nowMs()
    for (const block of buildBlocks(order, this.#settings.blockBytes)) {
      const ids = block.runs.map((run) => this.#streamId(tenant, run, outcome))
      const row = this.insertBlock(tenant, block, nowMs, undefined)
      outcome.after.push(() => {
        this.rememberBlock(row, ids, block)
        this.#events.blockAdded(row)
      })
    }
    for (const [b, batch] of write.batches.entries()) {
      const duplicates = order.duplicates[b] as number
      const leftOut = taken.leftOut[b]?.size ?? 0
      outcome.results[write.positions[b] as number] = {
        stored: batch.count - duplicates - leftOut,
        duplicates: duplicates + leftOut,
        takenIds: taken.times[b] as ReadonlyMap<string, bigint>,
      }
    }
  }

  /** Leaves out what recent blocks hold already. */
  #dropStored(tenant: number, order: EntryOrder): void {
    const streams = order.streams.filter(({ start, end }) => start < end)
    const spans = streams.map(({ start, end }) => ({ oldest: timeAt(order, start), newest: timeAt(order, end - 1) }))
    const recent = this.#recentOf(tenant)
    const near = recent.within(
      spans.reduce((least, { oldest }) => (oldest < least ? oldest : least), NS_MAX),
      spans.reduce((most, { newest }) => (newest > most ? newest : most), NS_MIN),
    )
    for (const [i, stream] of streams.entries()) {
      const known = this.#table.stream(tenant, stream.key)
      if (known === undefined) continue
      const { oldest, newest } = spans[i] as { oldest: bigint; newest: bigint }
      for (const stored of recent.entriesOf(near, known, oldest, newest)) dropStored(order, stream, stored)
    }
  }

  /** Ids that were taken before, in the store or earlier in this commit: their entries are left out. */
  #claimIds(tenant: number, { batches }: TenantWrite): { leftOut: Set<number>[]; times: Map<string, bigint>[] } {
    const leftOut = batches.map(() => new Set<number>())
    const times = batches.map(() => new Map<string, bigint>())
    const nowMs = this.#clock.nowMs()
    for (const [b, batch] of batches.entries()) {
      for (const { entry, id } of batch.ids) {
        const row = this.#selectId.get(tenant, id)
        if (row !== undefined) {
          leftOut[b]?.add(entry)
          times[b]?.set(id, row['ns'] as bigint)
        } else this.#insertId.run(tenant, id, batch.timestamps.values[entry] as bigint, nowMs)
      }
    }
    return { leftOut, times }
  }

  #tenantId(name: string, outcome: Outcome): number {
    const known = this.#table.tenantId(name)
    if (known !== undefined) return known
    const id = Number(this.#insertTenant.run(name).lastInsertRowid)
    this.#table.addTenant(name, id)
    outcome.undo.push(() => this.#table.removeTenant(name))
    return id
  }

  #streamId(tenant: number, { key, labels }: Pick<StoredStream, 'key' | 'labels'>, outcome: Outcome): number {
    const known = this.#table.stream(tenant, key)
    if (known !== undefined) return known.id
    const id = Number(this.#insertStream.run(tenant, key, formatLabelColumn(labels)).lastInsertRowid)
    const stream = { id, key, labels }
    this.#table.addStream(tenant, stream)
    outcome.undo.push(() => this.#table.remove(tenant, stream))
    return id
  }

  #recentOf(tenant: number): RecentBlocks {
    let recent = this.#recent.get(tenant)
    if (recent === undefined) {
      recent = new RecentBlocks(this.#decoded, (id) => this.loadBlock(id))
      this.#recent.set(tenant, recent)
    }
    return recent
  }

  #loadRecent(): void {
    const rows = this.#db.prepare(`
      SELECT id, tenant, oldest, newest, committed_ms, streams FROM blocks
      WHERE retired IS NULL AND committed_ms >= ?`)
    rows.setReadBigInts(true)
    for (const row of rows.iterate(this.#clock.nowMs() - this.#settings.duplicateWindowMs)) {
      this.#recentOf(Number(row['tenant'])).add({
        id: Number(row['id']),
        oldest: row['oldest'] as bigint,
        newest: row['newest'] as bigint,
        committedMs: Number(row['committed_ms']),
        streamIds: new Set(parseStreamIds(row['streams'] as Uint8Array)),
      })
    }
  }
}

/** The time of a reference of the order. */
function timeAt({ batches, batchOf, entryOf }: EntryOrder, reference: number): bigint {
  const batch = batches[batchOf[reference] as number] as Batch
  return batch.timestamps.values[entryOf[reference] as number] as bigint
}

function byTenant(batches: readonly Batch[]): Iterable<TenantWrite> {
  const writes = new Map<string, TenantWrite>()
  for (const [position, batch] of batches.entries()) {
    let write = writes.get(batch.tenant)
    if (write === undefined) {
      write = { name: batch.tenant, batches: [], positions: [] }
      writes.set(batch.tenant, write)
    }
    write.batches.push(batch)
    write.positions.push(position)
  }
  return writes.values()
}
