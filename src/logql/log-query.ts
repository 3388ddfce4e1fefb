/** A log query over the blocks that a store hands it, one after the other, in bounded memory. */

import { type Metadata, metadataWithLevel } from '../domain/entries/batch.ts'
import { type Block, type StreamRun, startOf, timeRange } from '../domain/entries/block.ts'
import { GatewayError } from '../domain/errors.ts'
import { compareText, formatLabels, type Labels } from '../domain/labels.ts'
import type { Matcher } from '../domain/selector.ts'
import { type Slices, sortSlices } from '../kit/slices.ts'
import { BestEntries, type Direction, type FoundEntry } from './best-entries.ts'
import { BlockSearch, lineText, splitStages, stretchEnd, stretchStart } from './block-search.ts'
import type { LogExpr } from './parse/syntax.ts'
import { LabelSet } from './pipeline/label-set.ts'
import { compileStages } from './pipeline/stages.ts'
import type { Stage } from './stage.ts'

export interface LogQueryOptions {
  readonly direction: Direction
  /** Entries of the answer at most, over all streams. */
  readonly limit: number
  /** Entries nearer than this to the one given before are left out; 0: none is. */
  readonly intervalNs: bigint
  /** The clock's reading, for the template function `now`; ms since the epoch. */
  readonly nowMs: number
}

/** One stream of an answer: its labels as the query left them, its entries in the direction asked for. */
export interface LogStream {
  readonly labels: Labels
  readonly entries: readonly LogEntry[]
}

export interface LogEntry {
  readonly ns: bigint
  readonly line: string
  /** Structured metadata, detected_level among it. */
  readonly metadata: Metadata
  /** What parsers and label_format made, and `__error__` where a stage failed. */
  readonly parsed: Metadata
}

/** What was looked at. */
export interface ScanFigures {
  readonly lines: number
  readonly bytes: number
  readonly linesAfterFilter: number
}

/** Entries that wait for their turn in a query with an interval; blocks that overlap in time make them pile up. */
const WAITING_MAX = 100_000
/** Entries that are put into order between two yields. */
const ENTRIES_PER_SLICE = 1000
/** UTF-16 units of lines that one answer may hold: `limit` lines of the greatest length would be beyond any memory. */
const ANSWER_CHARS_MAX = 128 * 1024 * 1024

/**
 * Work in slices: see kit/slices.ts. Give it the blocks of a read in the read's order (LogStore.read with the same direction and time range), then ask for
 * the result. Throws query_malformed for a pipeline that cannot be compiled, query_refused when the answer would
 * be too large.
 */
export class LogQuery {
  readonly matchers: readonly Matcher[]
  /** True: the lines of every block are looked at, not only those that the answer gives. */
  readonly scans: boolean
  readonly #direction: Direction
  readonly #search: BlockSearch
  readonly #stage: Stage | undefined
  readonly #labels = new LabelSet()
  readonly #best: BestEntries
  readonly #thinning: Thinning | undefined
  #lines = 0
  #bytes = 0
  #linesAfterFilter = 0

  constructor(expr: LogExpr, { direction, limit, intervalNs, nowMs }: LogQueryOptions) {
    const { filters, rest } = splitStages(expr.stages)
    this.matchers = expr.matchers
    this.scans = expr.stages.length > 0
    this.#direction = direction
    this.#search = new BlockSearch(filters)
    this.#stage = rest.length === 0 ? undefined : compileStages(rest, { nowMs })
    this.#thinning = intervalNs > 0n ? new Thinning(direction, limit, intervalNs) : undefined
    this.#best = new BestEntries(direction, limit, this.#thinning === undefined ? 'last' : 'first')
  }

  /** False when no entry of a block with this time range can be part of the answer any more. For ReadRequest.wants. */
  wants(oldest: bigint, newest: bigint): boolean {
    if (this.#thinning !== undefined) return !this.#thinning.isFull
    const { last } = this.#best
    if (last === undefined) return true
    return this.#direction === 'backward' ? newest >= last.ns : oldest <= last.ns
  }

  /** Takes in one block; `runs` and `sequence` are those of its ReadBlock. */
  *add(block: Block, runs: readonly StreamRun[], sequence: number): Slices<void> {
    yield* this.#search.prepare()
    if (this.#thinning !== undefined) yield* this.#thinning.passBlock(this.#best, block)
    for (const run of runs) yield* this.#addRun(block, run, sequence)
    if (this.#thinning !== undefined && this.#best.size >= WAITING_MAX) {
      throw new GatewayError(
        'query_refused',
        `more than ${WAITING_MAX} entries lie side by side in the time range, too many to thin out by interval; ` +
          'shorten the time range or leave out interval',
      )
    }
  }

  /** The answer's streams by their label text. */
  *result(): Slices<LogStream[]> {
    const sorted = yield* this.#best.sorted()
    if (this.#thinning !== undefined) yield* this.#thinning.pass(sorted)
    const entries = this.#thinning?.accepted ?? sorted
    const byKey = new Map<string, { labels: Labels; entries: LogEntry[] }>()
    const keys = new Map<Labels, string>()
    for (const [i, { labels, ns, line, metadata, parsed }] of entries.entries()) {
      if (i % ENTRIES_PER_SLICE === ENTRIES_PER_SLICE - 1) yield
      let key = keys.get(labels)
      if (key === undefined) {
        key = formatLabels(labels)
        keys.set(labels, key)
      }
      const stream = byKey.get(key)
      const entry = { ns, line, metadata, parsed }
      if (stream === undefined) byKey.set(key, { labels, entries: [entry] })
      else stream.entries.push(entry)
    }
    const streams = yield* sortSlices([...byKey], ([a], [b]) => compareText(a, b))
    return streams.map(([, stream]) => stream)
  }

  get figures(): ScanFigures {
    return { lines: this.#lines, bytes: this.#bytes, linesAfterFilter: this.#linesAfterFilter }
  }

  /** Walks the run in the answer's direction, a stretch at a time, until nothing further can be wanted. */
  *#addRun(block: Block, run: StreamRun, sequence: number): Slices<void> {
    const isBackward = this.#direction === 'backward'
    let { start, end } = run
    while (start < end) {
      const from = isBackward ? stretchStart(block, start, end) : start
      const to = isBackward ? end : stretchEnd(block, start, end)
      if (isBackward) end = from
      else start = to
      if (!this.#isWanted(block, run, sequence, isBackward ? to - 1 : from)) return
      this.#lines += to - from
      this.#bytes += (block.lineEnds[to - 1] as number) - startOf(block.lineEnds, from)
      const found = this.#search.find(block, from, to)
      if (isBackward) found.reverse()
      for (const index of found) {
        if (!this.#addEntry(block, run, sequence, index)) return
        // A stage may take long for a single line.
        if (this.#stage !== undefined) yield
      }
      yield
    }
  }

  #isWanted(block: Block, { key }: StreamRun, sequence: number, index: number): boolean {
    return this.#best.wants({ ns: block.timestamps.values[index] as bigint, key, sequence, index })
  }

  /** False when this and all further entries of the run stand behind the last of a full answer. */
  #addEntry(block: Block, run: StreamRun, sequence: number, index: number): boolean {
    if (!this.#isWanted(block, run, sequence, index)) return false
    const ns = block.timestamps.values[index] as bigint
    const storedLine = lineText(block, index)
    const storedMetadata = metadataWithLevel(
      block.metadata,
      startOf(block.metadataEnds, index),
      block.metadataEnds[index] as number,
      block.levels[index] as number,
    )
    this.#labels.reset(run.labels, storedMetadata)
    const entry = { ns, line: storedLine, labels: this.#labels }
    if (this.#stage !== undefined && !this.#stage(entry)) return true
    this.#linesAfterFilter++
    const { stream, metadata, parsed } = this.#labels.parts()
    const place = { ns, key: run.key, sequence, index }
    this.#best.add({ ...place, storedLine, storedMetadata, labels: stream, line: entry.line, metadata, parsed })
    if (this.#best.chars > ANSWER_CHARS_MAX) throw tooLarge()
    return true
  }
}

function tooLarge(): GatewayError {
  return new GatewayError(
    'query_refused',
    `the answer's lines are longer than ${ANSWER_CHARS_MAX} characters in all; ask with a lower limit`,
  )
}

/** Leaves out entries that follow too soon upon the one given before, over all streams. */
class Thinning {
  readonly accepted: FoundEntry[] = []
  readonly #direction: Direction
  readonly #limit: number
  readonly #intervalNs: bigint
  #chars = 0

  constructor(direction: Direction, limit: number, intervalNs: bigint) {
    this.#direction = direction
    this.#limit = limit
    this.#intervalNs = intervalNs
  }

  get isFull(): boolean {
    return this.accepted.length >= this.#limit
  }

  /** Decides about the waiting entries that stand before all of this block, and so before all that comes. */
  *passBlock(waiting: BestEntries, block: Block): Slices<void> {
    const { oldest, newest } = timeRange(block)
    yield* this.pass(yield* waiting.takeBefore(this.#direction === 'forward' ? oldest : newest))
  }

  *pass(entries: readonly FoundEntry[]): Slices<void> {
    for (const [i, entry] of entries.entries()) {
      if (i % ENTRIES_PER_SLICE === ENTRIES_PER_SLICE - 1) yield
      const last = this.accepted.at(-1)
      const isFar =
        last === undefined ||
        (this.#direction === 'forward' ? entry.ns - last.ns : last.ns - entry.ns) >= this.#intervalNs
      if (!isFar || this.isFull) continue
      this.#chars += entry.line.length
      if (this.#chars > ANSWER_CHARS_MAX) throw tooLarge()
      this.accepted.push(entry)
    }
  }
}
