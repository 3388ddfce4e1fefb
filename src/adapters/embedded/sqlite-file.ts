/** Creates and opens the SQLite files of the data folder, safe against crashes and power failures. */

import { existsSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeWhole, rewriteFile, syncFile, syncFolder } from './durable-files.ts'

export const SQLITE_FULL = 13
/** Also for shared memory that a full disk has no space for. */
export const SQLITE_IOERR = 10
const SQLITE_BUSY = 5
/** How long a statement waits for another connection. */
const BUSY_WAIT_MS = 5_000
/** Locked while creating a file that several processes may create. */
const CREATE_LOCK_FILE = 'create.lock'
const CREATE_WAIT_MS = 5_000

/** FULL: a commit returns after its fsync. OFF: nothing is synced, for files that need not survive the process. */
export type Synchronous = 'FULL' | 'OFF'

/**
 * Creates the database `path`, which is in WAL mode as soon as it has that name, because a change of mode can be
 * interrupted. `schema` is SQL: pragmas that must precede the first table, then the tables.
 */
export function createDatabase(path: string, schema: string): void {
  removeParts(path)
  makeWhole(path, (aside) => {
    removeParts(aside)
    const db = new DatabaseSync(aside)
    try {
      // No journal and no sync: an incomplete file is discarded. With an exclusive lock, WAL needs no shared memory.
      db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;
        ${schema}; PRAGMA journal_mode = WAL;`)
    } finally {
      db.close()
    }
  })
}

/** Creates the database if the file is missing or empty; several processes may do so at once. */
export function createDatabaseOnce(path: string, schema: string): void {
  if (hasContent(path)) return
  withCreateLock(dirname(path), () => {
    if (!hasContent(path)) createDatabase(path, schema)
  })
}

/**
 * Opens the database in WAL mode. With FULL, everything that the connection can read is on disk when it returns: a process
 * that died may have written data without syncing it, and we are about to rely on that data. Waits up to 5 s for writers.
 */
export function openDatabaseFile(path: string, synchronous: Synchronous): DatabaseSync {
  // Before the connection opens it: closing a file releases all locks of this process on it.
  if (synchronous === 'FULL') syncFile(path)
  const db = new DatabaseSync(path)
  try {
    db.exec(
      `PRAGMA busy_timeout = ${BUSY_WAIT_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA temp_store = MEMORY;`,
    )
    if (synchronous === 'FULL') syncRecovered(db, path)
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

/** Runs `work` under the folder's creation lock. */
export function withCreateLock(folder: string, work: () => void): void {
  const lock = takeLock(join(folder, CREATE_LOCK_FILE), CREATE_WAIT_MS)
  try {
    work()
  } finally {
    lock.close()
  }
}

/** A lock that ends with the process in any case: an open exclusive transaction on its own file. */
export function takeLock(path: string, waitMs: number): DatabaseSync {
  const lock = new DatabaseSync(path)
  try {
    lock.exec(`PRAGMA busy_timeout = ${waitMs}; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE;`)
    return lock
  } catch (cause) {
    lock.close()
    throw cause
  }
}

/** SQLite's primary result code of an error; undefined for other errors. */
export function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

/** Syncs the recovered write-ahead log, then checkpoints it; SQLite syncs the database before it truncates the log. */
function syncRecovered(db: DatabaseSync, path: string): void {
  // A writer's lock prevents changes of the log. A checkpoint alone would rely on a log that may not be on disk.
  db.exec('BEGIN IMMEDIATE')
  try {
    rewriteFile(`${path}-wal`)
  } finally {
    db.exec('ROLLBACK')
  }
  syncFolder(dirname(path))
  // A full disk must not prevent the gateway from starting.
  checkpoint(db)
}

/**
 * Moves the write-ahead log into the database and empties it; true if it is empty now. It stays, synced, while another
 * connection reads from it, and if the disk has no space for what the database would grow by.
 */
export function checkpoint(db: DatabaseSync): boolean {
  try {
    // The event loop must not wait for a reader or for the thread that copies the log.
    db.exec('PRAGMA busy_timeout = 0')
    return db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy'] === 0
  } catch (cause) {
    const code = sqliteCode(cause)
    if (code !== SQLITE_FULL && code !== SQLITE_BUSY) throw cause
    return false
  } finally {
    db.exec(`PRAGMA busy_timeout = ${BUSY_WAIT_MS}`)
  }
}

function hasContent(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0
}

/** Removes logs and journals of a deleted file, which would be applied to the new file. */
function removeParts(path: string): void {
  const parts = ['-wal', '-shm', '-journal'].map((ending) => path + ending).filter((part) => existsSync(part))
  for (const part of parts) rmSync(part, { force: true })
  if (parts.length > 0) syncFolder(dirname(path))
}
