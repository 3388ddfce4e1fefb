/** Offers the summaries of a block's runs to a read, which opens only what it does not take. */

import type { DatabaseSync } from 'node:sqlite'
import type { StreamRun } from '../../../domain/entries/block.ts'
import { type SummarisedRun, type SummaryPart, wholeOf } from '../../../domain/entries/run-summary.ts'
import type { ReadRequest } from '../../../ports/log-store.ts'
import { readFailure } from '../database.ts'
import type { StoredStream } from '../streams/stored-stream.ts'
import type { StreamTable } from '../streams/stream-table.ts'
import type { WantedStreams } from '../streams/wanted-streams.ts'
import { SummaryReader } from './summary-table.ts'

/** Summaries between two pauses. */
const RUNS_PER_STEP = 1000

/** Entries [from, to) of a run, counted from its start. */
interface EntryRange {
  readonly from: number
  to: number
}

/** By the index of the run: the entries whose summaries were not taken, in order. */
export type LeftEntries = ReadonlyMap<number, readonly EntryRange[]>

/** The parts of a run that are left; all of it if nothing was offered. */
export function entriesLeft(run: StreamRun, index: number, left: LeftEntries | undefined): readonly StreamRun[] {
  if (left === undefined) return [run]
  const ranges = left.get(index) ?? []
  return ranges.map(({ from, to }) => ({ ...run, start: run.start + from, end: run.start + to }))
}

interface BlockKey {
  readonly id: number
  readonly streamIds: Uint32Array
}

interface OfferedRun {
  readonly index: number
  readonly run: SummarisedRun
  readonly stream: StoredStream
}

export class RunOffers {
  readonly #summaries: SummaryReader
  readonly #table: StreamTable
  readonly #onDamage: (blockId: number, cause: unknown) => void

  constructor(db: DatabaseSync, table: StreamTable, onDamage: (blockId: number, cause: unknown) => void) {
    this.#summaries = new SummaryReader(db)
    this.#table = table
    this.#onDamage = onDamage
  }

  /**
   * Offers the runs of the wanted streams, given the block's id and the ids of its streams. Undefined if nothing could be
   * offered: all entries may be needed.
   */
  async offer(
    block: BlockKey,
    wanted: WantedStreams,
    request: ReadRequest,
    pause: () => Promise<void>,
  ): Promise<LeftEntries | undefined> {
    if (request.takes === undefined) return undefined
    // All of the block before the first offer: once a summary is taken, its entries must not come.
    const runs = this.#read(block, wanted, this.#table.tenantId(request.tenant))
    if (runs === undefined) return undefined
    const left = new Map<number, readonly EntryRange[]>()
    for (const [i, { index, run, stream }] of runs.entries()) {
      if (i % RUNS_PER_STEP === RUNS_PER_STEP - 1) await pause()
      const ranges = offerRun(run, stream, request)
      if (ranges.length > 0) left.set(index, ranges)
    }
    return left
  }

  /** The runs of wanted streams; undefined if the block has no summaries, or something that it needs is damaged. */
  #read({ id, streamIds }: BlockKey, wanted: WantedStreams, tenant: number | undefined): OfferedRun[] | undefined {
    try {
      const summaries = this.#summaries.read(id, streamIds)
      if (summaries?.length !== streamIds.length) return undefined
      const runs: OfferedRun[] = []
      for (const [index, run] of summaries.entries()) {
        const streamId = streamIds[index] as number
        if (!wanted.has(streamId)) continue
        const stream = this.#table.storedStream(streamId)
        // Opening the block reports it.
        if (stream.tenant !== tenant) return undefined
        runs.push({ index, run, stream })
      }
      return runs
    } catch (cause) {
      const failure = readFailure(cause)
      if (failure.code !== 'store_damaged') throw failure
      // The entries are stored apart, with their own checksums.
      this.#onDamage(id, cause)
      return undefined
    }
  }
}

/** Offers the summary of a run, then those of its parts; returns the entries that are left. */
function offerRun(run: SummarisedRun, { key, labels }: StoredStream, { start, end, takes }: ReadRequest): EntryRange[] {
  const { parts, metadataNames } = run
  const isDone = (part: SummaryPart, isWhole: boolean): boolean => {
    if (part.newest < start || part.oldest >= end) return true
    const isInside = part.oldest >= start && part.newest < end
    return isInside && takes?.({ ...part, key, labels, metadataNames, isWhole }) === true
  }
  const whole = wholeOf(run)
  if (isDone(whole, true)) return []
  if (parts.length === 1) return [{ from: 0, to: whole.entries }]
  const ranges: EntryRange[] = []
  let from = 0
  for (const part of parts) {
    const to = from + part.entries
    const last = ranges.at(-1)
    if (!isDone(part, false)) {
      if (last?.to === from) last.to = to
      else ranges.push({ from, to })
    }
    from = to
  }
  return ranges
}
