/** Background maintenance: joins small blocks, deletes old ones, returns space. */

import { dirname } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { Batch } from '../../domain/entries/batch.ts'
import { batchOfBlock, buildBlocks } from '../../domain/entries/block-builder.ts'
import { orderEntries } from '../../domain/entries/entry-order.ts'
import { msToNs } from '../../domain/time.ts'
import type { Clock } from '../../ports/log-store.ts'
import type { BlockEvents, BlockRow, BlockWriter } from './block-writer.ts'
import { joinedBelow } from './blocks/block-sizes.ts'
import { FilterFiller } from './blocks/filter-table.ts'
import { SummaryFiller } from './blocks/summary-table.ts'
import { LOG_FILE, pragma } from './database.ts'
import { folderBytes, Reserve } from './retention/disk-space.ts'
import { checkpoint, SQLITE_FULL, sqliteCode } from './sqlite-file.ts'
import { dropEmptyStreams } from './streams/empty-streams.ts'
import { parseStreamIds } from './streams/stored-stream.ts'

export interface RetentionSettings {
  /** Entries older than this are deleted; undefined: no limit. */
  readonly retentionMs: number | undefined
  /** Bytes of the whole data folder above which the oldest blocks are deleted; undefined: no limit. */
  readonly retentionBytes: number | undefined
  /** Line bytes at which a block is full; full blocks are not joined. */
  readonly blockBytes: number
  /** The longest query duration; a joined block stays readable for longer. */
  readonly queryTimeoutMs: number
  /** Bytes of disk that are held back, so that blocks can be deleted when the disk is full; default: none. */
  readonly reserveBytes?: number
}

/** Limits joins: blocks with a later sequence must stay as they were committed. */
export interface JoinBound {
  readonly joinsUpTo: number
}

/** Minimum number of blocks of similar size for a join, so that it is worth the writing. */
const JOIN_BLOCKS_MIN = 8
/** Sizes grow by this factor between tiers; a line is rewritten once per tier. */
const TIER_FACTOR = 8
/** Only blocks within this time span are joined, so that reads can still prune by time. */
const JOIN_SPAN_NS = 6n * 3600n * 1_000_000_000n
/** How long a client's id is remembered. */
const ENTRY_ID_WINDOW_MS = 7 * 24 * 3600_000
/** How often streams without blocks are removed: it reads the row of every block. */
const EMPTY_STREAMS_MS = 3600_000
/** Blocks deleted in one transaction. */
const EXPIRED_BLOCKS_MAX = 64
/** Pages returned to the file system in one step. */
const VACUUM_PAGES = 256

interface JoinCandidate extends BlockRow {
  readonly streamIds: Uint32Array
}

export class Maintenance {
  readonly #db: DatabaseSync
  readonly #writer: BlockWriter
  readonly #clock: Clock
  readonly #settings: RetentionSettings
  readonly #events: BlockEvents
  readonly #bound: JoinBound
  readonly #small: StatementSync
  readonly #retire: StatementSync
  readonly #purge: StatementSync
  readonly #oldestRows: StatementSync
  readonly #delete: StatementSync
  readonly #between: StatementSync
  readonly #filler: SummaryFiller
  readonly #filters: FilterFiller
  /** Damaged blocks, which are not joined again. */
  readonly #damaged = new Set<number>()
  readonly #folder: string
  readonly #reserve: Reserve
  #hasExpired = false
  #emptiedMs = Number.NEGATIVE_INFINITY

  constructor(
    db: DatabaseSync,
    writer: BlockWriter,
    clock: Clock,
    settings: RetentionSettings,
    events: BlockEvents,
    bound: JoinBound,
  ) {
    this.#bound = bound
    this.#folder = dirname(db.location() as string)
    this.#reserve = new Reserve(this.#folder, settings.reserveBytes ?? 0)
    this.#db = db
    this.#writer = writer
    this.#clock = clock
    this.#settings = settings
    this.#events = events
    // The unary plus stops SQLite from using an index that would scan all blocks.
    const columns = 'id, tenant, sequence, oldest, newest, entries, line_bytes, committed_ms'
    this.#small = db.prepare(`
      SELECT ${columns}, streams FROM blocks WHERE retired IS NULL AND line_bytes < ? ORDER BY +tenant, oldest, id`)
    this.#small.setReadBigInts(true)
    this.#retire = db.prepare('UPDATE blocks SET retired = ?, retired_ms = ? WHERE id = ?')
    this.#purge = db.prepare('DELETE FROM blocks WHERE retired IS NOT NULL AND retired_ms < ?')
    this.#between = db.prepare(`
      SELECT ${columns}, streams FROM blocks
      WHERE tenant = :tenant AND newest >= :oldest AND +oldest <= :newest AND retired IS NULL
        AND sequence > :first AND sequence < :last`)
    this.#between.setReadBigInts(true)
    // SQLite knows the length of a blob without reading it.
    this.#oldestRows = db.prepare(`
      SELECT ${columns}, retired, length(columns) + length(metadata) + length(text)
        + coalesce((SELECT length(trigrams) + length(hex) FROM block_filters WHERE block = id), 0) AS bytes FROM blocks
      WHERE tenant = ? ORDER BY newest, id LIMIT ${EXPIRED_BLOCKS_MAX}`)
    this.#oldestRows.setReadBigInts(true)
    this.#delete = db.prepare('DELETE FROM blocks WHERE id = ?')
    this.#filler = new SummaryFiller(db, writer.table, (id, cause) => events.blockDamaged(id, cause))
    this.#filters = new FilterFiller({
      db,
      filters: writer.filters,
      loadBlock: (tenant, id) => writer.loadBlock(tenant, id),
      transaction: (work) => writer.transaction(work),
      blockBytes: settings.blockBytes,
    })
  }

  /** Runs all steps once, each in its own transaction. `isStopped` ends it between steps. */
  async run(isStopped: () => boolean): Promise<void> {
    this.#writer.forgetOld()
    const nowMs = this.#clock.nowMs()
    // Steps that free space come first: on a full disk, joins fail, but old blocks must still be deleted.
    while (!isStopped() && this.#withSpace(() => this.#expireSome())) await setImmediate()
    if (isStopped()) return
    // Twice the longest query, so that reads that started before the join have ended.
    this.#withSpace(() => this.#purge.run(nowMs - 2 * this.#settings.queryTimeoutMs))
    this.#withSpace(() =>
      this.#db.prepare('DELETE FROM entry_ids WHERE committed_ms < ?').run(nowMs - ENTRY_ID_WINDOW_MS),
    )
    if (this.#hasExpired && nowMs - this.#emptiedMs >= EMPTY_STREAMS_MS) {
      this.#hasExpired = false
      this.#emptiedMs = nowMs
      await dropEmptyStreams(this.#db, this.#writer, isStopped)
    }
    this.#withSpace(() => this.#db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`))
    this.#reserve.take()
    for (const group of this.#joinGroups()) {
      if (isStopped()) return
      for (const parts of this.#cutAtOthers(group)) this.#join(parts)
      await setImmediate()
    }
    await this.#filler.run((work) => this.#writer.transaction(work), isStopped)
    await this.#filters.run(isStopped)
    // They take space too.
    while (!isStopped() && this.#withSpace(() => this.#expireSome())) await setImmediate()
  }

  /** Runs a step that frees space; on a full disk once more with the reserve, which the next rounds take again. */
  #withSpace<T>(step: () => T): T {
    try {
      return step()
    } catch (cause) {
      if (sqliteCode(cause) !== SQLITE_FULL || !this.#reserve.release()) throw cause
      // Every checkpoint lets the write-ahead log start again from its beginning instead of growing.
      checkpoint(this.#db)
      const result = step()
      checkpoint(this.#db)
      return result
    }
  }

  /** Groups of small blocks of one tenant that are close in time and of similar size. */
  #joinGroups(): JoinCandidate[][] {
    const { blockBytes } = this.#settings
    const groups = new Map<string, JoinCandidate[]>()
    for (const row of this.#small.iterate(joinedBelow(blockBytes))) {
      const candidate = toCandidate(row)
      if (this.#damaged.has(candidate.id) || candidate.sequence > this.#bound.joinsUpTo) continue
      const tier = Math.ceil(Math.log(blockBytes / Math.max(candidate.lineBytes, 1)) / Math.log(TIER_FACTOR))
      const key = `${candidate.tenant} ${candidate.oldest / JOIN_SPAN_NS} ${tier}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [candidate])
      else group.push(candidate)
    }
    return [...groups.values()].flatMap((group) => cutGroups(group, blockBytes))
  }

  /**
   * Splits a group, in order of arrival, wherever a block outside the group arrived in between and shares time and streams
   * with it: joining across that block would change the order of entries with equal times.
   */
  #cutAtOthers(group: readonly JoinCandidate[]): JoinCandidate[][] {
    const parts = group.toSorted((a, b) => a.sequence - b.sequence)
    const [first, last] = [parts[0] as JoinCandidate, parts.at(-1) as JoinCandidate]
    const own = new Set(parts.map(({ id }) => id))
    const range = { tenant: first.tenant, first: first.sequence, last: last.sequence, ...spanOf(parts) }
    const others = this.#between.all(range).map(toCandidate)
    const obstacles = others.filter(({ id }) => !own.has(id)).sort((a, b) => a.sequence - b.sequence)
    const cuts: JoinCandidate[][] = [[first]]
    let between: JoinCandidate[] = []
    let next = 0
    for (const part of parts.slice(1)) {
      const cut = cuts.at(-1) as JoinCandidate[]
      const come: JoinCandidate[] = []
      while ((obstacles[next]?.sequence ?? Number.POSITIVE_INFINITY) < part.sequence) {
        come.push(obstacles[next++] as JoinCandidate)
      }
      const isCrossed =
        [...between, ...come].some((other) => sharesEntries(other, part)) ||
        come.some((other) => cut.some((member) => sharesEntries(other, member)))
      if (isCrossed) cuts.push([part])
      else cut.push(part)
      between = isCrossed ? [] : [...between, ...come]
    }
    return cuts.filter((cut) => cut.length > 1)
  }

  /** Rewrites the blocks as one (or a few, if they exceed one full block), and retires the old ones. */
  #join(group: readonly JoinCandidate[]): void {
    const { tenant } = group[0] as JoinCandidate
    const parts: JoinCandidate[] = []
    const batches: Batch[] = []
    for (const part of group) {
      const block = this.#writer.loadBlock(tenant, part.id)
      if (block === undefined) this.#damaged.add(part.id)
      else {
        parts.push(part)
        batches.push(batchOfBlock('', block))
      }
    }
    if (parts.length < 2) return
    const order = orderEntries(batches)
    const committedMs = Math.max(...parts.map((part) => part.committedMs))
    const rows: { row: BlockRow; streamIds: number[] }[] = []
    this.#writer.transaction(() => {
      for (const [i, block] of buildBlocks(order, this.#settings.blockBytes).entries()) {
        const streamIds = block.runs.map((run) => this.#writer.table.stream(tenant, run.key)?.id as number)
        // Each gets the sequence of one of the parts, so that a run split between two blocks keeps its order.
        const { sequence } = parts[Math.min(i, parts.length - 1)] as JoinCandidate
        rows.push({ row: this.#writer.insertBlock(tenant, block, committedMs, sequence), streamIds })
      }
      const replacement = rows[0]?.row.id as number
      for (const { id } of parts) this.#retire.run(replacement, this.#clock.nowMs(), id)
    })
    for (const { row, streamIds } of rows) {
      this.#writer.rememberBlock(row, streamIds)
      this.#events.blockAdded(row)
    }
    for (const part of parts) this.#forget(part)
  }

  /** Deletes a few of the oldest blocks if required by age or size; true if there may be more to delete. */
  #expireSome(): boolean {
    const { retentionMs, retentionBytes } = this.#settings
    const cutoffNs = retentionMs === undefined ? undefined : msToNs(this.#clock.nowMs() - retentionMs)
    let excess = retentionBytes === undefined ? 0 : this.#usedBytes() - retentionBytes
    if (retentionBytes !== undefined && excess > 0) {
      // What is in the write-ahead log is in the database too.
      checkpoint(this.#db)
      excess = this.#usedBytes() - retentionBytes
    }
    if (cutoffNs === undefined && excess <= 0) return false
    const rows = this.#oldestBlocks().filter((row) => {
      const isOld = cutoffNs !== undefined && (row['newest'] as bigint) < cutoffNs
      if (!isOld && excess <= 0) return false
      excess -= Number(row['bytes'])
      return true
    })
    if (rows.length === 0) return false
    this.#writer.transaction(() => {
      for (const row of rows) this.#delete.run(row['id'] as bigint)
    })
    this.#hasExpired = true
    for (const row of rows) if (row['retired'] === null) this.#forget(toBlockRow(row))
    return true
  }

  /** The oldest blocks of all tenants: the oldest of each tenant by index, then the oldest of these. */
  #oldestBlocks(): Record<string, unknown>[] {
    const rows: Record<string, unknown>[] = []
    for (const [, tenant] of this.#writer.table.tenantNames()) rows.push(...this.#oldestRows.all(tenant))
    const ns = (row: Record<string, unknown>): bigint => row['newest'] as bigint
    return rows.sort((a, b) => (ns(a) < ns(b) ? -1 : ns(a) > ns(b) ? 1 : 0)).slice(0, EXPIRED_BLOCKS_MAX)
  }

  /** All files of the folder, and of the database the pages in use: free ones are used again, or returned. */
  #usedBytes(): number {
    const pages = pragma(this.#db, 'page_count') - pragma(this.#db, 'freelist_count')
    return pages * pragma(this.#db, 'page_size') + folderBytes(this.#folder, LOG_FILE)
  }

  #forget(row: BlockRow): void {
    this.#writer.forgetBlock(row.tenant, row.id)
    this.#events.blockRemoved(row)
  }
}

/** Splits a group into full blocks; the rest is joined only if there are enough blocks. */
function cutGroups(group: readonly JoinCandidate[], blockBytes: number): JoinCandidate[][] {
  const cuts: JoinCandidate[][] = []
  let cut: JoinCandidate[] = []
  let bytes = 0
  for (const candidate of group) {
    cut.push(candidate)
    bytes += candidate.lineBytes
    if (bytes >= blockBytes) {
      cuts.push(cut)
      cut = []
      bytes = 0
    }
  }
  if (cut.length >= JOIN_BLOCKS_MIN) cuts.push(cut)
  return cuts.filter((candidates) => candidates.length > 1)
}

/** Whether both may contain entries with the same stream and time. */
function sharesEntries(a: JoinCandidate, b: JoinCandidate): boolean {
  return a.oldest <= b.newest && b.oldest <= a.newest && a.streamIds.some((id) => b.streamIds.includes(id))
}

function spanOf(parts: readonly JoinCandidate[]): { oldest: bigint; newest: bigint } {
  let { oldest, newest } = parts[0] as JoinCandidate
  for (const part of parts) {
    if (part.oldest < oldest) oldest = part.oldest
    if (part.newest > newest) newest = part.newest
  }
  return { oldest, newest }
}

function toCandidate(row: Record<string, unknown>): JoinCandidate {
  return { ...toBlockRow(row), streamIds: parseStreamIds(row['streams'] as Uint8Array) }
}

function toBlockRow(row: Record<string, unknown>): BlockRow {
  return {
    id: Number(row['id']),
    tenant: Number(row['tenant']),
    sequence: Number(row['sequence']),
    oldest: row['oldest'] as bigint,
    newest: row['newest'] as bigint,
    entries: Number(row['entries']),
    lineBytes: Number(row['line_bytes']),
    committedMs: Number(row['committed_ms']),
  }
}
