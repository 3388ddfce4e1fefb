/** Runs a log query over the blocks of a store, one by one, in bounded memory. */

import { type Metadata, metadataWithLevel } from '../domain/entries/batch.ts'
import { type Block, type StreamRun, startOf, timeRange } from '../domain/entries/block.ts'
import { GatewayError } from '../domain/errors.ts'
import { compareText, formatLabels, type Labels } from '../domain/labels.ts'
import type { Matcher } from '../domain/selector.ts'
import { type Slices, sortSlices } from '../kit/slices.ts'
import { askedTraceId } from './asked-trace-id.ts'
import { BestEntries, type Direction, type FoundEntry } from './best-entries.ts'
import { BlockSearch, lineText, splitStages, stretchEnd, stretchStart } from './block-search.ts'
import type { LogExpr } from './parse/syntax.ts'
import { LabelSet } from './pipeline/label-set.ts'
import { LineStride } from './pipeline/line-stride.ts'
import { compileStages } from './pipeline/stages.ts'
import type { Stage } from './stage.ts'

export interface LogQueryOptions {
  readonly direction: Direction
  /** Maximum number of entries of the result, over all streams. */
  readonly limit: number
  /** Skips entries closer than this to the previous returned one; 0: skips none. */
  readonly intervalNs: bigint
  /** The current time for the template function `now`; ms since the epoch. */
  readonly nowMs: number
}

/** A stream of a result: its labels after the query, its entries in the requested direction. */
export interface LogStream {
  readonly labels: Labels
  readonly entries: readonly LogEntry[]
}

export interface LogEntry {
  readonly ns: bigint
  readonly line: string
  /** Structured metadata, including detected_level. */
  readonly metadata: Metadata
  /** Labels from parsers and label_format, and `__error__` if a stage failed. */
  readonly parsed: Metadata
}

/** What was scanned. */
export interface ScanFigures {
  readonly lines: number
  readonly bytes: number
  readonly linesAfterFilter: number
}

/** Maximum number of waiting entries of a query with an interval; overlapping blocks make them accumulate. */
const WAITING_MAX = 100_000
/** Entries sorted between two yields. */
const ENTRIES_PER_SLICE = 1000
/** Maximum size of the lines of a result in UTF-16 units: `limit` lines of the maximum length would exhaust the memory. */
const ANSWER_CHARS_MAX = 128 * 1024 * 1024

/**
 * Works in slices: see kit/slices.ts. Add the blocks of a read in the read's order (LogStore.read with the same
 * direction and time range), then get the result. Throws query_malformed for a pipeline that cannot be compiled,
 * query_refused if the result would be too large.
 */
export class LogQuery {
  readonly matchers: readonly Matcher[]
  /** True if all lines are scanned, not only those of the result. */
  readonly scans: boolean
  /** For ReadRequest.traceId. */
  readonly traceId: string | undefined
  readonly #direction: Direction
  readonly #search: BlockSearch
  readonly #stage: Stage | undefined
  readonly #stride: LineStride
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
    this.traceId = askedTraceId(expr.stages)
    this.#direction = direction
    this.#search = new BlockSearch(filters)
    this.#stage = rest.length === 0 ? undefined : compileStages(rest, { nowMs })
    this.#stride = new LineStride(rest)
    this.#thinning = intervalNs > 0n ? new Thinning(direction, limit, intervalNs) : undefined
    this.#best = new BestEntries(direction, limit, this.#thinning === undefined ? 'last' : 'first')
  }

  /** False if a block with this time range can have no entry of the result any more. For ReadRequest.wants. */
  wants(oldest: bigint, newest: bigint): boolean {
    if (this.#thinning !== undefined) return !this.#thinning.isFull
    const { last } = this.#best
    if (last === undefined) return true
    return this.#direction === 'backward' ? newest >= last.ns : oldest <= last.ns
  }

  /** Adds a block; `runs` and `sequence` are those of its ReadBlock. */
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

  /** The streams of the result by label text. */
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

  /** Walks the run in the direction of the result, a stretch at a time, until no further entry is needed. */
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
      const matches = this.#search.find(block, from, to)
      if (isBackward) matches.reverse()
      for (const index of matches) {
        if (!this.#addEntry(block, run, sequence, index)) return
        if (this.#stage !== undefined && this.#stride.isDue(lengthOf(block, index))) yield
      }
      yield
    }
  }

  #isWanted(block: Block, { key }: StreamRun, sequence: number, index: number): boolean {
    return this.#best.wants({ ns: block.timestamps.values[index] as bigint, key, sequence, index })
  }

  /** False if this and all further entries of the run come after the last one of a full result. */
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

function lengthOf({ lineEnds }: Block, index: number): number {
  return (lineEnds[index] as number) - startOf(lineEnds, index)
}

function tooLarge(): GatewayError {
  return new GatewayError(
    'query_refused',
    `the lines of the result have more than ${ANSWER_CHARS_MAX} characters; use a lower limit`,
  )
}

/** Skips entries that are too close to the previous returned one, over all streams. */
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

  /** Decides on the waiting entries that come before this block, and so before all later ones. */
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
