/** Repairs a stopped data folder: sets what is damaged aside into files beside it, and keeps the rest. */

import { existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Loss } from '../../../domain/entries/loss.ts'
import { GatewayError } from '../../../domain/errors.ts'
import { resetSummaries } from '../blocks/summary-table.ts'
import { LOG_FILE, lockFolder, openFailure, SCHEMA } from '../database.ts'
import { syncFile, syncFolder } from '../durable-files.ts'
import { INCIDENT_FILE, INCIDENT_SCHEMA } from '../incident-database.ts'
import { createDatabase } from '../sqlite-file.ts'
import { parseStreamIds } from '../streams/stored-stream.ts'
import { AsideFile } from './aside-file.ts'
import { createMissing, indexedBlocks, inOrder, keepAs, keepSequences, openReadable } from './damaged-file.ts'
import { Losses, type LostBlock, RowJudge } from './rows.ts'
import { inserter, isConsistent, type Row, readableRows, type Table, tablesOf } from './salvage.ts'

/** Rows of a table other than blocks that are lost. */
export interface LostRows {
  readonly file: string
  readonly table: string
  readonly rows: number
}

export interface RepairReport {
  /** Blocks that are whole, and their entries. */
  readonly blocks: number
  readonly entries: number
  readonly losses: readonly Loss[]
  readonly rows: readonly LostRows[]
  /** Databases of which nothing can be read; a new one takes their place. */
  readonly unreadable: readonly string[]
  /** Databases that were rebuilt from what can be read, as SQLite finds them inconsistent. */
  readonly rebuilt: readonly string[]
  /** Files that now have what was damaged. */
  readonly aside: readonly string[]
}

export interface RepairOptions {
  /** Only reports. */
  readonly isCheck: boolean
  /** For the names of files, ms since the epoch. */
  readonly nowMs: number
}

/** Files with this in their name are set aside; they do not count as data. */
export const ASIDE = '.damaged-'

/**
 * Reads every row of the databases in `dataDir`. Rows that are damaged go to `millrace.db.damaged-TIME.rows`; a database
 * that SQLite finds inconsistent goes to `millrace.db.damaged-TIME`, and what can be read of it takes its place, which
 * needs as much space again. No byte is deleted. Killed at any point, the folder can be opened or repaired again.
 * Throws parameter_invalid if the folder has no database, store_unavailable if a gateway uses it.
 */
export function repair(dataDir: string, options: RepairOptions): RepairReport {
  if (!existsSync(join(dataDir, LOG_FILE))) {
    throw new GatewayError('parameter_invalid', `'${dataDir}' has no ${LOG_FILE}; give the folder that has it`)
  }
  const lock = lockFolder(dataDir)
  try {
    const work = new Repair(dataDir, options)
    work.file(LOG_FILE, SCHEMA)
    if (existsSync(join(dataDir, INCIDENT_FILE))) work.file(INCIDENT_FILE, INCIDENT_SCHEMA)
    return work.report()
  } catch (cause) {
    throw openFailure(dataDir, cause)
  } finally {
    lock.close()
  }
}

class Repair {
  readonly #dataDir: string
  readonly #options: RepairOptions
  readonly #losses = new Losses()
  readonly #rows: LostRows[] = []
  readonly #unreadable: string[] = []
  readonly #rebuilt: string[] = []
  readonly #aside: string[] = []
  #blocks = 0
  #entries = 0

  constructor(dataDir: string, options: RepairOptions) {
    this.#dataDir = dataDir
    this.#options = options
  }

  report(): RepairReport {
    return {
      blocks: this.#blocks,
      entries: this.#entries,
      losses: this.#losses.list(),
      rows: this.#rows,
      unreadable: this.#unreadable,
      rebuilt: this.#rebuilt,
      aside: this.#aside,
    }
  }

  file(name: string, schema: string): void {
    const path = join(this.#dataDir, name)
    const damaged = `${path}${ASIDE}${new Date(this.#options.nowMs).toISOString().replaceAll(/[:.]/g, '-')}`
    const aside = new AsideFile(`${damaged}.rows`)
    const db = openReadable(path)
    if (db === undefined) {
      this.#unreadable.push(name)
      if (this.#options.isCheck) return
      createDatabase(`${path}.rebuilt`, schema)
      this.#replace(path, damaged)
      return
    }
    let isRebuilt = false
    try {
      if (isConsistent(db)) this.#inPlace(db, name, aside)
      else {
        this.#rebuilt.push(name)
        isRebuilt = true
        this.#rebuild(db, path, schema, aside)
      }
    } finally {
      if (aside.close()) this.#setAside(aside.path)
      db.close()
    }
    if (isRebuilt && !this.#options.isCheck) this.#replace(path, damaged)
  }

  /** Moves damaged rows to the file beside; a row is durable there before it leaves. */
  #inPlace(db: DatabaseSync, name: string, aside: AsideFile): void {
    const judge = new RowJudge(db)
    const moved: { table: Table; rows: Row[] }[] = []
    const righted: Row[] = []
    for (const table of inOrder(tablesOf(db))) {
      const rows: Row[] = []
      const lost = this.#walk(db, name, table, judge, {
        whole: (row, was) => {
          if (row !== was) righted.push(summaryOf(row))
        },
        damaged: (row, why) => {
          if (!this.#options.isCheck) aside.add(table, row, why)
          rows.push(keyOf(table, row))
        },
      })
      if (rows.length > 0) moved.push({ table, rows })
      if (lost > 0 && table.name !== 'blocks') this.#rows.push({ file: name, table: table.name, rows: lost })
    }
    aside.close()
    if (this.#options.isCheck) return
    db.exec('BEGIN IMMEDIATE')
    for (const { table, rows } of moved) {
      const condition = table.keys.map((key) => `"${key}" = ?`).join(' AND ')
      const remove = db.prepare(`DELETE FROM "${table.name}" WHERE ${condition}`)
      for (const row of rows) remove.run(...Object.values(row))
    }
    for (const row of righted) db.prepare(SET_SUMMARY).run(row)
    if (name === LOG_FILE) resetSummaries(db)
    db.exec('COMMIT')
  }

  /** Copies what can be read to a new database at `PATH.rebuilt`; a check only reads. */
  #rebuild(db: DatabaseSync, path: string, schema: string, aside: AsideFile): void {
    const { isCheck } = this.#options
    const name = basename(path)
    const copy = `${path}.rebuilt`
    if (!isCheck) createDatabase(copy, schema)
    const target = new DatabaseSync(isCheck ? ':memory:' : copy)
    try {
      target.exec(isCheck ? schema : 'PRAGMA synchronous = OFF')
      const judge = new RowJudge(target)
      for (const table of inOrder(tablesOf(db))) {
        createMissing(db, target, table)
        const insert = inserter(target, table)
        target.exec('BEGIN')
        const lost = this.#walk(db, name, table, judge, {
          whole: (row) => {
            if (!(isCheck && table.name === 'blocks')) insert(row)
          },
          damaged: (row, why) => {
            if (!isCheck) aside.add(table, row, why)
          },
        })
        target.exec('COMMIT')
        if (lost > 0 && table.name !== 'blocks') {
          this.#rows.push({ file: name, table: table.name, rows: lost })
        }
      }
      keepSequences(db, target)
      if (name === LOG_FILE && !isCheck) resetSummaries(target)
    } finally {
      target.close()
    }
  }

  /** Visits the rows of a table; returns the number of rows that are lost. */
  #walk(
    db: DatabaseSync,
    name: string,
    table: Table,
    judge: RowJudge,
    visit: { whole: (row: Row, was: Row) => void; damaged: (row: Row, why: string) => void },
  ): number {
    let lost = 0
    const isBlocks = table.name === 'blocks'
    // Joined and expired blocks no longer exist; an index lists those that do.
    const index = isBlocks && this.#rebuilt.includes(name) ? indexedBlocks(db) : undefined
    const missing = new Map(index?.byId)
    let unknown = 0
    const onUnreadable = (id: number): void => {
      if (index?.byId.has(id) === false) unknown++
      else if (!isBlocks) lost++
    }
    for (const row of readableRows(db, table, onUnreadable)) {
      const verdict = judge.of(table, row)
      if (isBlocks) missing.delete(Number(row['id']))
      const isRetired = isBlocks && row['retired'] !== null
      if (verdict.isWhole) {
        visit.whole(verdict.row, row)
        if (isBlocks && !isRetired) {
          this.#blocks++
          this.#entries += Number(verdict.row['entries'])
        }
        continue
      }
      visit.damaged(row, verdict.why)
      lost++
      // What a retired block has is in the block that it was joined into.
      if (isBlocks && !isRetired) this.#losses.add(judge.tenantName(Number(row['tenant'])), lostBlock(row))
    }
    for (const block of missing.values()) this.#losses.add(judge.tenantName(block.tenant), block)
    if (index?.isWhole === false) for (let i = 0; i < unknown; i++) this.#losses.add(undefined, undefined)
    return lost + missing.size
  }

  /** Gives the database at `PATH.rebuilt` the name of the damaged one, which stays under the name `damaged`. */
  #replace(path: string, damaged: string): void {
    const copy = `${path}.rebuilt`
    syncFile(copy)
    keepAs(path, damaged)
    this.#setAside(damaged)
    // A log that could not be merged would be applied to the new file. It belongs to the damaged one.
    const log = `${path}-wal`
    if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > 0) {
      keepAs(log, `${damaged}-wal`)
      this.#setAside(`${damaged}-wal`)
    }
    for (const part of ['-wal', '-shm', '-journal']) {
      rmSync(path + part, { force: true })
      rmSync(copy + part, { force: true })
    }
    syncFolder(dirname(path))
    renameSync(copy, path)
    syncFolder(dirname(path))
  }

  #setAside(path: string): void {
    syncFolder(dirname(path))
    if (!this.#aside.includes(path)) this.#aside.push(path)
  }
}

const SET_SUMMARY =
  'UPDATE blocks SET oldest = :oldest, newest = :newest, entries = :entries, line_bytes = :line_bytes WHERE id = :id'

/** The parameters of SET_SUMMARY. */
function summaryOf({ id, oldest, newest, entries, line_bytes }: Row): Row {
  return { id, oldest, newest, entries, line_bytes } as Row
}

function keyOf({ keys }: Table, row: Row): Row {
  return Object.fromEntries(keys.map((key) => [key, row[key] ?? null]))
}

/** Undefined if the row is damaged so far that nothing of its summary holds. */
function lostBlock(row: Row): LostBlock | undefined {
  const { oldest, newest, entries, streams } = row
  if (typeof oldest !== 'bigint' || typeof newest !== 'bigint' || typeof entries !== 'bigint') return undefined
  return {
    oldest,
    newest,
    entries: Number(entries),
    streamIds: streams instanceof Uint8Array ? parseStreamIds(streams) : [],
  }
}
