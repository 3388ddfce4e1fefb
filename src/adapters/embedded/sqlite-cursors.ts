/** CursorStore on its own SQLite file, so that the schema of the log file is not affected and either can be removed. */

import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../domain/errors.ts'
import type { SourceCursor } from '../../domain/sources/source-cursor.ts'
import type { CursorStore, Lease, StoredCursor } from '../../ports/sources.ts'
import { formatCursor, parseCursor } from '../../protocol/sources/source-cursor-format.ts'
import { makeFolder } from './durable-files.ts'
import { createDatabaseOnce, openDatabaseFile } from './sqlite-file.ts'

const FILE = 'cursors.db'

/** `cursor` is null before the first run ends; the lease columns are null while no run is active. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS cursors (
    source TEXT NOT NULL,
    project TEXT NOT NULL,
    revision INTEGER NOT NULL,
    holder TEXT,
    until_ms INTEGER,
    cursor TEXT,
    PRIMARY KEY (source, project)
  ) STRICT
`

export class SqliteCursors implements CursorStore {
  readonly #db: DatabaseSync
  readonly #source: string

  /** Opens or creates the file in `dataDir`. Throws store_unavailable if that fails. */
  constructor(dataDir: string, source: string) {
    this.#source = source
    this.#db = attempt(() => {
      makeFolder(dataDir)
      const path = join(dataDir, FILE)
      createDatabaseOnce(path, SCHEMA)
      const db = openDatabaseFile(path, 'FULL')
      // An earlier version may have died before it created the table.
      db.exec(SCHEMA)
      return db
    })
  }

  async load(projectId: string): Promise<StoredCursor> {
    const select = 'SELECT revision, holder, until_ms, cursor FROM cursors WHERE source = ? AND project = ?'
    const row = attempt(() => this.#db.prepare(select).get(this.#source, projectId))
    if (row === undefined) return { cursor: undefined, revision: 0, lease: undefined }
    const { revision, holder, until_ms: untilMs, cursor } = row
    return {
      cursor: typeof cursor === 'string' ? parseCursor(cursor) : undefined,
      revision: Number(revision),
      lease: typeof holder === 'string' ? { holder, untilMs: Number(untilMs) } : undefined,
    }
  }

  async claim(projectId: string, { revision }: StoredCursor, { holder, untilMs }: Lease): Promise<number> {
    const upsert = `
      INSERT INTO cursors (source, project, revision, holder, until_ms) VALUES (?, ?, 1, ?, ?)
      ON CONFLICT DO UPDATE SET revision = revision + 1, holder = excluded.holder, until_ms = excluded.until_ms
      WHERE revision = ?`
    const { changes } = attempt(() => this.#db.prepare(upsert).run(this.#source, projectId, holder, untilMs, revision))
    if (Number(changes) === 0) throw conflict()
    return revision + 1
  }

  async save(projectId: string, revision: number, cursor: SourceCursor, lease: Lease | undefined): Promise<number> {
    const update = `
      UPDATE cursors SET revision = revision + 1, holder = ?, until_ms = ?, cursor = ?
      WHERE source = ? AND project = ? AND revision = ?`
    const values = [lease?.holder ?? null, lease?.untilMs ?? null, formatCursor(cursor)]
    const { changes } = attempt(() => this.#db.prepare(update).run(...values, this.#source, projectId, revision))
    if (Number(changes) === 0) throw conflict()
    return revision + 1
  }

  close(): void {
    this.#db.close()
  }
}

function conflict(): GatewayError {
  return new GatewayError('state_conflict', 'another run has the cursor, so this run stops; the next run continues')
}

function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    const text = `the poller's cursors in ${FILE} cannot be read or written; check the disk of MILLRACE_DATA_DIR`
    throw new GatewayError('store_unavailable', text, { cause })
  }
}
