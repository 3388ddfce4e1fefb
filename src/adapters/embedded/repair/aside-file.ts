/** The file beside the data that keeps the rows a repair takes out. */

import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { createDatabase } from '../sqlite-file.ts'
import { inserter, type Row, type Table } from './salvage.ts'

/**
 * Rows as they were, in tables of the same names with a column `why`. Created at the first row, so that a repair without
 * rows makes no file. Rows are durable after `close`.
 */
export class AsideFile {
  readonly path: string
  #db: DatabaseSync | undefined
  readonly #inserts = new Map<string, (row: Row) => boolean>()
  #rows = 0

  constructor(path: string) {
    this.path = path
  }

  /** Rows that were added. */
  get rows(): number {
    return this.#rows
  }

  add(table: Table, row: Row, why: string): void {
    if (this.#db === undefined) {
      createDatabase(this.path, '')
      this.#db = new DatabaseSync(this.path)
      this.#db.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; BEGIN')
    }
    this.#insertOf(table, this.#db)({ ...row, why })
    this.#rows++
  }

  /** Makes the rows durable; returns whether there is a file. */
  close(): boolean {
    if (this.#db === undefined) return existsSync(this.path)
    this.#db.exec('COMMIT')
    this.#db.close()
    this.#db = undefined
    return true
  }

  #insertOf(table: Table, db: DatabaseSync): (row: Row) => boolean {
    let insert = this.#inserts.get(table.name)
    if (insert === undefined) {
      const columns = [...table.columns, 'why']
      // No types and no keys: a damaged row may have any value in any column.
      db.exec(`CREATE TABLE IF NOT EXISTS "${table.name}" (${columns.map((column) => `"${column}"`).join(', ')})`)
      insert = inserter(db, { ...table, columns })
      this.#inserts.set(table.name, insert)
    }
    return insert
  }
}
