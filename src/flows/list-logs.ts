/** Reads what came by POST /logs back, newest first, page after page. */

import { type Metadata, metadataWithLevel } from '../domain/batch.ts'
import { startOf } from '../domain/block.ts'
import type { Labels } from '../domain/labels.ts'
import { equalityMatcher } from '../domain/selector.ts'
import type { LogStore, ReadBlock } from '../ports.ts'

export interface ListRequest {
  readonly tenant: string
  /** Labels that the streams must carry. */
  readonly labels: readonly (readonly [name: string, value: string])[]
  /** The time range [start, end) in ns. */
  readonly start: bigint
  readonly end: bigint
  readonly limit: number
  /** Whether the line (of UTF-8) is wanted. */
  readonly isWanted: (line: string) => boolean
  /** The last entry of the page before: its time, and how many entries of that time were given. */
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
  /** Where the next page begins; undefined when this is the last. */
  readonly next: ListPosition | undefined
}

/** An entry with its place among entries of the same time, so that pages never shift. */
interface Found extends ListedEntry {
  readonly key: string
  readonly sequence: number
  readonly index: number
}

/** One page. Memory is bounded by the page: a block at a time is looked at, and only its best entries stay. */
export async function listLogs(store: LogStore, request: ListRequest, signal?: AbortSignal): Promise<ListPage> {
  const { after, limit } = request
  const end = after === undefined || after.ns >= request.end ? request.end : after.ns + 1n
  const skipped = after?.skip ?? 0
  // One more than asked for tells whether there is a next page.
  const newest = new NewestEntries(skipped + limit + 1)
  const matchers = request.labels.map(([name, value]) => equalityMatcher(name, '=', value))
  const blocks = store.read(
    {
      tenant: request.tenant,
      matchers,
      start: request.start,
      end,
      direction: 'backward',
      wants: (_oldest, blockNewest) => newest.wants(blockNewest),
    },
    signal,
  )
  for await (const block of blocks) collect(newest, block, request.isWanted)
  const found = newest.entries
  const isSkipped = (entry: Found, i: number): boolean => after !== undefined && entry.ns === after.ns && i < skipped
  const rest = found.filter((entry, i) => !isSkipped(entry, i))
  const entries = rest.slice(0, limit)
  return { entries, next: rest.length > limit ? positionOf(entries, after) : undefined }
}

function positionOf(entries: readonly ListedEntry[], after: ListPosition | undefined): ListPosition {
  const { ns } = entries.at(-1) as ListedEntry
  const given = entries.filter((entry) => entry.ns === ns).length
  return { ns, skip: given + (after !== undefined && after.ns === ns ? after.skip : 0) }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

function collect(
  newest: NewestEntries,
  { block, runs, sequence }: ReadBlock,
  isWanted: (line: string) => boolean,
): void {
  for (const run of runs) {
    for (let i = run.end - 1; i >= run.start; i--) {
      const ns = block.timestamps.values[i] as bigint
      // Entries of a run rise in time: none before this one can be newer.
      if (!newest.wants(ns)) break
      const line = UTF8.decode(block.text.subarray(startOf(block.lineEnds, i), block.lineEnds[i]))
      if (!isWanted(line)) continue
      const metadataStart = startOf(block.metadataEnds, i)
      const metadataEnd = block.metadataEnds[i] as number
      const metadata = metadataWithLevel(block.metadata, metadataStart, metadataEnd, block.levels[i] as number)
      newest.add({ ns, line, labels: run.labels, metadata, key: run.key, sequence, index: i })
    }
  }
}

/** The newest entries found so far, newest first, at most `capacity`. */
class NewestEntries {
  readonly #capacity: number
  readonly #entries: Found[] = []

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get entries(): readonly Found[] {
    return this.#entries
  }

  /** Whether an entry of this time could still be among them. */
  wants(ns: bigint): boolean {
    const last = this.#entries.at(-1)
    return this.#entries.length < this.#capacity || last === undefined || ns >= last.ns
  }

  add(entry: Found): void {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (comesBefore(this.#entries[middle] as Found, entry)) low = middle + 1
      else high = middle
    }
    this.#entries.splice(low, 0, entry)
    if (this.#entries.length > this.#capacity) this.#entries.pop()
  }
}

/** The order of a page: newest first; of one time by stream, then the latest arrival first. */
function comesBefore(a: Found, b: Found): boolean {
  if (a.ns !== b.ns) return a.ns > b.ns
  if (a.key !== b.key) return a.key > b.key
  return a.sequence === b.sequence ? a.index > b.index : a.sequence > b.sequence
}
