/** Opens the file of incidents, and upgrades it to the current schema. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../domain/errors.ts'
import { COUNTED_BLOCKS } from '../../ports/incidents.ts'
import { makeFolder } from './durable-files.ts'
import { openWithReserve } from './retention/disk-space.ts'
import { createDatabaseOnce, openDatabaseFile } from './sqlite-file.ts'

export const INCIDENT_FILE = 'incidents.db'
/** Identifies a file of Millrace's incidents: "MILI". */
const APPLICATION_ID = 0x4d494c49
const SCHEMA_VERSION = 2

/**
 * `body` is the JSON of protocol/incidents/incident-record.ts; the other columns are for searching. Times are ms since
 * the epoch.
 */
export const INCIDENT_SCHEMA = `
  CREATE TABLE incidents (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    quiet_at_ms INTEGER,
    closed_ms INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX incidents_by_time ON incidents (tenant, last_seen_ms DESC, id DESC, state);
  CREATE INDEX incidents_quiet ON incidents (quiet_at_ms) WHERE quiet_at_ms IS NOT NULL;
  CREATE INDEX incidents_closed ON incidents (closed_ms) WHERE closed_ms IS NOT NULL;
  CREATE TABLE deliveries (id TEXT PRIMARY KEY, kept_until_ms INTEGER NOT NULL) STRICT;
  CREATE INDEX deliveries_by_age ON deliveries (kept_until_ms);
  CREATE TABLE pending_counts (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT;
  CREATE TABLE outbox (id TEXT PRIMARY KEY, due_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE INDEX outbox_by_time ON outbox (due_ms);
  CREATE TABLE sendings (minute INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
  CREATE TABLE cursors (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
  CREATE TABLE audit (
    incident_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    group_id TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    log_group TEXT NOT NULL,
    log_stream TEXT NOT NULL,
    message TEXT NOT NULL,
    severity TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (tenant, log_group, incident_id)
  ) STRICT;
  CREATE INDEX audit_by_age ON audit (created_at);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** From schema 1, which stored each counted line. */
const UPGRADE = `
  DROP TABLE windows;
  DELETE FROM cursors WHERE name = 'accepted-lines';
  CREATE TABLE deliveries (id TEXT PRIMARY KEY, kept_until_ms INTEGER NOT NULL) STRICT;
  CREATE INDEX deliveries_by_age ON deliveries (kept_until_ms);
  CREATE TABLE pending_counts (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** Opens or creates `incidents.db` in `dataDir`. Throws store_unavailable, or store_damaged for another schema. */
export function openIncidentDatabase(dataDir: string): DatabaseSync {
  const path = join(dataDir, INCIDENT_FILE)
  let db: DatabaseSync | undefined
  try {
    makeFolder(dataDir)
    createDatabaseOnce(path, INCIDENT_SCHEMA)
    db = openWithReserve(dataDir, () => openDatabaseFile(path, 'FULL'))
    completeSchema(db, path)
    return db
  } catch (cause) {
    db?.close()
    if (cause instanceof GatewayError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    const text = `'${path}' cannot be opened: ${why}; check the folder's permissions, or move the file aside`
    throw new GatewayError('store_unavailable', text, { cause })
  }
}

/** An earlier version may have died before it created the first table. */
function completeSchema(db: DatabaseSync, path: string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
  const application = Number(db.prepare('PRAGMA application_id').get()?.['application_id'])
  if (version === SCHEMA_VERSION && application === APPLICATION_ID) return
  if (version === 1 && application === APPLICATION_ID) {
    db.exec(`BEGIN IMMEDIATE; ${UPGRADE} COMMIT;`)
    return
  }
  if (version !== 0 || application !== 0) {
    const text = `'${path}' has schema ${version}; this version reads schema ${SCHEMA_VERSION}: use the version that wrote it`
    throw new GatewayError('store_damaged', text)
  }
  db.exec(`BEGIN IMMEDIATE; ${INCIDENT_SCHEMA} COMMIT;`)
}

/** Deletes the position of counted blocks, if the file exists. Throws store_unavailable. */
export function forgetCountedBlocks(dataDir: string): void {
  if (!existsSync(join(dataDir, INCIDENT_FILE))) return
  const db = openIncidentDatabase(dataDir)
  try {
    db.prepare('DELETE FROM cursors WHERE name = ?').run(COUNTED_BLOCKS)
  } finally {
    db.close()
  }
}
