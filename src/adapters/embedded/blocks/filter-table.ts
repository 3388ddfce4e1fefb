/** The table of block filters, by which reads skip blocks: commits build those of blocks that stay, maintenance the others. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { Block } from '../../../domain/entries/block.ts'
import type { Needle, TextNeed } from '../../../domain/entries/text-need.ts'
import {
  type EncodedFilter,
  FilterBuilder,
  gramsOf,
  mayHaveHex,
  mayHaveTrigrams,
  type NeedleGrams,
  openSection,
} from '../../../protocol/blocks/gram-filter.ts'
import { readFailure } from '../database.ts'
import { filteredFrom, joinedBelow } from './block-sizes.ts'

/** Made when it is missing: a block without a filter is read, so files and programs from before it need no upgrade. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS block_filters (block INTEGER PRIMARY KEY, trigrams BLOB NOT NULL, hex BLOB NOT NULL) STRICT;
  CREATE TRIGGER IF NOT EXISTS block_filters_deleted AFTER DELETE ON blocks
    BEGIN DELETE FROM block_filters WHERE block = old.id; END;
`

export function createFilters(db: DatabaseSync): void {
  db.exec(SCHEMA)
}

/** Rows looked at, and filters written, at a time. */
const ROWS_PER_STEP = 256
const FILTERS_PER_COMMIT = 16

/** Builds and writes filters. */
export class FilterWriter {
  readonly #builder = new FilterBuilder()
  readonly #insert: StatementSync
  readonly #joinedBelow: number

  constructor(db: DatabaseSync, blockBytes: number) {
    this.#joinedBelow = joinedBelow(blockBytes)
    // The block may have been replaced or deleted while its filter was built.
    this.#insert = db.prepare(`
      INSERT INTO block_filters (block, trigrams, hex)
      SELECT :id, :trigrams, :hex WHERE EXISTS (SELECT 1 FROM blocks WHERE id = :id AND retired IS NULL)`)
  }

  /** Within the caller's transaction, which inserts the block: its filter, unless the block will be joined with others. */
  writeNew(id: number, block: Block): void {
    if (block.text.length >= this.#joinedBelow) this.write(id, this.build(id, block))
  }

  build(id: number, block: Block): EncodedFilter {
    return this.#builder.build(block, id)
  }

  /** Within the caller's transaction. */
  write(id: number, { trigrams, hex }: EncodedFilter): void {
    this.#insert.run({ id, trigrams, hex })
  }
}

export interface FillerParts {
  readonly db: DatabaseSync
  readonly filters: FilterWriter
  /** Undefined if the block is damaged or gone. */
  readonly loadBlock: (tenant: number, id: number) => Block | undefined
  readonly transaction: (work: () => void) => void
  /** Line bytes at which a block is full. */
  readonly blockBytes: number
}

/** Builds the filters of blocks that have none. */
export class FilterFiller {
  readonly #parts: FillerParts
  readonly #due: StatementSync
  /** The last block that was looked at: later ones have higher ids. */
  #last = 0

  constructor(parts: FillerParts) {
    this.#parts = parts
    this.#due = parts.db.prepare(`
      SELECT id, tenant, retired IS NULL AND line_bytes >= ?
        AND NOT EXISTS (SELECT 1 FROM block_filters WHERE block = id) AS is_due
      FROM blocks WHERE id > ? ORDER BY id LIMIT ${ROWS_PER_STEP}`)
  }

  /** Until all have one; `isStopped` ends it between two blocks. */
  async run(isStopped: () => boolean): Promise<void> {
    for (;;) {
      const rows = this.#due.all(filteredFrom(this.#parts.blockBytes), this.#last)
      let filters: [id: number, filter: EncodedFilter][] = []
      for (const row of rows) {
        const id = row['id'] as number
        if (row['is_due'] === 1) {
          await setImmediate()
          if (isStopped()) return
          const block = this.#parts.loadBlock(row['tenant'] as number, id)
          if (block !== undefined) filters.push([id, this.#parts.filters.build(id, block)])
        }
        if (filters.length < FILTERS_PER_COMMIT && row !== rows.at(-1)) continue
        this.#write(filters)
        filters = []
        this.#last = id
      }
      if (rows.length < ROWS_PER_STEP) return
      await setImmediate()
    }
  }

  #write(filters: readonly [id: number, filter: EncodedFilter][]): void {
    if (filters.length === 0) return
    this.#parts.transaction(() => {
      for (const [id, filter] of filters) this.#parts.filters.write(id, filter)
    })
  }
}

/** A need as grams; undefined if one of its needles has none, so that it can rule out no block. */
type Question = readonly { readonly needle: Needle; readonly grams: NeedleGrams }[]

/** What a read needs, in the form that filters answer. */
export class FilterQuestions {
  readonly list: readonly Question[]
  readonly asksHex: boolean
  readonly asksTrigrams: boolean

  constructor(needs: readonly TextNeed[]) {
    const all = needs.map((need) => need.map((needle) => ({ needle, grams: gramsOf(needle) })))
    this.list = all.filter((question) => question.every(({ grams }) => grams.hex.length + grams.trigrams.length > 0))
    const grams = this.list.flat().map((each) => each.grams)
    this.asksHex = grams.some(({ hex }) => hex.length > 0)
    this.asksTrigrams = grams.some(({ trigrams }) => trigrams.length > 0)
  }
}

/** Asks the filters of blocks. */
export class FilterReader {
  readonly #db: DatabaseSync
  /** By column, prepared at their first use: a file that is only read may have no such table. */
  readonly #statements = new Map<string, StatementSync>()
  readonly #onDamage: (blockId: number, cause: unknown) => void

  constructor(db: DatabaseSync, onDamage: (blockId: number, cause: unknown) => void) {
    this.#db = db
    this.#onDamage = onDamage
  }

  /**
   * False if no entry of the block can satisfy all needs. `hasLabel`: whether a stream of the read in the block has the
   * label, which then hides what the metadata has.
   */
  mayHave(id: number, { list, asksHex, asksTrigrams }: FilterQuestions, hasLabel: (name: string) => boolean): boolean {
    if (list.length === 0) return true
    // Identifiers rule out the most.
    const isOut = (mayBe: (grams: NeedleGrams) => boolean): boolean =>
      list.some((question) =>
        question.every(({ needle, grams }) => {
          return !mayBe(grams) && (needle.label === undefined || !hasLabel(needle.label))
        }),
      )
    const hex = asksHex ? this.#section('hex', id) : undefined
    if (hex !== undefined && isOut((grams) => mayHaveHex(hex, grams))) return false
    const trigrams = asksTrigrams ? this.#section('trigrams', id) : undefined
    if (trigrams === undefined) return true
    return !isOut((grams) => mayHaveTrigrams(trigrams, grams) && (hex === undefined || mayHaveHex(hex, grams)))
  }

  /** Undefined if the block has no filter, or not this one any more. */
  #section(column: keyof EncodedFilter, id: number): Uint8Array | undefined {
    try {
      const statement =
        this.#statements.get(column) ??
        this.#db.prepare(`SELECT ${column} AS section FROM block_filters WHERE block = ?`)
      this.#statements.set(column, statement)
      const row = statement.get(id)
      return row === undefined ? undefined : openSection(row['section'] as Uint8Array, id)
    } catch (cause) {
      const failure = readFailure(cause)
      if (failure.code !== 'store_damaged') throw failure
      this.#onDamage(id, cause)
      return undefined
    }
  }
}
