/** Executes a range aggregation: converts entries to samples and accumulates them in series. */

import { type Metadata, metadataWithLevel } from '../../domain/entries/batch.ts'
import { type Block, lowerBound, type StreamRun, startOf } from '../../domain/entries/block.ts'
import type { RunSummary } from '../../domain/entries/run-summary.ts'
import type { TextNeed } from '../../domain/entries/text-need.ts'
import { GatewayError } from '../../domain/errors.ts'
import { formatLabels, type Labels } from '../../domain/labels.ts'
import { DETECTED_LEVEL, LEVEL_NONE, LEVELS } from '../../domain/levels/level.ts'
import type { Matcher } from '../../domain/selector.ts'
import { type Slices, Stride, sortSlices } from '../../kit/slices.ts'
import { askedTraceId } from '../asked-trace-id.ts'
import { BlockSearch, lineText, stretchEnd } from '../block-search.ts'
import { neededText } from '../needed-text.ts'
import type { Grouping, RangeAggregation, Unwrap } from '../parse/syntax.ts'
import { LabelSet, PRESERVE_ERROR_LABEL } from '../pipeline/label-set.ts'
import { type Accumulator, HeldBudget, makeAccumulator } from './accumulators.ts'
import { entryGroupKey, entryGroupLabels } from './grouping.ts'
import { MetadataNames } from './metadata-names.ts'
import { compileSampling, type Sampling } from './sampling.ts'
import { checkVolume, compareLabels, makeSeries, type Series, setValue } from './series.ts'
import type { Steps } from './steps.ts'
import { Windows } from './windows.ts'

/** Windows, entries and series processed between two yields. */
const PIECES_PER_SLICE = 1000
/** The weight of entries that are only counted: hundreds of them are as much work as one other entry. */
const TALLIED_PER_SLICE = 65_536
const TALLIED_PER_PIECE = 64

interface GatheredSeries {
  readonly labels: Labels
  readonly accumulator: Accumulator
}

/** The data that a range aggregation needs, and its series. Blocks may be added in any order. */
export class RangeRead {
  readonly matchers: readonly Matcher[]
  /** The time range [start, end) in nanoseconds. */
  readonly start: bigint
  readonly end: bigint
  /** True: only the columns of the blocks are needed; text and metadata may be empty. */
  readonly withoutText: boolean
  /** True: `take` may take summaries of runs in place of their entries. */
  readonly takesSummaries: boolean
  /** True: every line is scanned. */
  readonly scans: boolean
  /** For ReadRequest.traceId. */
  readonly traceId: string | undefined
  /** For ReadRequest.needs. */
  readonly needs: readonly TextNeed[]
  readonly #aggregation: RangeAggregation
  readonly #grouping: Grouping | undefined
  readonly #steps: Steps
  readonly #windows: Windows
  readonly #sampling: Sampling
  readonly #search: BlockSearch
  /** The metadata names that a plain count needs; undefined if it needs all of it, or more than labels. */
  readonly #namesAsked: MetadataNames | undefined
  /** The only metadata names that the query depends on; undefined if it may read any. */
  readonly #namesRead: MetadataNames | undefined
  readonly #labels = new LabelSet()
  readonly #held = new HeldBudget()
  readonly #series = new Map<string, GatheredSeries>()
  /** The series by stream and level code, for entries that need no individual processing. */
  readonly #plainSeries = new Map<string, (GatheredSeries | undefined)[]>()
  /** Those of the last requested stream. */
  #plainLast: { readonly key: string; readonly known: (GatheredSeries | undefined)[] } = { key: '', known: [] }
  /** The series of the previous entry, if all entries with unchanged stream labels belong to it. */
  #streamSeries: { readonly stream: Labels; readonly series: GatheredSeries } | undefined
  /** The bucket of the last summary; it has at least the instants [fromNs, toNs]. */
  #lastBucket = { bucket: -1, fromNs: 1n, toNs: 0n }
  readonly #stride = new Stride(PIECES_PER_SLICE)
  #lines = 0
  #bytes = 0
  #linesAfterFilter = 0

  /** `outer` is the grouping of a sum around the aggregation, which makes finer series unnecessary. */
  constructor(aggregation: RangeAggregation, outer: Grouping | undefined, steps: Steps, nowMs: number) {
    const { range } = aggregation
    this.#aggregation = aggregation
    const grouping = withoutUnwrapped(aggregation.grouping ?? outer, range.unwrap)
    // Absence concerns the whole selector: it needs no series, but its pipeline runs as written.
    this.#grouping = aggregation.operation === 'absent_over_time' ? { without: false, labels: [] } : grouping
    this.#steps = steps
    this.#windows = new Windows(steps, range.range, range.offset ?? 0n)
    this.#sampling = compileSampling(aggregation, grouping, nowMs)
    this.#search = new BlockSearch(this.#sampling.filters)
    const isByName = this.#grouping !== undefined && !this.#grouping.without
    this.#namesAsked = this.#sampling.isPlain && isByName ? new MetadataNames(this.#grouping?.labels ?? []) : undefined
    const { reads } = this.#sampling
    this.#namesRead = reads === undefined ? undefined : new MetadataNames(reads)
    this.matchers = range.log.matchers
    this.traceId = askedTraceId(range.log.stages)
    this.start = this.#windows.start
    this.end = this.#windows.end
    this.needs = neededText(range.log.stages)
    this.scans = !this.#sampling.isPlain || this.#search.isNeeded
    this.takesSummaries = this.#sampling.isPlain && !this.#search.isNeeded
    this.withoutText = this.takesSummaries && this.#namesOnlySelected()
  }

  /** False if no window has an instant of the block. For ReadRequest.wants. */
  wants(oldest: bigint, newest: bigint): boolean {
    return this.#windows.touches(oldest, newest)
  }

  /**
   * Adds a run by its summary, and returns true; false if its entries are needed, because they are in several windows or in
   * series that their metadata decides. Only if takesSummaries. Throws query_refused.
   */
  take(run: RunSummary): boolean {
    if (!this.#isPlainSummary(run)) return false
    const bucket = this.#bucketOfSpan(run.oldest, run.newest)
    if (bucket === undefined) return false
    // Outside of all windows.
    if (bucket < 0) return true
    for (const { level, entries, bytes } of run.counts) {
      this.#lines += entries
      this.#linesAfterFilter += entries
      this.#bytes += bytes
      const amount = this.#sampling.counts === 'bytes' ? bytes : entries
      this.#plainSeriesOf(run, level).accumulator.tally(bucket, entries, amount)
    }
    return true
  }

  /** Adds a block; `runs` and `sequence` are those of its ReadBlock. Throws query_refused. */
  *add(block: Block, runs: readonly StreamRun[], sequence: number): Slices<void> {
    yield* this.#search.prepare()
    for (const run of runs) {
      const isPlain = this.#sampling.isPlain && this.#isPlainRun(block, run)
      let at = run.start
      while (at < run.end) {
        const bucket = this.#windows.locate(block.timestamps.values[at] as bigint)
        const end = lowerBound(block.timestamps, at, run.end, this.#windows.lastNs + 1n)
        // An instant outside of all windows may be its own border.
        const next = Math.max(end, at + 1)
        if (bucket >= 0) yield* this.#addStretch(block, run, sequence, { bucket, from: at, to: next, isPlain })
        at = next
        if (this.#stride.isDue()) yield
      }
    }
  }

  /** The series by their label text. */
  *finish(): Slices<Series[]> {
    const { count } = this.#steps
    const gathered = yield* sortSlices([...this.#series.values()], (a, b) => compareLabels(a.labels, b.labels))
    const list: Series[] = []
    for (const { labels, accumulator } of gathered) {
      const series = makeSeries(labels, count)
      yield* accumulator.finish(this.#windows, series)
      list.push(series)
      if (this.#stride.isDue()) yield
    }
    return this.#aggregation.operation === 'absent_over_time' ? [this.#absentSeries(list[0])] : list
  }

  get figures(): { lines: number; bytes: number; linesAfterFilter: number } {
    return { lines: this.#lines, bytes: this.#bytes, linesAfterFilter: this.#linesAfterFilter }
  }

  /** True if all labels of the grouping are known without structured metadata. */
  #namesOnlySelected(): boolean {
    const names = this.#grouping
    if (names === undefined || names.without) return false
    // A matcher that rejects the empty text ensures that the stream itself has the label.
    const isSelected = (name: string): boolean => this.matchers.some((each) => each.name === name && !each.test(''))
    return names.labels.every(isSelected)
  }

  /** True if the query does not depend on the metadata of the run. */
  #isPlainRun({ metadataEnds, levels }: Block, { start, end, labels }: StreamRun): boolean {
    if (startOf(metadataEnds, start) === metadataEnds[end - 1]) return true
    const names = this.#grouping
    if (names === undefined || names.without) return false
    return names.labels.every(
      (name) =>
        labels.some((label) => label.name === name) ||
        // A level without a code is stored as metadata.
        (name === DETECTED_LEVEL && !levels.subarray(start, end).includes(LEVEL_NONE)),
    )
  }

  /** The same from the names of its metadata. */
  #isPlainSummary({ metadataNames, labels }: RunSummary): boolean {
    if (metadataNames?.length === 0) return true
    const names = this.#grouping
    if (names === undefined || names.without) return false
    if (metadataNames !== undefined && this.#namesAsked?.areAmong(metadataNames) === false) return true
    return names.labels.every((name) => labels.some((label) => label.name === name))
  }

  /** The bucket, or -1 for the gap, that has all of [oldest, newest]; undefined if none has. */
  #bucketOfSpan(oldest: bigint, newest: bigint): number | undefined {
    const last = this.#lastBucket
    if (oldest < last.fromNs || oldest > last.toNs) {
      const bucket = this.#windows.locate(oldest)
      this.#lastBucket = { bucket, fromNs: oldest, toNs: this.#windows.lastNs }
    }
    return newest <= this.#lastBucket.toNs ? this.#lastBucket.bucket : undefined
  }

  /** True if the entry's metadata has none of the grouping labels. */
  #isPlainEntry({ metadata, metadataEnds }: Block, index: number): boolean {
    if (this.#namesAsked === undefined) return false
    return !this.#namesAsked.areIn(metadata, startOf(metadataEnds, index), metadataEnds[index] as number)
  }

  *#addStretch(
    block: Block,
    run: StreamRun,
    sequence: number,
    { bucket, from, to, isPlain }: { bucket: number; from: number; to: number; isPlain: boolean },
  ): Slices<void> {
    this.#lines += to - from
    this.#bytes += (block.lineEnds[to - 1] as number) - startOf(block.lineEnds, from)
    if (isPlain && !this.#search.isNeeded) {
      for (let at = from; at < to; at += TALLIED_PER_SLICE) {
        this.#tallyRange(block, run, bucket, at, Math.min(to, at + TALLIED_PER_SLICE))
        if (this.#stride.isDue(Math.min(to - at, TALLIED_PER_SLICE) / TALLIED_PER_PIECE)) yield
      }
      return
    }
    for (let at = from; at < to; ) {
      const end = stretchEnd(block, at, to)
      const matches = this.#search.find(block, at, end)
      at = end
      for (let k = 0; k < matches.length; k++) {
        const index = matches[k] as number
        if (!isPlain && !this.#isPlainEntry(block, index)) {
          this.#addEntry(block, run, sequence, bucket, index)
          if (this.#isPauseDue(block, index)) yield
          continue
        }
        // Consecutive entries that need no individual processing are counted together.
        let last = index
        while (matches[k + 1] === last + 1 && (isPlain || this.#isPlainEntry(block, last + 1))) {
          k++
          last++
        }
        this.#tallyRange(block, run, bucket, index, last + 1)
      }
      yield
    }
  }

  #isPauseDue({ lineEnds }: Block, index: number): boolean {
    const { readsLine, stride } = this.#sampling
    return readsLine ? stride.isDue((lineEnds[index] as number) - startOf(lineEnds, index)) : this.#stride.isDue()
  }

  /** Counts entries [from, to) by level, from the columns only. */
  #tallyRange(block: Block, run: StreamRun, bucket: number, from: number, to: number): void {
    this.#linesAfterFilter += to - from
    for (let at = from; at < to; ) {
      const level = block.levels[at] as number
      let end = at + 1
      while (end < to && block.levels[end] === level) end++
      const bytes = (block.lineEnds[end - 1] as number) - startOf(block.lineEnds, at)
      const amount = this.#sampling.counts === 'bytes' ? bytes : end - at
      this.#plainSeriesOf(run, level).accumulator.tally(bucket, end - at, amount)
      at = end
    }
  }

  #plainSeriesOf(run: Pick<StreamRun, 'key' | 'labels'>, level: number): GatheredSeries {
    if (this.#plainLast.key !== run.key) this.#plainLast = { key: run.key, known: this.#plainOf(run) }
    const { known } = this.#plainLast
    const series = known[level]
    if (series !== undefined) return series
    const metadata: Metadata = level === 0 ? [] : [[DETECTED_LEVEL, LEVELS[level] as string]]
    this.#labels.reset(run.labels, metadata)
    const made = this.#seriesOfEntry()
    known[level] = made
    return made
  }

  #plainOf({ key }: Pick<StreamRun, 'key'>): (GatheredSeries | undefined)[] {
    const known = this.#plainSeries.get(key) ?? new Array<GatheredSeries | undefined>(LEVELS.length).fill(undefined)
    this.#plainSeries.set(key, known)
    return known
  }

  #addEntry(block: Block, run: StreamRun, sequence: number, bucket: number, index: number): void {
    const value = this.#sample(block, run, index, this.#metadataRead(block, index))
    if (value === undefined) return
    this.#linesAfterFilter++
    if (this.#labels.hasError && this.#labels.get(PRESERVE_ERROR_LABEL) === undefined) {
      // The error shows all labels.
      this.#sample(block, run, index, wholeMetadata(block, index))
      throw pipelineError(this.#labels)
    }
    const ns = block.timestamps.values[index] as bigint
    this.#seriesOf(run).accumulator.add(bucket, { value, ns, key: run.key, sequence, index })
  }

  /** Loads the entry into the label set and returns its sample; undefined if a stage drops it. */
  #sample(block: Block, run: StreamRun, index: number, metadata: Metadata): number | undefined {
    this.#labels.reset(run.labels, metadata)
    const ns = block.timestamps.values[index] as bigint
    const storedLine = this.#sampling.readsLine ? lineText(block, index) : ''
    const entry = { ns, line: storedLine, labels: this.#labels }
    const lineBytes = (block.lineEnds[index] as number) - startOf(block.lineEnds, index)
    return this.#sampling.sample(entry, storedLine, lineBytes)
  }

  /** The part of the entry's metadata that the query depends on. */
  #metadataRead(block: Block, index: number): Metadata {
    const names = this.#namesRead
    if (names === undefined || (names.haveLevel && block.levels[index] !== 0)) return wholeMetadata(block, index)
    const end = block.metadataEnds[index] as number
    return names.areIn(block.metadata, startOf(block.metadataEnds, index), end) ? wholeMetadata(block, index) : NONE
  }

  /** Like #seriesOfEntry, but faster if the stream determines the series. */
  #seriesOf({ labels: stream }: StreamRun): GatheredSeries {
    if (!this.#labels.hasStreamUnchanged) return this.#seriesOfEntry()
    if (this.#streamSeries?.stream === stream) return this.#streamSeries.series
    const series = this.#seriesOfEntry()
    const names = this.#grouping
    const isOfStream =
      names?.without === false && names.labels.every((name) => stream.some((label) => label.name === name))
    if (isOfStream) this.#streamSeries = { stream, series }
    return series
  }

  /** The series that the entry in the label set belongs to. */
  #seriesOfEntry(): GatheredSeries {
    const key = entryGroupKey(this.#grouping, this.#labels)
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const labels = entryGroupLabels(this.#grouping, this.#labels)
    checkVolume(this.#series.size + 1, Math.max(this.#windows.bucketCount, this.#steps.count))
    const series = { labels, accumulator: makeAccumulator(this.#aggregation, this.#windows, this.#held) }
    this.#series.set(key, series)
    return series
  }

  /** 1 at steps with an empty window. */
  #absentSeries(series: Series | undefined): Series {
    const absent = makeSeries(absentLabels(this.matchers), this.#steps.count)
    for (let k = 0; k < this.#steps.count; k++) if (series?.present[k] !== 1) setValue(absent, k, 1)
    return absent
  }
}

const NONE: Metadata = []

function wholeMetadata({ metadata, metadataEnds, levels }: Block, index: number): Metadata {
  return metadataWithLevel(
    metadata,
    startOf(metadataEnds, index),
    metadataEnds[index] as number,
    levels[index] as number,
  )
}

/** The unwrapped label does not distinguish series, unless the query groups by it. */
function withoutUnwrapped(grouping: Grouping | undefined, unwrap: Unwrap | undefined): Grouping | undefined {
  if (unwrap === undefined || grouping?.without === false) return grouping
  return { without: true, labels: [...(grouping?.labels ?? []), unwrap.label] }
}

/** The labels from equality matchers, without names that are matched twice. */
function absentLabels(matchers: readonly Matcher[]): Labels {
  return matchers
    .filter(({ name, operator, value }) => {
      return operator === '=' && value !== '' && matchers.filter((each) => each.name === name).length === 1
    })
    .map(({ name, value }) => ({ name, value }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Loki's text; the labels identify the stream and the error, without the line. */
function pipelineError(labels: LabelSet): GatewayError {
  const error = labels.get('__error__') ?? ''
  return new GatewayError(
    'query_refused',
    `pipeline error: '${error}' for series: '${formatLabels(labels.all())}'.\n` +
      `Use a label filter to intentionally skip this error. (e.g | __error__!="${error}").\n` +
      'To skip all potential errors you can match empty errors.(e.g __error__="")\n' +
      'The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__="" )\n',
  )
}
