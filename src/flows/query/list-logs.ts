/** Lists logs stored by POST /logs, newest first, page by page. */

import { type Metadata, metadataWithLevel } from '../../domain/entries/batch.ts'
import { startOf } from '../../domain/entries/block.ts'
import type { Labels } from '../../domain/labels.ts'
import { equalityMatcher } from '../../domain/selector.ts'
import type { Slices } from '../../kit/slices.ts'
import { BestEntries } from '../../logql/best-entries.ts'
import type { LogStore, ReadBlock } from '../../ports/log-store.ts'
import { type QueryTurn, UNSHARED } from './query-turns.ts'

export interface ListRequest {
  readonly tenant: string
  /** Labels that the streams must have. */
  readonly labels: readonly (readonly [name: string, value: string])[]
  /** The time range [start, end) in ns. */
  readonly start: bigint
  readonly end: bigint
  readonly limit: number
  /** Whether the line (UTF-8) matches. */
  readonly isWanted: (line: string) => boolean
  /** The end of the previous page: the time of its last entry, and how many entries with that time were returned. */
  readonly after: ListPosition | undefined
}

export interface ListPosition {
  readonly ns: bigint
  readonly skip: number
}

export interface ListedEntry {
  readonly ns: bigint
  readonly line: string
  readonly labels: Labels
  readonly metadata: Metadata
}

export interface ListPage {
  readonly entries: readonly ListedEntry[]
  /** The start of the next page; undefined on the last page. */
  readonly next: ListPosition | undefined
}

/** Reads one page. Memory is bounded by the page: blocks are read one at a time, and only the best entries are kept. */
export async function listLogs(store: LogStore, request: ListRequest, turn: QueryTurn = UNSHARED): Promise<ListPage> {
  const { after, limit } = request
  const end = after === undefined || after.ns >= request.end ? request.end : after.ns + 1n
  const skipped = after?.skip ?? 0
  // One more entry than requested shows whether there is a next page.
  const best = new BestEntries('backward', skipped + limit + 1)
  const matchers = request.labels.map(([name, value]) => equalityMatcher(name, '=', value))
  const blocks = store.read(
    {
      tenant: request.tenant,
      matchers,
      start: request.start,
      end,
      direction: 'backward',
      wants: (_oldest, newest) => best.last === undefined || newest >= best.last.ns,
      pause: turn.pause,
    },
    turn.signal,
  )
  for await (const block of blocks) await turn.run(collect(best, block, request.isWanted))
  const rest = (await turn.run(best.sorted())).filter(({ ns }, i) => ns !== after?.ns || i >= skipped)
  const entries = rest.slice(0, limit)
  return { entries, next: rest.length > limit ? positionOf(entries, after) : undefined }
}

function positionOf(entries: readonly ListedEntry[], after: ListPosition | undefined): ListPosition {
  const { ns } = entries.at(-1) as ListedEntry
  const given = entries.filter((entry) => entry.ns === ns).length
  return { ns, skip: given + (after !== undefined && after.ns === ns ? after.skip : 0) }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Lines between two yields; a long one may be all JSON. */
const LINES_PER_SLICE = 16

function* collect(
  best: BestEntries,
  { block, runs, sequence }: ReadBlock,
  isWanted: (line: string) => boolean,
): Slices<void> {
  for (const { key, labels, start, end } of runs) {
    for (let index = end - 1; index >= start; index--) {
      if (index % LINES_PER_SLICE === 0) yield
      const place = { ns: block.timestamps.values[index] as bigint, key, sequence, index }
      // Entries of a run are in ascending order, so none before this one can rank higher.
      if (!best.wants(place)) break
      const line = UTF8.decode(block.text.subarray(startOf(block.lineEnds, index), block.lineEnds[index]))
      if (!isWanted(line)) continue
      const metadata = metadataWithLevel(
        block.metadata,
        startOf(block.metadataEnds, index),
        block.metadataEnds[index] as number,
        block.levels[index] as number,
      )
      best.add({ ...place, storedLine: line, storedMetadata: metadata, labels, line, metadata, parsed: [] })
    }
  }
}
