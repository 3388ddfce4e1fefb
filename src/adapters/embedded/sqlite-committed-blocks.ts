/** CommittedBlocks on the SQLite store: a look at its file by a connection that only reads. */

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { Block } from '../../domain/entries/block.ts'
import type { CommittedBlocks } from '../../ports/incidents.ts'
import { BLOCK_FORMAT, decodeBlock } from '../../protocol/blocks/block-format.ts'
import { readFailure } from './database.ts'
import { parseStreamIds, StreamTable } from './stream-table.ts'

/** The file of sqlite-log-store.ts. */
const FILE = 'millrace.db'
/** Rows looked at in one statement, in some milliseconds also where none is in memory; then the event loop goes on. */
const PAGE_ROWS = 512

export class SqliteCommittedBlocks implements CommittedBlocks {
  readonly #dataDir: string
  readonly #onDamage: (blockId: number, cause: unknown) => void

  /** `dataDir` holds an open SqliteLogStore. */
  constructor(dataDir: string, onDamage: (blockId: number, cause: unknown) => void) {
    this.#dataDir = dataDir
    this.#onDamage = onDamage
  }

  /** One snapshot: what is joined or removed meanwhile is still there. A joined block has the time of its newest part. */
  async *since(ms: number): AsyncGenerator<{ readonly tenant: string; readonly block: Block }> {
    const db = this.#open()
    try {
      db.exec('BEGIN')
      const table = new StreamTable(db)
      const names = new Map([...table.tenantNames()].map(([name, id]) => [id, name]))
      const page = db.prepare('SELECT id, committed_ms, retired FROM blocks WHERE id > ? ORDER BY id LIMIT ?')
      let rows = page.all(0, PAGE_ROWS)
      while (rows.length > 0) {
        for (const { id, committed_ms: committedMs, retired } of rows) {
          if ((committedMs as number) < ms || retired !== null) continue
          const found = this.#load(db, table, id as number)
          const tenant = found && names.get(found.tenant)
          if (found !== undefined && tenant !== undefined) yield { tenant, block: found.block }
        }
        await setImmediate()
        rows = page.all(rows.at(-1)?.['id'] as number, PAGE_ROWS)
      }
    } catch (cause) {
      throw readFailure(cause)
    } finally {
      db.close()
    }
  }

  #open(): DatabaseSync {
    try {
      const db = new DatabaseSync(join(this.#dataDir, FILE), { readOnly: true })
      db.exec('PRAGMA busy_timeout = 5000; PRAGMA mmap_size = 0;')
      return db
    } catch (cause) {
      throw readFailure(cause)
    }
  }

  /** Undefined for a block that is gone, or that cannot be read. */
  #load(db: DatabaseSync, table: StreamTable, id: number): { tenant: number; block: Block } | undefined {
    const row = db.prepare('SELECT tenant, format, streams, columns, metadata, text FROM blocks WHERE id = ?').get(id)
    if (row === undefined || row['format'] !== BLOCK_FORMAT) return undefined
    try {
      const streams = [...parseStreamIds(row['streams'] as Uint8Array)].map((stream) => table.storedStream(stream))
      const [columns, metadata, text] = [row['columns'], row['metadata'], row['text']] as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ]
      return { tenant: row['tenant'] as number, block: decodeBlock({ columns, metadata, text }, streams) }
    } catch (cause) {
      this.#onDamage(id, cause)
      return undefined
    }
  }
}
