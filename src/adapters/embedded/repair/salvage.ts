/** Reads the rows of a damaged SQLite file that can still be read. */

import type { DatabaseSync } from 'node:sqlite'

export type Row = Record<string, bigint | number | string | Uint8Array | null>

/** A table of a file: its columns, those of its primary key, and its key if that is one integer. */
export interface Table {
  readonly name: string
  readonly columns: readonly string[]
  readonly keys: readonly string[]
  readonly key: string | undefined
}

/** The tables in the file's schema, without SQLite's own. Throws if the schema itself cannot be read. */
export function tablesOf(db: DatabaseSync): Table[] {
  const names = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).all()
  return names.map((row) => {
    const name = row['name'] as string
    const columns = db.prepare('SELECT name, type, pk FROM pragma_table_info(?)').all(name)
    const keys = columns.filter(({ pk }) => pk !== 0)
    const key = keys.length === 1 && keys[0]?.['type'] === 'INTEGER' ? (keys[0]['name'] as string) : undefined
    const nameOf = (column: Record<string, unknown>): string => column['name'] as string
    return { name, columns: columns.map(nameOf), keys: keys.map(nameOf), key }
  })
}

/** A key beyond this is not one that was given: it would take a million years of commits. */
export const KEY_MAX = 2 ** 48
/** Keys that are tried one after the other where no row can be read; a damaged key may be far away. */
const TRIES_MAX = 1_000_000

/** Whether SQLite finds the file consistent: pages, rows, indexes. The bytes within a value have no checksums. */
export function isConsistent(db: DatabaseSync): boolean {
  try {
    return db.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check'] === 'ok'
  } catch {
    return false
  }
}

/**
 * Every row that can be read, once each if the table has an integer key. `onUnreadable` gets the ids, within the range of
 * known ids, whose row cannot be read; rows without an integer key are lost without a call.
 */
export function* readableRows(db: DatabaseSync, table: Table, onUnreadable: (id: number) => void): Generator<Row> {
  if (table.key === undefined) yield* bothEnds(db, table)
  else yield* byKey(db, table, table.key, onUnreadable)
}

/** From the first row to the first damage, then from the last row backward to it. Rows may come twice. */
function* bothEnds(db: DatabaseSync, { name, columns, keys }: Table): Generator<Row> {
  const order = (direction: string): string =>
    keys.length === 0 ? '' : `ORDER BY ${keys.map((key) => `"${key}" ${direction}`).join(', ')}`
  for (const direction of ['ASC', 'DESC']) {
    const rows = attempt(() => prepare(db, `SELECT ${listOf(columns)} FROM "${name}" ${order(direction)}`).iterate())
    if (rows !== undefined && (yield* untilDamage(rows as Iterator<Row>))) return
  }
}

/** In the order of the key; after a damage, id by id until a row can be read again, TRIES_MAX ids at most. */
function* byKey(db: DatabaseSync, table: Table, key: string, onUnreadable: (id: number) => void): Generator<Row> {
  const { name, columns } = table
  const selected = `SELECT ${listOf(columns)} FROM "${name}"`
  const after = prepare(db, `${selected} WHERE "${key}" > ? ORDER BY "${key}"`)
  const one = prepare(db, `${selected} WHERE "${key}" = ?`)
  const end = lastKey(db, table, key)
  let last = 0
  for (;;) {
    const rows = attempt(() => after.iterate(last) as Iterator<Row>)
    let isWhole = false
    while (rows !== undefined) {
      const next = attempt(() => rows.next())
      if (next === undefined) break
      if (next.done === true) {
        isWhole = true
        break
      }
      yield next.value
      last = Number(next.value[key])
      if (last > KEY_MAX) return
    }
    if (isWhole) return
    const give = Math.min(end, last + TRIES_MAX)
    for (let found = false; !found; ) {
      last++
      if (last > give) return
      try {
        const row = one.get(last) as Row | undefined
        if (row === undefined || Number(row[key]) !== last) continue
        found = true
        yield row
      } catch {
        onUnreadable(last)
      }
    }
  }
}

function lastKey(db: DatabaseSync, { name }: Table, key: string): number {
  const ends = [
    `SELECT seq AS last FROM sqlite_sequence WHERE name = '${name}'`,
    `SELECT max("${key}") AS last FROM "${name}"`,
  ]
  const keys = ends.map((sql) => Number(attempt(() => prepare(db, sql).get())?.['last'] ?? 0))
  return Math.max(0, ...keys.filter((last) => last <= KEY_MAX))
}

/** True if it ended without damage. */
function* untilDamage(rows: Iterator<Row>): Generator<Row, boolean> {
  for (;;) {
    const next = attempt(() => rows.next())
    if (next === undefined) return false
    if (next.done === true) return true
    yield next.value
  }
}

/** Undefined if it throws. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function prepare(db: DatabaseSync, sql: string) {
  const statement = db.prepare(sql)
  statement.setReadBigInts(true)
  return statement
}

function listOf(columns: readonly string[]): string {
  return columns.map((column) => `"${column}"`).join(', ')
}

/** Inserts rows of the table; false if the row breaks one of the table's rules or is there already. */
export function inserter(db: DatabaseSync, { name, columns }: Table): (row: Row) => boolean {
  const values = columns.map(() => '?').join(', ')
  const insert = db.prepare(`INSERT OR IGNORE INTO "${name}" (${listOf(columns)}) VALUES (${values})`)
  return (row) => attempt(() => insert.run(...columns.map((column) => row[column] ?? null)).changes) === 1
}
