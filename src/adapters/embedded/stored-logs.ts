/** Reads the data folder beside a gateway that may be running, as of one moment. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../domain/errors.ts'
import type { Deletion, LogStore } from '../../ports/log-store.ts'
import { BlockReader } from './block-reader.ts'
import { checkSchema, LOG_FILE, openFailure } from './database.ts'
import { readDeletions } from './sqlite-deletions.ts'
import { StreamTable } from './streams/stream-table.ts'

export interface StoredLogs {
  readonly tenants: readonly string[]
  readonly store: Pick<LogStore, 'read'>
  /** Delete requests, whose entries may still be stored. */
  readonly deletions: readonly Deletion[]
  close(): void
}

/**
 * Opens a snapshot of the database in `dataDir`, read-only. The gateway goes on writing; its write-ahead log grows until `close`. Throws
 * parameter_invalid if there is no database, store_damaged if it is not of the current schema, store_unavailable if it cannot be opened.
 */
export function openStoredLogs(dataDir: string): StoredLogs {
  const path = join(dataDir, LOG_FILE)
  if (!existsSync(path)) {
    throw new GatewayError(
      'parameter_invalid',
      `the data folder '${dataDir}' has no ${LOG_FILE}; set MILLRACE_DATA_DIR to the folder of the gateway`,
    )
  }
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true })
    // One transaction: blocks that maintenance joins or deletes meanwhile stay readable.
    db.exec('PRAGMA busy_timeout = 5000; PRAGMA mmap_size = 0; BEGIN')
    checkSchema(db, path)
    const table = new StreamTable(db)
    const reader = new BlockReader(db, table, () => undefined)
    return {
      tenants: Array.from(table.tenantNames(), ([name]) => name).sort(),
      store: { read: (request, signal) => reader.read(request, signal) },
      deletions: readDeletions(db),
      close: () => db?.close(),
    }
  } catch (cause) {
    db?.close()
    throw openFailure(dataDir, cause)
  }
}
