/** Backs up the data folder of a running gateway, and restores a backup. */

import { chmodSync, copyFileSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../domain/errors.ts'
import { BLOCK_FORMAT, decodeBlock } from '../../protocol/blocks/block-format.ts'
import { LOG_FILE, openFailure, upgradeDatabase } from './database.ts'
import { makeFolder, syncFile, syncFolder } from './durable-files.ts'
import { parseStreamIds } from './streams/stored-stream.ts'
import { StreamTable } from './streams/stream-table.ts'

/** The contents of a backup, counted in the copy. */
export interface BackupReport {
  readonly files: readonly string[]
  readonly blocks: number
  readonly entries: number
}

const OWNER_ONLY = 0o600

/**
 * Copies the databases and keys of `dataDir` to the new folder `target`, while a gateway may run, and verifies the copy:
 * SQLite's integrity check, and every block decoded against its checksums. A copy of a file of an earlier version is
 * brought to the current schema. The copy gets its final name only when it is
 * complete. Throws parameter_invalid if there is nothing to copy or `target` exists, store_damaged if verification fails.
 */
export function backUp(dataDir: string, target: string): BackupReport {
  const names = listFiles(dataDir)
  if (!names.includes(LOG_FILE)) throw nothingThere(dataDir)
  if (existsSync(target)) {
    throw new GatewayError('parameter_invalid', `'${target}' already exists; give the name of a new folder`)
  }
  return fill(target, (partial) => {
    // The log file last: with older cursors and incidents, the gateway only repeats work whose effects are idempotent.
    for (const name of names.toSorted((a, b) => Number(a === LOG_FILE) - Number(b === LOG_FILE))) {
      if (name.endsWith('.db')) copyDatabase(join(dataDir, name), join(partial, name))
      else copyFileSync(join(dataDir, name), join(partial, name))
    }
  })
}

/** Copies the backup `source` to `dataDir`, which must not contain logs, and verifies it. Throws like backUp. */
export function restore(source: string, dataDir: string): BackupReport {
  const names = listFiles(source)
  if (!names.includes(LOG_FILE)) throw nothingThere(source)
  if (existsSync(dataDir) && readdirSync(dataDir).length > 0) {
    throw new GatewayError(
      'parameter_invalid',
      `the data folder '${dataDir}' is not empty; move its contents elsewhere, or set MILLRACE_DATA_DIR to another folder`,
    )
  }
  return fill(dataDir, (partial) => {
    for (const name of names) copyFileSync(join(source, name), join(partial, name))
  })
}

/** Creates the folder under a temporary name, and renames it, replacing an empty one, once it is verified and synced. */
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
    // On Windows a rename does not replace a folder.
    if (process.platform === 'win32') rmSync(whole, { recursive: true, force: true })
    renameSync(partial, whole)
    syncFolder(dirname(whole))
    return report
  } catch (cause) {
    rmSync(partial, { recursive: true, force: true })
    throw cause
  }
}

/** Databases and keys, but not locks, write-ahead logs and other files. */
function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => /\.(db|key)$/.test(name))
    .sort()
}

/** A consistent snapshot of a database that may be in use; VACUUM INTO writes it compactly. */
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
    const db = new DatabaseSync(join(folder, name), { readOnly: name !== LOG_FILE })
    try {
      const result = db.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check']
      if (result !== 'ok') throw damaged(name, String(result))
      if (name === LOG_FILE) {
        upgradeDatabase(db)
        counted = checkBlocks(db)
      }
    } catch (cause) {
      throw cause instanceof GatewayError ? cause : damaged(name, 'SQLite cannot read it', cause)
    } finally {
      db.close()
    }
    // Opening a database in WAL mode creates a write-ahead log, which the copy does not need.
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
  return new GatewayError('parameter_invalid', `'${folder}' has no ${LOG_FILE}; give the folder that has it`)
}

function damaged(name: string, fault: string, cause?: unknown): GatewayError {
  return new GatewayError('store_damaged', `the copy of ${name} is damaged: ${fault}; keep earlier backups`, {
    cause,
  })
}
