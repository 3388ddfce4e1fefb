/** Backing up a data folder while the gateway runs over it, and putting a backup back. */

import { chmodSync, copyFileSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../domain/errors.ts'
import { BLOCK_FORMAT, decodeBlock } from '../../protocol/blocks/block-format.ts'
import { openFailure } from './database.ts'
import { makeFolder, syncFile, syncFolder } from './durable-files.ts'
import { parseStreamIds, StreamTable } from './stream-table.ts'

/** What a backup holds, as counted in the copy. */
export interface BackupReport {
  readonly files: readonly string[]
  readonly blocks: number
  readonly entries: number
}

const LOG_FILE = 'millrace.db'
const OWNER_ONLY = 0o600

/**
 * Copies the databases and keys of `dataDir` into the new folder `target`, while a gateway may run, and checks the copy:
 * SQLite's integrity check, and every block decoded against its checksums. Appears under its name only when it is
 * whole. Throws parameter_invalid when there is nothing to copy or `target` is taken, store_damaged when the check fails.
 */
export function backUp(dataDir: string, target: string): BackupReport {
  const names = listFiles(dataDir)
  if (!names.includes(LOG_FILE)) throw nothingThere(dataDir)
  if (existsSync(target)) {
    throw new GatewayError('parameter_invalid', `'${target}' is there already; name a folder that is not`)
  }
  return fill(target, (partial) => {
    // The log file last: cursors and incidents that are older than it make the gateway look again, and do nothing twice.
    for (const name of names.toSorted((a, b) => Number(a === LOG_FILE) - Number(b === LOG_FILE))) {
      if (name.endsWith('.db')) copyDatabase(join(dataDir, name), join(partial, name))
      else copyFileSync(join(dataDir, name), join(partial, name))
    }
  })
}

/**
 * Copies the backup `source` to `dataDir`, which must not hold logs, and checks it as backUp does. Throws the same.
 */
export function restore(source: string, dataDir: string): BackupReport {
  const names = listFiles(source)
  if (!names.includes(LOG_FILE)) throw nothingThere(source)
  if (existsSync(dataDir) && readdirSync(dataDir).length > 0) {
    throw new GatewayError(
      'parameter_invalid',
      `the data folder '${dataDir}' is not empty; move what is in it elsewhere, or set MILLRACE_DATA_DIR to another`,
    )
  }
  return fill(dataDir, (partial) => {
    for (const name of names) copyFileSync(join(source, name), join(partial, name))
  })
}

/** Makes the folder under another name, and gives it its own, in place of an empty one, once it is checked and on disk. */
function fill(target: string, copy: (partial: string) => void): BackupReport {
  const whole = resolve(target)
  const partial = `${whole}.partial`
  rmSync(partial, { recursive: true, force: true })
  makeFolder(partial)
  try {
    copy(partial)
    const report = check(partial)
    for (const name of report.files) {
      chmodSync(join(partial, name), OWNER_ONLY)
      syncFile(join(partial, name))
    }
    syncFolder(partial)
    // On Windows a folder does not take the place of another.
    if (process.platform === 'win32') rmSync(whole, { recursive: true, force: true })
    renameSync(partial, whole)
    syncFolder(dirname(whole))
    return report
  } catch (cause) {
    rmSync(partial, { recursive: true, force: true })
    throw cause
  }
}

/** Databases and keys; locks, write-ahead logs and what users keep there are not the backup's. */
function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => /\.(db|key)$/.test(name))
    .sort()
}

/** One consistent moment of a database that others may be writing; SQLite writes the copy compactly. */
function copyDatabase(from: string, to: string): void {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(from, { readOnly: true })
    db.exec('PRAGMA busy_timeout = 5000')
    db.prepare('VACUUM INTO ?').run(to)
  } catch (cause) {
    throw openFailure(dirname(from), cause)
  } finally {
    db?.close()
  }
}

function check(folder: string): BackupReport {
  const files = listFiles(folder)
  let counted = { blocks: 0, entries: 0 }
  for (const name of files.filter((file) => file.endsWith('.db'))) {
    const db = new DatabaseSync(join(folder, name), { readOnly: true })
    try {
      const found = db.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check']
      if (found !== 'ok') throw damaged(name, String(found))
      if (name === LOG_FILE) counted = checkBlocks(db)
    } catch (cause) {
      throw cause instanceof GatewayError ? cause : damaged(name, 'SQLite cannot read it', cause)
    } finally {
      db.close()
    }
    // Looking at a database that was written with a write-ahead log makes one; the copy needs none.
    for (const rest of ['-wal', '-shm']) rmSync(join(folder, name + rest), { force: true })
  }
  return { files, ...counted }
}

function checkBlocks(db: DatabaseSync): { blocks: number; entries: number } {
  const table = new StreamTable(db)
  const rows = db.prepare(
    `SELECT streams, columns, metadata, text FROM blocks WHERE retired IS NULL AND format = ${BLOCK_FORMAT}`,
  )
  let blocks = 0
  let entries = 0
  for (const row of rows.iterate()) {
    const streams = [...parseStreamIds(row['streams'] as Uint8Array)].map((id) => table.storedStream(id))
    const encoded = row as unknown as { columns: Uint8Array; metadata: Uint8Array; text: Uint8Array }
    entries += decodeBlock(encoded, streams).count
    blocks++
  }
  return { blocks, entries }
}

function nothingThere(folder: string): GatewayError {
  return new GatewayError('parameter_invalid', `'${folder}' holds no ${LOG_FILE}; name the folder that does`)
}

function damaged(name: string, found: string, cause?: unknown): GatewayError {
  return new GatewayError('store_damaged', `the copy of ${name} is not whole: ${found}; keep earlier backups`, {
    cause,
  })
}
