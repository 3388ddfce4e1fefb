/** LogStore on SQLite: concurrent appends share a commit, and reads stream in parallel. */

import { join } from 'node:path'
import type { Batch } from '../../domain/entries/batch.ts'
import { splitBatch } from '../../domain/entries/batch-parts.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { Labels } from '../../domain/labels.ts'
import { NEVER, type Repeat } from '../../kit/repeat.ts'
import type {
  AppendResult,
  Clock,
  DeletionStore,
  LogStore,
  ReadBlock,
  ReadRequest,
  StoreFigures,
  StreamRange,
} from '../../ports/log-store.ts'
import { BlockReader } from './block-reader.ts'
import { type BlockEvents, type BlockRow, BlockWriter, type WriterSettings } from './block-writer.ts'
import { createFilters } from './blocks/filter-table.ts'
import { type CheckpointPages, Checkpoints } from './checkpoints.ts'
import { type Database, LOG_FILE, openDatabase, openFailure, pragma, writeFailure } from './database.ts'
import { Maintenance, type RetentionSettings } from './maintenance.ts'
import { RangeVersions } from './range-versions.ts'
import { openWithReserve } from './retention/disk-space.ts'
import { SqliteCommittedBlocks } from './sqlite-committed-blocks.ts'
import { SqliteDeletions } from './sqlite-deletions.ts'
import { checkpoint, SQLITE_FULL, sqliteCode } from './sqlite-file.ts'

export interface StoreSettings extends WriterSettings, RetentionSettings {
  readonly dataDir: string
  /** Bytes of batches that may wait for a commit; above this, appends are rejected with overloaded. */
  readonly queueBytesMax: number
  /** Whether blocks stay as they were committed until `committed.keepAfter` is called. */
  readonly keepsCommitted?: boolean
}

/** Events that the store reports. */
export interface StoreEvents {
  /** A commit of `batches` took `ms`. */
  committed(ms: number, batches: number): void
  /** A write failed, and its batches were rejected. */
  writeFailed(cause: unknown): void
  /** A block on disk cannot be read. */
  blockDamaged(blockId: number, cause: unknown): void
  /** A round of maintenance failed; the next one retries. */
  maintenanceFailed(cause: unknown): void
}

/** A batch that waits for its commit, or a large one that waits for the commits of its parts. */
interface Waiting {
  /** Those that are not committed, in order. */
  readonly parts: Batch[]
  /** What it takes in memory. */
  readonly bytes: number
  result: AppendResult | undefined
  readonly resolve: (result: AppendResult) => void
  readonly reject: (error: unknown) => void
}

interface Taken {
  readonly waiting: Waiting
  readonly batch: Batch
}

/** Size from which a commit takes no further batch, so that it does not keep the event loop for long. */
const COMMIT_BYTES_MAX = 4 * 1024 * 1024
/** Size of the parts of a larger batch: one goes into a commit. */
const PART_BYTES = 1024 * 1024
/** How often small blocks are joined and old ones expire. */
const MAINTENANCE_MS = 5_000
/** While writes fail, a probe tests at most once in this time whether they work again. */
const PROBE_MS = 5_000

export interface StoreOptions {
  readonly open?: (dataDir: string) => Database
  readonly repeat?: Repeat
  /** Copies the write-ahead log on a thread; without it, commits do. */
  readonly checkpoints?: CheckpointPages
}

/** What the columns of an entry take, and the labels of a stream: as a key, as values, and the objects. */
const ENTRY_BYTES = 32
const LABEL_CHARACTER_BYTES = 3
const STREAM_BYTES = 600

export class SqliteLogStore implements LogStore {
  /** Delete requests and their execution. */
  readonly deletions: DeletionStore
  /** Committed blocks, for counting their lines. */
  readonly committed: SqliteCommittedBlocks
  readonly #database: Database
  readonly #settings: StoreSettings
  readonly #clock: Clock
  readonly #events: StoreEvents
  readonly #writer: BlockWriter
  readonly #reader: BlockReader
  readonly #maintenance: Maintenance
  readonly #checkpoints: Checkpoints | undefined
  readonly #versions = new RangeVersions()
  readonly #endMaintenance: () => void
  #queue: Waiting[] = []
  #queueBytes = 0
  #isScheduled = false
  #isClosed = false
  #closing: Promise<void> | undefined
  #maintaining: Promise<void> | undefined
  #trouble: string | undefined
  #probedMs = Number.NEGATIVE_INFINITY
  #commits = 0
  #diskBytes = 0
  /** Rounds of maintenance that failed since the last one that did not. */
  #failedRounds = 0
  #totals: Totals

  /**
   * Opens the store in `settings.dataDir`; throws like openDatabase. Without `repeat` it is only maintained by calls.
   */
  constructor(
    settings: StoreSettings,
    clock: Clock,
    events: StoreEvents,
    { open = openDatabase, repeat = NEVER, checkpoints }: StoreOptions = {},
  ) {
    this.#settings = settings
    this.#clock = clock
    this.#events = events
    this.#database = openWithReserve(settings.dataDir, () => open(settings.dataDir))
    const { writer: db, reader } = this.#database
    const blockEvents: BlockEvents = {
      blockAdded: (row) => this.#count(row, 1),
      blockCommitted: (tenant, row, block) => this.committed.committed({ tenant, block, position: row.id }),
      blockRemoved: (row) => this.#count(row, -1),
      blockDamaged: (id, cause) => events.blockDamaged(id, cause),
    }
    try {
      createFilters(db)
      this.#totals = readTotals(this.#database)
      this.#writer = new BlockWriter(db, clock, settings, blockEvents)
      this.#reader = new BlockReader(reader, this.#writer.table, blockEvents.blockDamaged)
      const { keepsCommitted = false } = settings
      this.committed = new SqliteCommittedBlocks(reader, this.#writer.table, keepsCommitted, blockEvents.blockDamaged)
      this.#maintenance = new Maintenance(db, this.#writer, clock, settings, blockEvents, this.committed)
      const { blockBytes } = settings
      const onFailure = (cause: unknown): void => events.writeFailed(cause)
      const parts = { db, writer: this.#writer, clock, events: blockEvents, onFailure, blockBytes }
      this.deletions = new SqliteDeletions(parts)
      const path = join(settings.dataDir, LOG_FILE)
      const onCheckpointFailure = (cause: unknown): void => events.maintenanceFailed(cause)
      this.#checkpoints = checkpoints && new Checkpoints(db, path, checkpoints, onCheckpointFailure)
    } catch (cause) {
      this.#database.close()
      throw openFailure(settings.dataDir, cause)
    }
    this.#endMaintenance = repeat(() => void this.maintain(), MAINTENANCE_MS)
  }

  append(batch: Batch): Promise<AppendResult> {
    if (this.#isClosed)
      return Promise.reject(new GatewayError('store_unavailable', 'the gateway is shutting down; retry'))
    // A batch keeps the whole request body of its lines in memory.
    const bytes = batch.text.length + batch.metadata.length + batch.count * ENTRY_BYTES + labelBytes(batch)
    if (this.#queueBytes > 0 && this.#queueBytes + bytes > this.#settings.queueBytesMax) {
      const text = `${this.#queueBytes} bytes are waiting for a commit; the limit is ${this.#settings.queueBytesMax}; retry later or raise MILLRACE_QUEUE_BYTES_MAX`
      return Promise.reject(new GatewayError('overloaded', text))
    }
    this.#queueBytes += bytes
    return new Promise((resolve, reject) => {
      this.#queue.push({ parts: splitBatch(batch, PART_BYTES), bytes, result: undefined, resolve, reject })
      this.#schedule()
    })
  }

  read(request: ReadRequest, signal?: AbortSignal): AsyncIterable<ReadBlock> {
    return this.#reader.read(request, signal)
  }

  streams(range: StreamRange, signal?: AbortSignal): Promise<readonly Labels[]> {
    return this.#reader.streams(range, signal)
  }

  version({ tenant, start, end }: Pick<StreamRange, 'tenant' | 'start' | 'end'>): string {
    const id = this.#writer.table.tenantId(tenant)
    return id === undefined ? '0' : String(this.#versions.of(id, start, end))
  }

  trouble(): string | undefined {
    if (this.#trouble !== undefined) this.#probe()
    return this.#trouble
  }

  figures(): StoreFigures {
    return {
      ...this.#totals,
      streams: this.#writer.table.size,
      diskBytes: this.#readDiskBytes(),
      queueBytes: this.#queueBytes,
      commits: this.#commits,
      maintenanceFailures: this.#failedRounds,
    }
  }

  /** The last known number while the file cannot be read: health and metrics must not fail with the disk. */
  #readDiskBytes(): number {
    const { reader } = this.#database
    try {
      this.#diskBytes = pragma(reader, 'page_count') * pragma(reader, 'page_size')
    } catch {}
    return this.#diskBytes
  }

  /** Runs one round of maintenance, and waits for a copy of the log; also called by a timer. Rounds do not overlap. */
  async maintain(): Promise<void> {
    if (this.#maintaining === undefined && !this.#isClosed) {
      this.#maintaining = this.#maintenance
        .run(() => this.#isClosed)
        .then(
          () => {
            this.#failedRounds = 0
          },
          (cause) => {
            this.#failedRounds++
            this.#events.maintenanceFailed(cause)
          },
        )
        .finally(async () => {
          this.#checkpoints?.afterCommit()
          await this.#checkpoints?.copied()
          this.#maintaining = undefined
        })
    }
    await this.#maintaining
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  async #finish(): Promise<void> {
    this.#isClosed = true
    this.#endMaintenance()
    while (this.#queue.length > 0) this.#commitSome()
    await this.#maintaining
    await this.#checkpoints?.close()
    this.#database.close()
  }

  /** Commits after the event loop has read other pending requests, so that those pushes share the commit. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#queue.length === 0) return
      this.#commitSome()
      if (this.#queue.length > 0) this.#schedule()
    })
  }

  #commitSome(): void {
    const taken = this.#takeWaiting()
    const startedMs = this.#clock.monotonicMs()
    try {
      const results = this.#commit(taken.map(({ batch }) => batch))
      this.#commits++
      this.#trouble = undefined
      for (const [i, { waiting }] of taken.entries()) settle(waiting, results[i] as AppendResult)
      this.#events.committed(this.#clock.monotonicMs() - startedMs, taken.length)
      this.#checkpoints?.afterCommit()
    } catch (cause) {
      const failure = writeFailure(cause)
      this.#trouble = failure.message
      this.#events.writeFailed(cause)
      for (const { waiting } of taken) this.#giveUp(waiting, failure)
    }
  }

  /** The other parts of a batch are not written either: its client sends all of it again. */
  #giveUp(waiting: Waiting, failure: unknown): void {
    if (waiting.parts.length > 0) {
      this.#queue = this.#queue.filter((other) => other !== waiting)
      this.#queueBytes -= waiting.bytes
    }
    waiting.reject(failure)
  }

  /**
   * On a full disk once more with an emptied write-ahead log: the database may have free pages, but the log no space to
   * grow.
   */
  #commit(batches: readonly Batch[]): AppendResult[] {
    try {
      return this.#writer.commit(batches)
    } catch (cause) {
      if (sqliteCode(cause) !== SQLITE_FULL || !checkpoint(this.#database.writer)) throw cause
      return this.#writer.commit(batches)
    }
  }

  /** What comes into the next commit: batches, and one part of each large one, which then lets others go first. */
  #takeWaiting(): Taken[] {
    const taken: Taken[] = []
    let count = 0
    let bytes = 0
    const unfinished: Waiting[] = []
    while (count < this.#queue.length && (count === 0 || bytes < COMMIT_BYTES_MAX)) {
      const waiting = this.#queue[count++] as Waiting
      const isWhole = waiting.parts.length === 1 && waiting.result === undefined
      taken.push({ waiting, batch: waiting.parts.shift() as Batch })
      bytes += isWhole ? waiting.bytes : PART_BYTES
      if (waiting.parts.length > 0) unfinished.push(waiting)
      else this.#queueBytes -= waiting.bytes
    }
    this.#queue = [...this.#queue.slice(count), ...unfinished]
    return taken
  }

  /** Tries a write without effect, at most once in PROBE_MS. */
  #probe(): void {
    const nowMs = this.#clock.monotonicMs()
    if (this.#isClosed || nowMs - this.#probedMs < PROBE_MS) return
    this.#probedMs = nowMs
    try {
      this.#writer.probe()
      this.#trouble = undefined
    } catch (cause) {
      this.#trouble = writeFailure(cause).message
    }
  }

  #count(row: BlockRow, sign: 1 | -1): void {
    const { blocks, entries, lineBytes } = this.#totals
    this.#totals = {
      blocks: blocks + sign,
      entries: entries + sign * row.entries,
      lineBytes: lineBytes + sign * row.lineBytes,
    }
    this.#versions.changed(row.tenant, row.oldest, row.newest)
  }
}

/** Resolves a batch once its last part is durable. */
function settle(waiting: Waiting, { stored, duplicates, takenIds }: AppendResult): void {
  const before = waiting.result
  waiting.result =
    before === undefined
      ? { stored, duplicates, takenIds }
      : {
          stored: before.stored + stored,
          duplicates: before.duplicates + duplicates,
          takenIds: new Map([...before.takenIds, ...takenIds]),
        }
  if (waiting.parts.length === 0) waiting.resolve(waiting.result)
}

function labelBytes({ streams }: Batch): number {
  let chars = 0
  for (const { key } of streams) chars += key.length
  return chars * LABEL_CHARACTER_BYTES + streams.length * STREAM_BYTES
}

type Totals = Pick<StoreFigures, 'blocks' | 'entries' | 'lineBytes'>

function readTotals({ writer }: Database): Totals {
  const row = writer
    .prepare(
      'SELECT count(*) AS blocks, coalesce(sum(entries), 0) AS entries, coalesce(sum(line_bytes), 0) AS lineBytes FROM blocks WHERE retired IS NULL',
    )
    .get()
  return {
    blocks: row?.['blocks'] as number,
    entries: row?.['entries'] as number,
    lineBytes: row?.['lineBytes'] as number,
  }
}
