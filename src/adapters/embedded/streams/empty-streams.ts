/** Removes streams that no block has any more, which would otherwise stay on disk forever. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { IdSet } from '../../../kit/id-set.ts'
import type { BlockWriter } from '../block-writer.ts'
import { parseStreamIds } from './stored-stream.ts'

/** Rows of blocks, and of streams, in one turn of the event loop. */
const BLOCK_ROWS = 256
const STREAM_ROWS = 1000

/** Reads the row of every block, in small steps; blocks may be committed meanwhile. `isStopped` ends it between steps. */
export async function dropEmptyStreams(db: DatabaseSync, writer: BlockWriter, isStopped: () => boolean): Promise<void> {
  const blocks = db.prepare(`SELECT id, streams FROM blocks WHERE id > ? ORDER BY id LIMIT ${BLOCK_ROWS}`)
  const streams = db.prepare(`SELECT id, tenant FROM streams WHERE id > ? ORDER BY id LIMIT ${STREAM_ROWS}`)
  const remove = db.prepare('DELETE FROM streams WHERE id = ?')
  const used = new UsedStreams(blocks)
  while (used.readSome()) {
    await setImmediate()
    if (isStopped()) return
  }
  for (let after = 0; ; ) {
    const rows = streams.all(after) as { id: number; tenant: number }[]
    if (rows.length === 0) return
    after = (rows.at(-1) as { id: number }).id
    // In the same turn as the removal: blocks that were committed since.
    while (used.readSome());
    const empty = rows.filter(({ id }) => !used.has(id))
    if (empty.length > 0) {
      writer.transaction(() => {
        for (const { id } of empty) remove.run(id)
      })
      for (const { id, tenant } of empty) writer.table.forget(id, tenant)
    }
    await setImmediate()
    if (isStopped()) return
  }
}

/** The streams of the blocks read so far, by ascending id of the block: a later block has a higher id. */
class UsedStreams {
  readonly #blocks: StatementSync
  readonly #ids = new IdSet()
  #after = 0

  constructor(blocks: StatementSync) {
    this.#blocks = blocks
  }

  has(id: number): boolean {
    return this.#ids.has(id)
  }

  /** Reads a few blocks; false if there are no more. */
  readSome(): boolean {
    const rows = this.#blocks.all(this.#after) as { id: number; streams: Uint8Array }[]
    for (const { id, streams } of rows) {
      this.#after = id
      for (const stream of parseStreamIds(streams)) this.#ids.add(stream)
    }
    return rows.length === BLOCK_ROWS
  }
}
