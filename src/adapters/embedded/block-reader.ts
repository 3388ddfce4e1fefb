/** Reads blocks, pruned by time and stream, one at a time, from a snapshot that joins and retention do not affect. */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { type Block, lowerBound, type StreamRun } from '../../domain/entries/block.ts'
import { GatewayError } from '../../domain/errors.ts'
import { compareText, type Labels, labelValue } from '../../domain/labels.ts'
import { NS_MAX, NS_MIN } from '../../domain/time.ts'
import { sortSlices } from '../../kit/slices.ts'
import type { ReadBlock, ReadRequest, StreamRange } from '../../ports/log-store.ts'
import { decodeColumns, discard, type EncodedBlock, PartialBlock } from '../../protocol/blocks/block-format.ts'
import { FilterQuestions, FilterReader } from './blocks/filter-table.ts'
import { entriesLeft, type LeftEntries, RunOffers } from './blocks/run-offers.ts'
import { BufferShelf, type Loan } from './buffer-shelf.ts'
import { attemptRead, readFailure } from './database.ts'
import { parseStreamIds, type StoredStream } from './streams/stored-stream.ts'
import type { StreamTable } from './streams/stream-table.ts'
import { WantedStreams } from './streams/wanted-streams.ts'

/** Characters of the label sets that one call of `streams` returns, to bound its memory. */
const STREAMS_CHARS_MAX = 32 * 1024 * 1024

type Pause = () => Promise<void>

const goRound: Pause = () => setImmediate()

/** Block rows per statement; the event loop runs between statements. */
const PAGE_ROWS = 256

/** Maximum number of blocks that one read loads at once: the bound on its memory. */
const AHEAD_BLOCKS_MAX = 4

interface BlockHead {
  readonly id: number
  readonly sequence: number
  readonly oldest: bigint
  readonly newest: bigint
  readonly streamIds: Uint32Array
}

/** A block being loaded, and its memory, which is valid until the next block is requested. */
interface Loading {
  readonly head: BlockHead
  readonly content: ReadBlock | undefined
  /** Resolves when the block may be read. */
  readonly isReady: Promise<void>
  /** Does a part of the work synchronously; false if nothing is left to start. */
  readonly help: () => boolean
  readonly memory: Loan
}

/** The range of one page of rows, in index order. */
interface Cursor {
  readonly ns: bigint
  readonly id: number
}

export class BlockReader {
  readonly #table: StreamTable
  readonly #newestId: StatementSync
  readonly #backward: StatementSync
  readonly #forward: StatementSync
  readonly #columns: StatementSync
  readonly #whole: StatementSync
  readonly #offers: RunOffers
  readonly #filters: FilterReader
  readonly #shelf = new BufferShelf()
  readonly #onDamage: (blockId: number, cause: unknown) => void

  /** `table` is the writer's: it contains a stream from the commit that added it. */
  constructor(db: DatabaseSync, table: StreamTable, onDamage: (blockId: number, cause: unknown) => void) {
    this.#onDamage = onDamage
    this.#table = table
    this.#newestId = db.prepare('SELECT max(id) AS id FROM blocks')
    this.#backward = prepareHeads(db, 'newest', 'DESC')
    this.#forward = prepareHeads(db, 'oldest', 'ASC')
    this.#columns = db.prepare('SELECT columns FROM blocks WHERE id = ?')
    this.#filters = new FilterReader(db, onDamage)
    this.#whole = db.prepare('SELECT columns, metadata, text FROM blocks WHERE id = ?')
    this.#offers = new RunOffers(db, table, onDamage)
  }

  async *read(request: ReadRequest, signal?: AbortSignal): AsyncGenerator<ReadBlock> {
    const pause = request.pause ?? goRound
    const wanted = await this.#wantedStreams(request, pause)
    if (wanted === undefined) return
    const questions = new FilterQuestions(request.needs ?? [])
    const loads: Loading[] = []
    let damage: GatewayError | undefined
    let ahead = 1
    const heads = this.#heads(request, signal)
    for (let isDone = false; !isDone || loads.length > 0; ) {
      while (!isDone && loads.length < ahead) {
        const { value: head, done } = await heads.next()
        isDone = done === true
        if (head === undefined) continue
        const isWanted = attemptRead(() => head.streamIds.some((id) => wanted.has(id)))
        await wanted.rest(pause)
        if (!isWanted) continue
        if (request.wants?.(head.oldest, head.newest) === false || !this.#mayHave(head, wanted, questions)) continue
        const left = await this.#offers.offer(head, wanted, request, pause)
        if (left?.size === 0) continue
        const loading = this.#load(head, left, wanted, request)
        // Awaited later, in order; avoids an unhandled rejection.
        loading.isReady.catch(() => undefined)
        loads.push(loading)
        await pause()
      }
      const next = loads.shift()
      if (next === undefined) break
      try {
        await finish(next, pause)
        const { content } = next
        signal?.throwIfAborted()
        // A block loaded ahead may no longer be needed.
        if (content !== undefined && request.wants?.(next.head.oldest, next.head.newest) !== false) yield content
        // Not after a failed load: other frames may still be written to that memory.
        next.memory.release()
      } catch (cause) {
        signal?.throwIfAborted()
        const failure = readFailure(cause)
        if (failure.code !== 'store_damaged') throw failure
        this.#onDamage(next.head.id, cause)
        damage ??= failure
      }
      // Starts small, so that a short read loads little in vain; a long one uses the other cores.
      ahead = Math.min(ahead + 1, AHEAD_BLOCKS_MAX)
      await pause()
    }
    if (damage !== undefined) throw damage
  }

  async streams(range: StreamRange, signal?: AbortSignal): Promise<readonly Labels[]> {
    const pause = range.pause ?? goRound
    const wanted = await this.#wantedStreams(range, pause)
    const tenant = this.#table.tenantId(range.tenant)
    const streams = new Map<number, StoredStream>()
    let chars = 0
    if (wanted !== undefined) {
      for await (const head of this.#heads({ ...range, direction: 'backward' }, signal)) {
        for (const id of head.streamIds) {
          if (streams.has(id) || !attemptRead(() => wanted.has(id))) continue
          const stream = attemptRead(() => this.#table.streamById(id))
          if (stream === undefined || stream.tenant !== tenant) continue
          streams.set(id, stream)
          chars += stream.key.length
          if (chars > STREAMS_CHARS_MAX) throw tooManyStreams(streams.size)
        }
        if (streams.size === wanted.count) break
        await wanted.rest(pause)
      }
    }
    const sorting = sortSlices([...streams.values()], (a, b) => compareText(a.key, b.key))
    for (let step = sorting.next(); ; step = sorting.next()) {
      if (step.done === true) return step.value.map((stream) => stream.labels)
      await pause()
    }
  }

  /** Undefined if no stream is wanted. */
  async #wantedStreams({ tenant, matchers }: StreamRange, pause: Pause): Promise<WantedStreams | undefined> {
    const id = this.#table.tenantId(tenant)
    if (id === undefined) return undefined
    try {
      const wanted = await WantedStreams.open(this.#table, id, matchers, pause)
      return wanted.count === 0 ? undefined : wanted
    } catch (cause) {
      throw readFailure(cause)
    }
  }

  /**
   * Heads of the blocks that overlap the range, in the given direction. Blocks committed after the first page are not
   * seen; blocks joined or expired after it still are, because their rows stay for longer than a query may take.
   */
  async *#heads(
    request: StreamRange & Pick<ReadRequest, 'direction' | 'wants'>,
    signal?: AbortSignal,
  ): AsyncGenerator<BlockHead, undefined> {
    const isBackward = request.direction === 'backward'
    const tenant = this.#table.tenantId(request.tenant) as number
    const snapshot = this.#newest()
    const { start, end } = request
    let cursor: Cursor = isBackward ? { ns: NS_MAX, id: Number.MAX_SAFE_INTEGER } : { ns: NS_MIN, id: 0 }
    for (;;) {
      signal?.throwIfAborted()
      const statement = isBackward ? this.#backward : this.#forward
      const heads = headsOf(statement, { tenant, snapshot, start, end, ns: cursor.ns, id: cursor.id })
      for (const head of heads) {
        signal?.throwIfAborted()
        yield head
      }
      const last = heads.at(-1)
      if (last === undefined || heads.length < PAGE_ROWS) return undefined
      cursor = { ns: isBackward ? last.newest : last.oldest, id: last.id }
      await (request.pause ?? goRound)()
    }
  }

  /** The id of the last committed block. */
  #newest(): number {
    return attemptRead(() => (this.#newestId.get()?.['id'] as number | null) ?? 0)
  }

  #mayHave({ id, streamIds }: BlockHead, wanted: WantedStreams, questions: FilterQuestions): boolean {
    const hasLabel = (name: string): boolean =>
      streamIds.some((stream) => wanted.has(stream) && labelValue(this.#table.storedStream(stream).labels, name) !== '')
    return attemptRead(() => this.#filters.mayHave(id, questions, hasLabel))
  }

  /** `left`: see RunOffers. */
  #load(head: BlockHead, left: LeftEntries | undefined, wanted: WantedStreams, request: ReadRequest): Loading {
    const memory = this.#shelf.lend()
    const loading = { head, memory, content: undefined, isReady: Promise.resolve(), help: () => false }
    try {
      const content = this.#open(head, left, wanted, request, memory)
      if (request.scans !== true || !(content?.block instanceof PartialBlock)) return { ...loading, content }
      const { block } = content
      return { ...loading, content, isReady: block.loadText(), help: () => block.helpLoadText() }
    } catch (cause) {
      return { ...loading, isReady: Promise.reject(cause) }
    }
  }

  /** The requested part of a block; undefined if no entry is requested or the block has expired. */
  #open(
    head: BlockHead,
    left: LeftEntries | undefined,
    wanted: WantedStreams,
    request: ReadRequest,
    memory: Loan,
  ): ReadBlock | undefined {
    const isLight = request.withoutText === true
    const row = (isLight ? this.#columns : this.#whole).get(head.id) as EncodedBlock | undefined
    if (row === undefined) return undefined
    const streams = this.#table.streamsOf(this.#table.tenantId(request.tenant) as number, head.streamIds)
    const columns = decodeColumns(row.columns, streams, (bytes) => memory.allocate(bytes))
    discard(row.columns)
    const runs = narrowRuns(columns, head, left, wanted, request)
    if (runs.length === 0) return undefined
    if (isLight) return { block: columns, runs, sequence: head.sequence }
    memory.adopt(row.metadata)
    memory.adopt(row.text)
    const block = new PartialBlock(columns, row, runs, (bytes) => memory.allocate(bytes))
    return { block, runs, sequence: head.sequence }
  }
}

/** Waits for a block, and helps with the work that has not started. */
async function finish({ isReady, help }: Loading, pause: Pause): Promise<void> {
  let isPending = true
  const settle = (): void => {
    isPending = false
  }
  isReady.then(settle, settle)
  while (isPending && help()) await pause()
  await isReady
}

function tooManyStreams(streams: number): GatewayError {
  const text = `the time range has more than ${streams} streams, whose labels are more than ${STREAMS_CHARS_MAX} characters; choose a shorter range or fewer streams`
  return new GatewayError('query_refused', text)
}

function prepareHeads(db: DatabaseSync, column: 'newest' | 'oldest', order: 'ASC' | 'DESC'): StatementSync {
  const statement = db.prepare(`
    SELECT id, sequence, oldest, newest, streams FROM blocks
    WHERE tenant = :tenant AND (${column}, id) ${order === 'ASC' ? '>' : '<'} (:ns, :id)
      AND newest >= :start AND oldest < :end
      AND id <= :snapshot AND (retired IS NULL OR retired > :snapshot)
    ORDER BY ${column} ${order}, id ${order} LIMIT ${PAGE_ROWS}`)
  statement.setReadBigInts(true)
  return statement
}

function headsOf(statement: StatementSync, bounds: Record<string, bigint | number>): BlockHead[] {
  return attemptRead(() => statement.all(bounds).map(toHead))
}

function toHead(row: Record<string, unknown>): BlockHead {
  return {
    id: Number(row['id']),
    sequence: Number(row['sequence']),
    oldest: row['oldest'] as bigint,
    newest: row['newest'] as bigint,
    streamIds: parseStreamIds(row['streams'] as Uint8Array),
  }
}

/** The runs of requested streams with entries that are left, clipped to the time range. */
function narrowRuns(
  block: Block,
  head: BlockHead,
  left: LeftEntries | undefined,
  wanted: WantedStreams,
  { start, end }: ReadRequest,
): StreamRun[] {
  const isInside = head.oldest >= start && head.newest < end
  const runs: StreamRun[] = []
  for (const [index, run] of block.runs.entries()) {
    if (!wanted.has(head.streamIds[index] as number)) continue
    for (const part of entriesLeft(run, index, left)) {
      if (isInside) {
        runs.push(part)
        continue
      }
      const from = lowerBound(block.timestamps, part.start, part.end, start)
      const to = lowerBound(block.timestamps, from, part.end, end)
      if (from < to) runs.push({ ...part, start: from, end: to })
    }
  }
  return runs
}
