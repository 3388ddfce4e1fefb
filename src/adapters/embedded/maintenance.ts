/** What the store does behind the pushes: joins small blocks, lets old ones go, gives space back. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { batchOfBlock, buildBlocks } from '../../domain/block-builder.ts'
import { orderEntries } from '../../domain/entry-order.ts'
import { msToNs } from '../../domain/time.ts'
import type { Clock } from '../../ports.ts'
import type { BlockRow, BlockWriter, TotalsChange } from './block-writer.ts'
import { pragma } from './database.ts'
import { parseStreamIds } from './stream-table.ts'

export interface RetentionSettings {
  /** Entries older than this go; undefined: none for their age. */
  readonly retentionMs: number | undefined
  /** Bytes of the database above which the oldest blocks go; undefined: none for the size. */
  readonly retentionBytes: number | undefined
  /** Line bytes at which a block is full: larger ones are not joined. */
  readonly blockBytes: number
  /** Longest query: a joined block stays readable for longer than that. */
  readonly queryTimeoutMs: number
}

/** Blocks of like size that it takes to make joining them worth the writing. */
const JOIN_BLOCKS_MIN = 8
/** Sizes grow by this factor from tier to tier; a line is rewritten once a tier. */
const TIER_FACTOR = 8
/** Blocks are joined with their neighbours in time only, within this much, so that reads still prune by time. */
const JOIN_SPAN_NS = 6n * 3600n * 1_000_000_000n
/** How long a client's id is remembered. */
const ENTRY_ID_WINDOW_MS = 7 * 24 * 3600_000
/** Pages given back to the file system at one go. */
const VACUUM_PAGES = 256

interface JoinCandidate extends BlockRow {
  readonly streamIds: Uint32Array
}

export class Maintenance {
  readonly #db: DatabaseSync
  readonly #writer: BlockWriter
  readonly #clock: Clock
  readonly #settings: RetentionSettings
  readonly #onTotals: (change: TotalsChange) => void
  readonly #small: StatementSync
  readonly #retire: StatementSync
  readonly #purge: StatementSync
  readonly #oldestRows: StatementSync
  readonly #delete: StatementSync
  #hasExpired = false

  constructor(
    db: DatabaseSync,
    writer: BlockWriter,
    clock: Clock,
    settings: RetentionSettings,
    onTotals: (change: TotalsChange) => void,
  ) {
    this.#db = db
    this.#writer = writer
    this.#clock = clock
    this.#settings = settings
    this.#onTotals = onTotals
    const columns = 'id, tenant, sequence, oldest, newest, entries, line_bytes, committed_ms'
    this.#small = db.prepare(`
      SELECT ${columns}, streams FROM blocks WHERE retired IS NULL AND line_bytes < ? ORDER BY tenant, oldest, id`)
    this.#small.setReadBigInts(true)
    this.#retire = db.prepare('UPDATE blocks SET retired = ?, retired_ms = ? WHERE id = ?')
    this.#purge = db.prepare('DELETE FROM blocks WHERE retired IS NOT NULL AND retired_ms < ?')
    this.#oldestRows = db.prepare(`SELECT ${columns}, retired FROM blocks ORDER BY newest, id LIMIT 64`)
    this.#oldestRows.setReadBigInts(true)
    this.#delete = db.prepare('DELETE FROM blocks WHERE id = ?')
  }

  /** One round of everything. `isStopped` ends it between two steps; each step is a transaction of its own. */
  async run(isStopped: () => boolean): Promise<void> {
    this.#writer.forgetOld()
    for (const group of this.#joinGroups()) {
      if (isStopped()) return
      this.#join(group)
      await setImmediate()
    }
    if (isStopped()) return
    const nowMs = this.#clock.nowMs()
    // Twice the longest query, so that a read that began before the join is over.
    this.#purge.run(nowMs - 2 * this.#settings.queryTimeoutMs)
    this.#db.prepare('DELETE FROM entry_ids WHERE ns < ?').run(msToNs(nowMs - ENTRY_ID_WINDOW_MS))
    while (!isStopped() && this.#expireSome()) await setImmediate()
    if (this.#hasExpired) this.#dropEmptyStreams()
    this.#db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`)
  }

  /** Small blocks of one tenant that lie close in time and are of like size. */
  #joinGroups(): JoinCandidate[][] {
    const { blockBytes } = this.#settings
    const groups = new Map<string, JoinCandidate[]>()
    for (const row of this.#small.iterate(Math.floor(blockBytes / 2))) {
      const candidate = { ...toBlockRow(row), streamIds: parseStreamIds(row['streams'] as Uint8Array) }
      const tier = Math.ceil(Math.log(blockBytes / Math.max(candidate.lineBytes, 1)) / Math.log(TIER_FACTOR))
      const key = `${candidate.tenant} ${candidate.oldest / JOIN_SPAN_NS} ${tier}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [candidate])
      else group.push(candidate)
    }
    return [...groups.values()].flatMap((group) => cutGroups(group, blockBytes))
  }

  /** Rewrites the blocks as one (or a few, where they make more than one full block); the old ones retire. */
  #join(group: readonly JoinCandidate[]): void {
    const { tenant } = group[0] as JoinCandidate
    const parts = [...group].sort((a, b) => a.sequence - b.sequence)
    const batches = parts.map(({ id }) => {
      const block = this.#writer.loadBlock(id)
      return block === undefined ? undefined : batchOfBlock('', block)
    })
    const order = orderEntries(batches.filter((batch) => batch !== undefined))
    const sequence = (parts[0] as JoinCandidate).sequence
    const committedMs = Math.max(...parts.map((part) => part.committedMs))
    const rows: { row: BlockRow; streamIds: number[] }[] = []
    this.#writer.transaction(() => {
      for (const block of buildBlocks(order, this.#settings.blockBytes)) {
        const streamIds = block.runs.map((run) => this.#writer.table.stream(tenant, run.key)?.id as number)
        rows.push({ row: this.#writer.insertBlock(tenant, block, committedMs, sequence), streamIds })
      }
      const replacement = rows[0]?.row.id as number
      for (const { id } of parts) this.#retire.run(replacement, this.#clock.nowMs(), id)
    })
    for (const { row, streamIds } of rows) {
      this.#writer.rememberBlock(row, streamIds)
      this.#onTotals({ blocks: 1, entries: row.entries, lineBytes: row.lineBytes })
    }
    for (const part of parts) this.#forget(part)
  }

  /** Deletes a few of the oldest blocks if age or size asks for it; true when there may be more to delete. */
  #expireSome(): boolean {
    const { retentionMs, retentionBytes } = this.#settings
    const oldestKept = retentionMs === undefined ? undefined : msToNs(this.#clock.nowMs() - retentionMs)
    let excess = retentionBytes === undefined ? 0 : this.#usedBytes() - retentionBytes
    const rows = this.#oldestRows.all().filter((row) => {
      const isOld = oldestKept !== undefined && (row['newest'] as bigint) < oldestKept
      if (!isOld && excess <= 0) return false
      // What a block frees is not known before; its lines are a cautious guess, as they are compressed.
      excess -= Number(row['line_bytes']) / 8
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

  #usedBytes(): number {
    return (pragma(this.#db, 'page_count') - pragma(this.#db, 'freelist_count')) * pragma(this.#db, 'page_size')
  }

  #forget(row: BlockRow): void {
    this.#writer.forgetBlock(row.tenant, row.id)
    this.#onTotals({ blocks: -1, entries: -row.entries, lineBytes: -row.lineBytes })
  }

  /** Streams without a block go from the index, or labels of years ago would fill it. */
  #dropEmptyStreams(): void {
    this.#hasExpired = false
    const used = new Set<number>()
    for (const row of this.#db.prepare('SELECT streams FROM blocks').iterate()) {
      for (const id of parseStreamIds(row['streams'] as Uint8Array)) used.add(id)
    }
    const { table } = this.#writer
    for (const [, tenant] of table.tenantNames()) {
      const empty = [...table.streamsOf(tenant)].filter((stream) => !used.has(stream.id))
      const remove = this.#db.prepare('DELETE FROM streams WHERE id = ?')
      this.#writer.transaction(() => {
        for (const stream of empty) remove.run(stream.id)
      })
      for (const stream of empty) table.remove(tenant, stream)
    }
  }
}

/** Cuts a group at full blocks; what is left is joined only when there are enough of them. */
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
