/** The SQLite file: locks it for one process, opens it with the current schema, closes it. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../domain/errors.ts'
import { SUMMARIES_SCHEMA, upgradeSummaries } from './blocks/summary-table.ts'
import { COMMIT_CHECKPOINT_PAGES } from './checkpoints.ts'
import { makeFolder } from './durable-files.ts'
import { createDatabase, openDatabaseFile, SQLITE_FULL, type Synchronous, sqliteCode, takeLock } from './sqlite-file.ts'
import { STREAMS_SCHEMA, upgradeStreams } from './streams/streams-schema.ts'

/** The database in a data folder. */
export const LOG_FILE = 'millrace.db'
/** Bytes that the emptied log keeps for its next use. */
const LOG_BYTES_KEPT = 32 * 2 ** 20
const LOCK_FILE = 'millrace.lock'
/** Identifies a Millrace file: "MILL". */
const APPLICATION_ID = 0x4d494c4c
const SCHEMA_VERSION = 3
/** The oldest schema that is brought to the current one: it had the keys of streams as text, and 2 had no summaries. */
const SCHEMA_VERSION_MIN = 1

/**
 * The row of a block has its time range in ns and its streams (u32 LE ids, one per run), so that a read prunes without
 * loading the block. The indexes contain the whole range, so that rows outside it are not read. A block that was joined
 * into another stays, with `retired` = the id of the new one, until no read can need it.
 */
export const SCHEMA = `
  -- These hold only when set before the first table. Large blocks, large pages.
  PRAGMA page_size = 16384;
  PRAGMA auto_vacuum = INCREMENTAL;
  CREATE TABLE tenants (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  ${STREAMS_SCHEMA}
  CREATE TABLE blocks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    line_bytes INTEGER NOT NULL,
    committed_ms INTEGER NOT NULL,
    retired INTEGER,
    retired_ms INTEGER,
    format INTEGER NOT NULL,
    streams BLOB NOT NULL,
    columns BLOB NOT NULL,
    metadata BLOB NOT NULL,
    text BLOB NOT NULL
  ) STRICT;
  CREATE INDEX blocks_by_newest ON blocks (tenant, newest, id, oldest);
  CREATE INDEX blocks_by_oldest ON blocks (tenant, oldest, id, newest);
  CREATE INDEX blocks_by_size ON blocks (line_bytes) WHERE retired IS NULL;
  CREATE INDEX blocks_retired ON blocks (retired_ms) WHERE retired IS NOT NULL;
  ${SUMMARIES_SCHEMA}
  CREATE TABLE entry_ids (
    tenant INTEGER NOT NULL,
    id TEXT NOT NULL,
    ns INTEGER NOT NULL,
    committed_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX entry_ids_by_commit ON entry_ids (committed_ms);
  CREATE TABLE probes (filler BLOB NOT NULL) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** The connections to an open data folder. */
export interface Database {
  readonly writer: DatabaseSync
  readonly reader: DatabaseSync
  close(): void
}

export interface DatabaseOptions {
  readonly synchronous?: Synchronous
}

/**
 * Opens or creates the database in `dataDir` and locks it for this process. Throws store_unavailable if another process
 * has it locked or the folder cannot be written, store_damaged if the file is not ours or is corrupted. With `FULL`,
 * everything that can be read is on disk when it returns.
 */
export function openDatabase(dataDir: string, { synchronous = 'FULL' }: DatabaseOptions = {}): Database {
  const lock = lockFolder(dataDir)
  let writer: DatabaseSync | undefined
  try {
    writer = openWriter(join(dataDir, LOG_FILE), synchronous)
    const reader = new DatabaseSync(join(dataDir, LOG_FILE), { readOnly: true })
    // Not memory-mapped: an unreadable page would then kill the process instead of failing one read.
    reader.exec('PRAGMA busy_timeout = 5000; PRAGMA mmap_size = 0;')
    return new OpenDatabase(writer, reader, lock)
  } catch (cause) {
    writer?.close()
    lock.close()
    throw openFailure(dataDir, cause)
  }
}

class OpenDatabase implements Database {
  readonly writer: DatabaseSync
  readonly reader: DatabaseSync
  readonly #lock: DatabaseSync

  constructor(writer: DatabaseSync, reader: DatabaseSync, lock: DatabaseSync) {
    this.writer = writer
    this.reader = reader
    this.#lock = lock
  }

  close(): void {
    this.reader.close()
    this.writer.close()
    this.#lock.close()
  }
}

/** Locks the folder for this process. Throws store_unavailable. */
export function lockFolder(dataDir: string): DatabaseSync {
  try {
    makeFolder(dataDir)
    return takeLock(join(dataDir, LOCK_FILE), 0)
  } catch (cause) {
    const isHeld = sqliteCode(cause) === SQLITE_BUSY
    const why = isHeld
      ? 'another process is using it; stop that process or set MILLRACE_DATA_DIR to another folder'
      : `it cannot be written (${reason(cause)}); check that the folder and its permissions are right`
    throw new GatewayError('store_unavailable', `the data folder '${dataDir}' cannot be opened: ${why}`, { cause })
  }
}

function openWriter(path: string, synchronous: Synchronous): DatabaseSync {
  if (!existsSync(path) || checkOurs(path) === 'empty') createDatabase(path, SCHEMA)
  const db = openDatabaseFile(path, synchronous)
  try {
    db.exec(`PRAGMA wal_autocheckpoint = ${COMMIT_CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${LOG_BYTES_KEPT};`)
    upgradeDatabase(db)
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

/** Brings a file of an earlier schema, from SCHEMA_VERSION_MIN, to the current one in one transaction; leaves all others as they are. */
export function upgradeDatabase(db: DatabaseSync): void {
  const version = pragma(db, 'user_version')
  if (version < SCHEMA_VERSION_MIN || version >= SCHEMA_VERSION) return
  db.exec('BEGIN IMMEDIATE')
  try {
    if (version === 1) upgradeStreams(db)
    upgradeSummaries(db)
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`)
  } catch (cause) {
    // On a full disk SQLite may already have rolled back.
    if (db.isTransaction) db.exec('ROLLBACK')
    throw cause
  }
}

/**
 * Checks a file without changing it; throws store_damaged if it is of another program or version. Only if a transaction
 * was interrupted, SQLite first restores the committed state from the journal.
 */
export function checkOurs(path: string): 'ours' | 'empty' {
  const db = new DatabaseSync(path, { readOnly: !existsSync(`${path}-journal`) })
  try {
    const version = pragma(db, 'user_version')
    const application = pragma(db, 'application_id')
    if (application === APPLICATION_ID && version >= SCHEMA_VERSION_MIN && version <= SCHEMA_VERSION) return 'ours'
    const tables = db.prepare('SELECT count(*) AS count FROM sqlite_schema').get() as { count: number }
    if (version === 0 && application === 0 && tables.count === 0) return 'empty'
    const what = application === APPLICATION_ID ? `has schema ${version}` : 'is not a Millrace database'
    throw new GatewayError(
      'store_damaged',
      `'${path}' ${what}; this version reads schemas ${SCHEMA_VERSION_MIN} to ${SCHEMA_VERSION}: use the version that wrote it, or another MILLRACE_DATA_DIR`,
    )
  } finally {
    db.close()
  }
}

/** Throws store_damaged unless the file has the current schema, for those that open it without changing it. */
export function checkSchema(db: DatabaseSync, path: string): void {
  const version = pragma(db, 'user_version')
  if (pragma(db, 'application_id') === APPLICATION_ID && version === SCHEMA_VERSION) return
  throw new GatewayError(
    'store_damaged',
    `'${path}' has schema ${version}, and this version reads ${SCHEMA_VERSION}; start the gateway of this version once, which upgrades the file`,
  )
}

/** The value of a PRAGMA that returns one number. */
export function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get() as Record<string, number>
  return Object.values(row)[0] as number
}

/** The error for a database that cannot be opened, for the operator. */
export function openFailure(dataDir: string, cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause
  const code = sqliteCode(cause)
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) {
    const advice = `run 'millrace repair', which keeps what can be read, or restore a backup; nothing was changed`
    return new GatewayError('store_damaged', `the database in '${dataDir}' is corrupted: ${advice}`, { cause })
  }
  return new GatewayError('store_unavailable', `the database in '${dataDir}' cannot be opened: ${reason(cause)}`, {
    cause,
  })
}

const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The error for a failed write, for the client: nothing was stored, and why. */
export function writeFailure(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause
  const why =
    sqliteCode(cause) === SQLITE_FULL
      ? 'the disk is full; free space, or set MILLRACE_RETENTION_BYTES below what the data folder takes and restart'
      : reason(cause)
  return new GatewayError('store_unavailable', `nothing of this push was stored: ${why}`, { cause })
}

/** The error for a failed read, for the client: store_unavailable if the store is closed, otherwise store_damaged. */
export function readFailure(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause
  if ((cause as { code?: unknown } | null)?.code === 'ERR_INVALID_STATE') {
    return new GatewayError('store_unavailable', 'the gateway is shutting down; retry', { cause })
  }
  return new GatewayError('store_damaged', `the store cannot be read: ${reason(cause)}`, { cause })
}

/** Runs a read of the database, whose errors become those of readFailure. */
export function attemptRead<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw readFailure(cause)
  }
}
