/** How every SQLite file of the data folder is made and opened, so that no death of a process or loss of power harms it. */

import { existsSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeWhole, rewriteFile, syncFile, syncFolder } from './durable-files.ts'

export const SQLITE_FULL = 13
/** Held while a file is made that several processes may make. */
const CREATE_LOCK_FILE = 'create.lock'
const CREATE_WAIT_MS = 5_000

/** FULL: a commit returns after its fsync. OFF: nothing is synced, as for files that need not outlive the process. */
export type Synchronous = 'FULL' | 'OFF'

/**
 * Makes the database `path`, in WAL mode from its first moment under that name, as changing the mode of a file can be
 * cut short. `schema` is SQL: pragmas that hold only before the first table, then the tables.
 */
export function createDatabase(path: string, schema: string): void {
  removeParts(path)
  makeWhole(path, (aside) => {
    removeParts(aside)
    const db = new DatabaseSync(aside)
    try {
      // No journal and no sync: what is not whole is thrown away. Locked exclusively, WAL needs no shared memory.
      db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;
        ${schema}; PRAGMA journal_mode = WAL;`)
    } finally {
      db.close()
    }
  })
}

/** Makes the database if there is none, or an empty file; several processes may do so at once. */
export function createDatabaseOnce(path: string, schema: string): void {
  if (hasContent(path)) return
  withCreateLock(dirname(path), () => {
    if (!hasContent(path)) createDatabase(path, schema)
  })
}

/**
 * Opens the database in WAL mode. With FULL, all that the connection can read is on disk when it returns: a process that
 * died may have written what it did not sync, and what is read is soon relied on. Waits up to 5 s for other writers.
 */
export function openDatabaseFile(path: string, synchronous: Synchronous): DatabaseSync {
  // Before the connection opens it: closing a file gives up the locks that this process holds on it.
  if (synchronous === 'FULL') syncFile(path)
  const db = new DatabaseSync(path)
  try {
    db.exec(
      `PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA temp_store = MEMORY;`,
    )
    if (synchronous === 'FULL') syncRecovered(db, path)
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

/** Runs `work` while no other process makes a file in the folder that several may make. */
export function withCreateLock(folder: string, work: () => void): void {
  const lock = takeLock(join(folder, CREATE_LOCK_FILE), CREATE_WAIT_MS)
  try {
    work()
  } finally {
    lock.close()
  }
}

/** A lock that ends with the process, however it ends: an open exclusive transaction on a file of its own. */
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

/** SQLite's primary result code of an error, or undefined where it is none of SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

/** Puts what recovery found in the log on disk, then into the database, which SQLite syncs before it empties the log. */
function syncRecovered(db: DatabaseSync, path: string): void {
  // The lock of a writer keeps the log as it is. A checkpoint alone would rest on a log that may not be on disk.
  db.exec('BEGIN IMMEDIATE')
  try {
    rewriteFile(`${path}-wal`)
  } finally {
    db.exec('ROLLBACK')
  }
  syncFolder(dirname(path))
  try {
    // `busy` in its row says that another process reads: then the log stays, which is on disk.
    db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
  } catch (cause) {
    // No space for it now: the log stays too, and a full disk must not keep the gateway from starting.
    if (sqliteCode(cause) !== SQLITE_FULL) throw cause
  }
}

function hasContent(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0
}

/** A log or journal that belongs to a file that is gone would be taken for the new file's. */
function removeParts(path: string): void {
  const parts = ['-wal', '-shm', '-journal'].map((ending) => path + ending).filter((part) => existsSync(part))
  for (const part of parts) rmSync(part, { force: true })
  if (parts.length > 0) syncFolder(dirname(path))
}
