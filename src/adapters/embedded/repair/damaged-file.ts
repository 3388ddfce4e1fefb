/** What a repair does with whole files: opens them, copies what is not a row, keeps them under another name. */

import { constants, copyFileSync, linkSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../../domain/errors.ts'
import { SUMMARY_TABLES } from '../blocks/summary-table.ts'
import { checkOurs, LOG_FILE, upgradeDatabase } from '../database.ts'
import { syncFile, syncFolder } from '../durable-files.ts'
import { openDatabaseFile } from '../sqlite-file.ts'
import type { LostBlock } from './rows.ts'
import { attempt, type Table, tablesOf } from './salvage.ts'

/** Undefined if SQLite cannot read its header or its schema. Throws store_damaged if it is of another program or version. */
export function openReadable(path: string): DatabaseSync | undefined {
  const isLogFile = basename(path) === LOG_FILE
  let db: DatabaseSync | undefined
  try {
    if (isLogFile) checkOurs(path)
    db = openDatabaseFile(path, 'FULL')
    if (isLogFile) upgradeDatabase(db)
    if (tablesOf(db).length > 0) return db
  } catch (cause) {
    if (cause instanceof GatewayError) {
      db?.close()
      throw cause
    }
  }
  db?.close()
  return undefined
}

/** Blocks are judged by the tenants and streams that are whole. Without the tables that are made again from the others. */
export function inOrder(tables: readonly Table[]): Table[] {
  const rank = ({ name }: Table): number =>
    name === 'tenants' ? 0 : name === 'streams' ? 1 : name === 'blocks' ? 2 : 3
  return tables.filter(({ name }) => !SUMMARY_TABLES.includes(name)).sort((a, b) => rank(a) - rank(b))
}

/** Tables that are created when they are first needed. */
export function createMissing(db: DatabaseSync, target: DatabaseSync, { name }: Table): void {
  const find = 'SELECT sql FROM sqlite_schema WHERE name = ?'
  if (target.prepare(find).get(name) !== undefined) return
  target.exec(db.prepare(find).get(name)?.['sql'] as string)
}

/** An id never comes again: positions and files beside refer to it. */
export function keepSequences(db: DatabaseSync, target: DatabaseSync): void {
  const rows = attempt(() => db.prepare('SELECT name, seq FROM sqlite_sequence').all()) ?? []
  const set = attempt(() => target.prepare('UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?'))
  const add = attempt(() =>
    target.prepare(
      'INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?)',
    ),
  )
  for (const row of rows) {
    const [name, sequence] = [row['name'] as string, row['seq'] as number]
    set?.run(sequence, name)
    add?.run(name, sequence, name)
  }
}

export interface IndexedBlocks {
  readonly byId: ReadonlyMap<number, LostBlock & { readonly tenant: number }>
  /** Whether the index could be read to its end. */
  readonly isWhole: boolean
}

/** What the index by time knows of blocks that were not joined into others. */
export function indexedBlocks(db: DatabaseSync): IndexedBlocks {
  const byId = new Map<number, LostBlock & { readonly tenant: number }>()
  let isWhole = false
  for (const order of ['ASC', 'DESC']) {
    const rows = attempt(() => {
      const statement = db.prepare(
        `SELECT tenant, newest, id, oldest FROM blocks INDEXED BY blocks_by_newest ORDER BY tenant ${order}, newest ${order}, id ${order}`,
      )
      statement.setReadBigInts(true)
      return statement.iterate() as Iterator<Record<string, bigint>>
    })
    if (rows === undefined) break
    for (;;) {
      const next = attempt(() => rows.next())
      if (next === undefined) break
      if (next.done === true) {
        isWhole = true
        break
      }
      const { tenant, oldest, newest, id } = next.value as Record<'tenant' | 'oldest' | 'newest' | 'id', bigint>
      byId.set(Number(id), { tenant: Number(tenant), oldest, newest, entries: undefined, streamIds: [] })
    }
    if (isWhole) break
  }
  const retired = 'SELECT id FROM blocks INDEXED BY blocks_retired WHERE retired IS NOT NULL'
  for (const row of attempt(() => db.prepare(retired).all()) ?? []) byId.delete(row['id'] as number)
  return { byId, isWhole }
}

/** A second name for the file, or a copy where the file system has no links. */
export function keepAs(path: string, name: string): void {
  try {
    linkSync(path, name)
  } catch {
    copyFileSync(path, name, constants.COPYFILE_EXCL)
    syncFile(name)
  }
  syncFolder(dirname(path))
}
