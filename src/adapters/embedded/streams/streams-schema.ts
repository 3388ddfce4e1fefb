/** The table of streams, and its upgrade from schema 1. */

import type { DatabaseSync } from 'node:sqlite'
import { hashOfKey } from './stored-stream.ts'

/** `hash` is that of the key, so that the text of the labels is on disk once. */
export const STREAMS_SCHEMA = `
  CREATE TABLE streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    labels TEXT NOT NULL
  ) STRICT;
  CREATE INDEX streams_by_hash ON streams (tenant, hash);
`

/** Brings the table of schema 1, which had the key as text beside its labels, to the present one within a transaction. */
export function upgradeStreams(db: DatabaseSync): void {
  db.exec(`ALTER TABLE streams RENAME TO streams_before; ${STREAMS_SCHEMA}`)
  const insert = db.prepare('INSERT INTO streams (id, tenant, hash, labels) VALUES (?, ?, ?, ?)')
  // One row in memory at a time, however many there are.
  for (const row of db.prepare('SELECT id, tenant, key, labels FROM streams_before ORDER BY id').iterate()) {
    insert.run(row['id'] as number, row['tenant'] as number, hashOfKey(row['key'] as string), row['labels'] as string)
  }
  // An id never comes again: blocks of a backup may refer to it.
  db.exec(`
    DELETE FROM sqlite_sequence WHERE name = 'streams';
    UPDATE sqlite_sequence SET name = 'streams' WHERE name = 'streams_before';
    DROP TABLE streams_before;
  `)
}
