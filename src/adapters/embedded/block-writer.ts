/** Writes batches as durable blocks, one transaction per commit, without exact duplicates. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Batch } from '../../domain/entries/batch.ts'
import { type Block, timeRange } from '../../domain/entries/block.ts'
import { buildBlocks } from '../../domain/entries/block-builder.ts'
import { dropSampled, type EntryOrder, type OrderedStream, orderEntries } from '../../domain/entries/entry-order.ts'
import { GatewayError } from '../../domain/errors.ts'
import { NS_MAX, NS_MIN } from '../../domain/time.ts'
import type { AppendResult, Clock } from '../../ports/log-store.ts'
import { BLOCK_FORMAT, decodeBlock, encodeBlock } from '../../protocol/blocks/block-format.ts'
import { FilterWriter } from './blocks/filter-table.ts'
import { SummaryWriter } from './blocks/summary-table.ts'
import { RecentBlocks, RecentContents } from './recent-blocks.ts'
import { RecentStreams } from './streams/recent-streams.ts'
import { formatStreamIds, parseStreamIds, type StoredStream } from './streams/stored-stream.ts'
import { StreamTable } from './streams/stream-table.ts'

export interface WriterSettings {
  /** Line bytes at which a block is full. */
  readonly blockBytes: number
  /** How long after its commit an entry is found by duplicate detection, ms. */
  readonly duplicateWindowMs: number
  /** Memory for streams (half of it) and recent blocks (a quarter) that may be needed again; 128 MiB by default. */
  readonly memoryBytesMax?: number
}

/** The row of a block in the database. */
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

/** Events to the store, in the same turn of the event loop in which reads start to see the change. */
export interface BlockEvents {
  blockAdded(row: BlockRow): void
  /** Lines of a push were committed as this block; after blockAdded. */
  blockCommitted?(tenant: string, row: BlockRow, block: Block): void
  blockRemoved(row: BlockRow): void
  blockDamaged(blockId: number, cause: unknown): void
}

interface TenantWrite {
  readonly name: string
  readonly batches: Batch[]
  /** The position of each batch in the commit. */
  readonly positions: number[]
}

/** The results of a commit, the changes in memory to make once it is durable, and those to undo if it fails. */
interface Outcome {
  readonly results: AppendResult[]
  readonly after: (() => void)[]
  readonly undo: (() => void)[]
}

const MEMORY_BYTES_MAX = 128 * 1024 * 1024

export class BlockWriter {
  readonly #db: DatabaseSync
  readonly #clock: Clock
  readonly #settings: WriterSettings
  readonly #table: StreamTable
  readonly #recent = new Map<number, RecentBlocks>()
  readonly #contents: RecentContents
  readonly #recentStreams = new RecentStreams()
  readonly #insertTenant: StatementSync
  readonly #insertBlock: StatementSync
  readonly #setSequence: StatementSync
  readonly #summaries: SummaryWriter
  /** Filters of blocks. */
  readonly filters: FilterWriter
  readonly #selectId: StatementSync
  readonly #insertId: StatementSync
  readonly #selectBlock: StatementSync
  readonly #events: BlockEvents

  constructor(db: DatabaseSync, clock: Clock, settings: WriterSettings, events: BlockEvents) {
    this.#db = db
    this.#clock = clock
    this.#settings = settings
    this.#events = events
    const { memoryBytesMax = MEMORY_BYTES_MAX } = settings
    this.#table = new StreamTable(db, memoryBytesMax / 2)
    this.#contents = new RecentContents(memoryBytesMax / 4)
    this.#insertTenant = db.prepare('INSERT INTO tenants (name) VALUES (?)')
    this.#insertBlock = db.prepare(`
      INSERT INTO blocks (tenant, sequence, oldest, newest, entries, line_bytes, committed_ms, format, streams, columns,
        metadata, text)
      VALUES (?, ?, ?, ?, ?, ?, ?, ${BLOCK_FORMAT}, ?, ?, ?, ?)`)
    this.#summaries = new SummaryWriter(db)
    this.filters = new FilterWriter(db, settings.blockBytes)
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

  /** Stores the batches in one transaction: all of them or, if it throws, none. Results are in the order of the batches. */
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

  /** Runs `work` in its own transaction, which is rolled back if it throws. */
  transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#db.exec('COMMIT')
    } catch (cause) {
      // On a full disk SQLite may already have rolled back.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw cause
    }
  }

  /** Writes the size of a block and removes it again; throws if a commit would. */
  probe(): void {
    this.#db.exec(`INSERT INTO probes (filler) VALUES (zeroblob(${this.#settings.blockBytes})); DELETE FROM probes;`)
  }

  /**
   * Inserts a block within the caller's transaction and returns its row. If `sequence` is undefined, it is the last.
   * The streams must be in the table.
   */
  insertBlock(tenant: number, block: Block, committedMs: number, sequence: number | undefined): BlockRow {
    const encoded = encodeBlock(block)
    const { oldest, newest } = timeRange(block)
    const ids = block.runs.map((run) => (this.#table.stream(tenant, run.key) as StoredStream).id)
    const streamIds = formatStreamIds(ids)
    const { lastInsertRowid } = this.#insertBlock.run(
      tenant,
      sequence ?? 0,
      oldest,
      newest,
      block.count,
      block.text.length,
      committedMs,
      streamIds,
      encoded.columns,
      encoded.metadata,
      encoded.text,
    )
    const id = Number(lastInsertRowid)
    this.#summaries.write(id, block, streamIds)
    this.filters.writeNew(id, block)
    if (sequence === undefined) this.#setSequence.run(id)
    const lineBytes = block.text.length
    return { id, tenant, sequence: sequence ?? id, oldest, newest, entries: block.count, lineBytes, committedMs }
  }

  /** Loads and decodes a block of the tenant; undefined if it no longer exists, or if it is damaged, which is reported as an event. */
  loadBlock(tenant: number, id: number): Block | undefined {
    try {
      return this.#decodeRow(tenant, id)
    } catch (cause) {
      if (!(cause instanceof GatewayError) || cause.code !== 'store_damaged') throw cause
      // A damaged block must not fail later pushes, or the maintenance of other blocks.
      this.#events.blockDamaged(id, cause)
      return undefined
    }
  }

  #decodeRow(tenant: number, id: number): Block | undefined {
    const row = this.#selectBlock.get(id)
    if (row === undefined) return undefined
    const streams = this.#table.streamsOf(tenant, parseStreamIds(row['streams'] as Uint8Array))
    return decodeBlock(row as unknown as { columns: Uint8Array; metadata: Uint8Array; text: Uint8Array }, streams)
  }

  /** Adds a durable block whose entries were already in the window to the duplicate window. */
  rememberBlock(row: BlockRow, streamIds: Iterable<number>, block?: Block): void {
    if (row.committedMs < this.#clock.nowMs() - this.#settings.duplicateWindowMs) return
    this.#recentOf(row.tenant).add({ ...row, streamIds: Uint32Array.from(streamIds).sort() }, block)
  }

  /** Adds a block of new entries; `streamIds` are those of its runs, in their order. */
  #rememberNew(row: BlockRow, streamIds: readonly number[], block: Block): void {
    this.rememberBlock(row, streamIds, block)
    for (const [i, { end }] of block.runs.entries()) {
      this.#recentStreams.add(streamIds[i] as number, block.timestamps.values[end - 1] as bigint, row.committedMs)
    }
  }

  forgetBlock(tenant: number, id: number): void {
    this.#recentOf(tenant).remove(id)
  }

  /** Removes blocks that have left the window. */
  forgetOld(): void {
    const windowMs = this.#clock.nowMs() - this.#settings.duplicateWindowMs
    for (const recent of this.#recent.values()) recent.forgetBefore(windowMs)
    this.#recentStreams.forgetBefore(windowMs)
  }

  #writeTenant(write: TenantWrite, outcome: Outcome): void {
    const tenant = this.#tenantId(write.name, outcome)
    const claims = this.#claimIds(tenant, write)
    const order = orderEntries(write.batches, (batch, entry) => claims.leftOut[batch]?.has(entry) === true)
    this.#dropStored(tenant, order)
    const nowMs = this.#clock.nowMs()
    for (const block of buildBlocks(order, this.#settings.blockBytes)) {
      const ids = block.runs.map((run) => this.#streamId(tenant, run, outcome))
      const row = this.insertBlock(tenant, block, nowMs, undefined)
      outcome.after.push(() => {
        this.#rememberNew(row, ids, block)
        this.#events.blockAdded(row)
        this.#events.blockCommitted?.(write.name, row, block)
      })
    }
    for (const [b, batch] of write.batches.entries()) {
      const duplicates = order.duplicates[b] as number
      const leftOut = claims.leftOut[b]?.size ?? 0
      outcome.results[write.positions[b] as number] = {
        stored: batch.count - duplicates - leftOut,
        duplicates: duplicates + leftOut,
        takenIds: claims.times[b] as ReadonlyMap<string, bigint>,
      }
    }
  }

  /** Drops entries that recent blocks already contain. */
  #dropStored(tenant: number, order: EntryOrder): void {
    const spans: { stream: OrderedStream; existing: StoredStream; oldest: bigint; newest: bigint }[] = []
    for (const stream of order.streams) {
      if (stream.start === stream.end) continue
      const existing = this.#table.stream(tenant, stream.key)
      const oldest = timeAt(order, stream.start)
      if (existing === undefined || !this.#recentStreams.mayHaveFrom(existing.id, oldest)) continue
      spans.push({ stream, existing, oldest, newest: timeAt(order, stream.end - 1) })
    }
    if (spans.length === 0) return
    const recent = this.#recentOf(tenant)
    const near = recent.within(
      spans.reduce((least, { oldest }) => (oldest < least ? oldest : least), NS_MAX),
      spans.reduce((most, { newest }) => (newest > most ? newest : most), NS_MIN),
    )
    for (const { stream, existing, oldest, newest } of spans) {
      for (const stored of recent.samplesOf(near, existing, oldest, newest)) dropSampled(order, stream, stored)
    }
  }

  /** Finds ids that were used before, in the store or earlier in this commit; their entries are dropped. */
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
    const existing = this.#table.tenantId(name)
    if (existing !== undefined) return existing
    const id = Number(this.#insertTenant.run(name).lastInsertRowid)
    this.#table.addTenant(name, id)
    outcome.undo.push(() => this.#table.removeTenant(name))
    return id
  }

  #streamId(tenant: number, { key, labels }: Pick<StoredStream, 'key' | 'labels'>, outcome: Outcome): number {
    const existing = this.#table.stream(tenant, key)
    if (existing !== undefined) return existing.id
    const { id } = this.#table.insert(tenant, key, labels)
    outcome.undo.push(() => this.#table.forget(id, tenant))
    return id
  }

  #recentOf(tenant: number): RecentBlocks {
    let recent = this.#recent.get(tenant)
    if (recent === undefined) {
      recent = new RecentBlocks(this.#contents, (id) => this.loadBlock(tenant, id))
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
      const streamIds = parseStreamIds(row['streams'] as Uint8Array).sort()
      const newest = row['newest'] as bigint
      const committedMs = Number(row['committed_ms'])
      this.#recentOf(Number(row['tenant'])).add({
        id: Number(row['id']),
        oldest: row['oldest'] as bigint,
        newest,
        committedMs,
        streamIds,
      })
      for (const id of streamIds) this.#recentStreams.add(id, newest, committedMs)
    }
  }
}

/** The time of an entry of the order, by reference. */
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
