/** Judges the rows of the gateway's tables: which are whole, which can be set right, and what else is lost with one. */

import type { DatabaseSync } from 'node:sqlite'
import { type Block, timeRange } from '../../../domain/entries/block.ts'
import type { Loss } from '../../../domain/entries/loss.ts'
import { decodeBlock, type EncodedBlock } from '../../../protocol/blocks/block-format.ts'
import { hashOfKey, parseStreamIds, readStream } from '../streams/stored-stream.ts'
import { StreamTable } from '../streams/stream-table.ts'
import { KEY_MAX, type Row, type Table } from './salvage.ts'

/** `isWhole`: the row may stay, as `row`. Otherwise `why` it may not. */
export type Verdict = { readonly isWhole: true; readonly row: Row } | { readonly isWhole: false; readonly why: string }

const WRONG_KEY = 'its id is not one that was given'
const LOST_NAME = 'the name of its tenant is lost'

/** The judge of `streams` and `blocks`. `db` has the tenants and streams that are whole, before a block is judged. */
export class RowJudge {
  readonly #db: DatabaseSync
  #table: StreamTable | undefined

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  of(table: Table, row: Row): Verdict {
    try {
      if (table.key !== undefined && !((row[table.key] as bigint) <= KEY_MAX)) return { isWhole: false, why: WRONG_KEY }
      if (table.name === 'streams') return judgeStream(row)
      if (table.name === 'blocks') return this.#judgeBlock(row)
      if (table.columns.includes('body')) JSON.parse(row['body'] as string)
      return { isWhole: true, row }
    } catch (cause) {
      return { isWhole: false, why: cause instanceof Error ? cause.message : String(cause) }
    }
  }

  /** The tenant's name, or its number. */
  tenantName(id: number): string {
    try {
      return this.#streams.tenantName(id)
    } catch {
      return `number ${id}, whose name is lost`
    }
  }

  get #streams(): StreamTable {
    this.#table ??= new StreamTable(this.#db)
    return this.#table
  }

  /** The summary in front of a block is derived from it, and so can be set right. */
  #judgeBlock(row: Row): Verdict {
    const tenant = Number(row['tenant'])
    const streams = this.#streams.streamsOf(tenant, parseStreamIds(row['streams'] as Uint8Array))
    const block: Block = decodeBlock(row as unknown as EncodedBlock, streams)
    try {
      this.#streams.tenantName(tenant)
    } catch {
      return { isWhole: false, why: LOST_NAME }
    }
    const { oldest, newest } = timeRange(block)
    const summary: Row = { oldest, newest, entries: BigInt(block.count), line_bytes: BigInt(block.text.length) }
    const isRight = Object.entries(summary).every(([name, value]) => row[name] === value)
    return { isWhole: true, row: isRight ? row : { ...row, ...summary } }
  }
}

/** The hash is of the labels' text. */
function judgeStream(row: Row): Verdict {
  const { key } = readStream(Number(row['id']), Number(row['tenant']), row['labels'] as string)
  if (hashOfKey(key) === row['hash']) return { isWhole: true, row }
  return { isWhole: false, why: 'its labels do not fit their hash' }
}

interface Counts {
  tenant: string | undefined
  blocks: number
  entries: number
  blocksUncounted: number
  streams: Set<number>
  oldest: bigint | undefined
  newest: bigint | undefined
}

/** What is known of a lost block. */
export interface LostBlock {
  readonly oldest: bigint
  readonly newest: bigint
  readonly entries: number | undefined
  readonly streamIds: Iterable<number>
}

/** Sums up losses by tenant. */
export class Losses {
  readonly #byTenant = new Map<string | undefined, Counts>()

  add(tenant: string | undefined, block: LostBlock | undefined): void {
    let counts = this.#byTenant.get(tenant)
    if (counts === undefined) {
      counts = {
        tenant,
        blocks: 0,
        entries: 0,
        blocksUncounted: 0,
        streams: new Set(),
        oldest: undefined,
        newest: undefined,
      }
      this.#byTenant.set(tenant, counts)
    }
    counts.blocks++
    if (block?.entries === undefined) counts.blocksUncounted++
    else counts.entries += block.entries
    if (block === undefined) return
    for (const id of block.streamIds) counts.streams.add(id)
    if (counts.oldest === undefined || block.oldest < counts.oldest) counts.oldest = block.oldest
    if (counts.newest === undefined || block.newest > counts.newest) counts.newest = block.newest
  }

  list(): Loss[] {
    return [...this.#byTenant.values()].map((counts) => ({ ...counts, streams: counts.streams.size }))
  }
}
