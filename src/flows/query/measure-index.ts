/** Statistics of a selector, computed from the columns only: streams, entries, bytes, over time or in total. */

import { lowerBound, type StreamRun, startOf } from '../../domain/entries/block.ts'
import type { RunSummary } from '../../domain/entries/run-summary.ts'
import { GatewayError } from '../../domain/errors.ts'
import { formatLabels, type Labels } from '../../domain/labels.ts'
import { type Slices, Stride, sortSlices } from '../../kit/slices.ts'
import type { LogStore, ReadBlock, StreamRange } from '../../ports/log-store.ts'
import { type QueryTurn, UNSHARED } from './query-turns.ts'

/** Streams, runs (the closest match to Loki's chunks), entries, and bytes of lines. */
export interface IndexStats {
  readonly streams: number
  readonly chunks: number
  readonly bytes: number
  readonly entries: number
}

export async function measureIndex(
  store: LogStore,
  range: StreamRange,
  turn: QueryTurn = UNSHARED,
): Promise<IndexStats> {
  const streams = new Set<string>()
  let chunks = 0
  let bytes = 0
  let entries = 0
  const takes = ({ key, counts, isWhole }: RunSummary): boolean => {
    // A run that is read in parts is one chunk.
    if (!isWhole) return false
    streams.add(key)
    chunks++
    for (const count of counts) {
      bytes += count.bytes
      entries += count.entries
    }
    return true
  }
  for await (const { block, runs } of readColumns(store, range, turn, takes)) {
    await turn.pause()
    for (const run of runs) {
      streams.add(run.key)
      chunks++
      bytes += lineBytes(block.lineEnds, run.start, run.end)
      entries += run.end - run.start
    }
  }
  return { streams: streams.size, chunks, bytes, entries }
}

export interface VolumeRequest extends StreamRange {
  /**
   * `series`: sums streams with equal target labels. `labels`: sums the streams that have the label, for every target
   * label.
   */
  readonly aggregateBy: 'series' | 'labels'
  /** The target labels, which a stream must have; undefined: those of the matchers, or all labels without matchers. */
  readonly targetLabels: readonly string[] | undefined
  /** The step of the sums; undefined: one sum over the whole range. Steps are at multiples of their length since the epoch. */
  readonly stepNs: bigint | undefined
  /** Maximum number of volumes. */
  readonly limit: number
}

export interface Volume {
  /** A single label without a value for `labels`. */
  readonly labels: Labels
  /** Bytes of lines by the end of their step (for the last, the end of the range), in order of time; never empty. */
  readonly samples: readonly (readonly [ns: bigint, bytes: number])[]
}

/** Maximum number of sums in memory: series times steps. */
const CELLS_MAX = 1_000_000

/** Sums that are processed between two yields. */
const CELLS_PER_SLICE = 1000

/** Sorted by the first sample, largest first. Throws query_refused for too many series and steps. */
export async function measureVolume(
  store: LogStore,
  request: VolumeRequest,
  turn: QueryTurn = UNSHARED,
): Promise<Volume[]> {
  const { targetLabels = [] } = request
  const targets = targetLabels.map((name) => ({ name, operator: '!=', value: '', test: isPresent }) as const)
  const sums = new VolumeSums(request)
  const range = { ...request, matchers: [...request.matchers, ...targets] }
  const takes = (run: RunSummary): boolean => sums.take(run)
  for await (const block of readColumns(store, range, turn, takes)) await turn.run(sums.add(block))
  return turn.run(sums.volumes())
}

const isPresent = (value: string): boolean => value !== ''

interface Sum {
  readonly key: string
  readonly labels: Labels
  readonly byEnd: Map<bigint, number>
}

class VolumeSums {
  readonly #request: VolumeRequest
  /** Target label names; undefined: all. */
  readonly #names: readonly string[] | undefined
  readonly #sums = new Map<string, Sum>()
  readonly #sumsOfStream = new Map<string, readonly Sum[]>()
  readonly #stride = new Stride(CELLS_PER_SLICE)
  #cells = 0

  constructor(request: VolumeRequest) {
    this.#request = request
    const names = request.targetLabels ?? request.matchers.map(({ name }) => name)
    this.#names = names.length === 0 ? undefined : [...new Set(names)]
  }

  /** Adds a run by its summary, and returns true; false if it is in several steps. */
  take(run: RunSummary): boolean {
    const { end: rangeEnd, stepNs } = this.#request
    const end = stepNs === undefined ? rangeEnd : endOfStep(run.oldest, stepNs)
    if (end < rangeEnd && run.newest >= end) return false
    const bytes = run.counts.reduce((sum, count) => sum + count.bytes, 0)
    for (const sum of this.#sumsOf(run)) this.#count(sum, end < rangeEnd ? end : rangeEnd, bytes)
    return true
  }

  *add({ block, runs }: ReadBlock): Slices<void> {
    const { end: rangeEnd, stepNs } = this.#request
    for (const run of runs) {
      const sums = this.#sumsOf(run)
      for (let from = run.start; from < run.end; ) {
        const end = stepNs === undefined ? rangeEnd : endOfStep(block.timestamps.values[from] as bigint, stepNs)
        const to = end >= rangeEnd ? run.end : lowerBound(block.timestamps, from, run.end, end)
        const bytes = lineBytes(block.lineEnds, from, to)
        for (const sum of sums) this.#count(sum, end < rangeEnd ? end : rangeEnd, bytes)
        from = to
        if (this.#stride.isDue(1 + sums.length)) yield
      }
    }
  }

  *volumes(): Slices<Volume[]> {
    const volumes: (Volume & { readonly key: string; readonly first: number })[] = []
    for (const { key, labels, byEnd } of this.#sums.values()) {
      const samples = yield* sortSlices([...byEnd], ([a], [b]) => (a < b ? -1 : 1))
      volumes.push({ key, labels, samples, first: samples[0]?.[1] ?? 0 })
      if (this.#stride.isDue(samples.length)) yield
    }
    const sorted = yield* sortSlices(volumes, (a, b) => b.first - a.first || (a.key < b.key ? -1 : 1))
    return sorted.slice(0, this.#request.limit).map(({ labels, samples }) => ({ labels, samples }))
  }

  #count({ byEnd }: Sum, end: bigint, bytes: number): void {
    const before = byEnd.get(end)
    if (before === undefined && ++this.#cells > CELLS_MAX) {
      throw new GatewayError(
        'query_refused',
        `the volume has more than ${CELLS_MAX} series and steps; use a longer step or fewer labels`,
      )
    }
    byEnd.set(end, (before ?? 0) + bytes)
  }

  #sumsOf({ key, labels }: Pick<StreamRun, 'key' | 'labels'>): readonly Sum[] {
    const known = this.#sumsOfStream.get(key)
    if (known !== undefined) return known
    const names = this.#names
    const picked = names === undefined ? labels : labels.filter(({ name }) => names.includes(name))
    const sums =
      this.#request.aggregateBy === 'series'
        ? [this.#sum(formatLabels(picked), picked)]
        : picked.map(({ name }) => this.#sum(name, [{ name, value: '' }]))
    this.#sumsOfStream.set(key, sums)
    return sums
  }

  #sum(key: string, labels: Labels): Sum {
    const known = this.#sums.get(key)
    if (known !== undefined) return known
    const sum = { key, labels, byEnd: new Map<bigint, number>() }
    this.#sums.set(key, sum)
    return sum
  }
}

/** The number of distinct values of labels that are useful for selecting streams. */
export interface DetectedLabel {
  readonly name: string
  readonly cardinality: number
}

/** Labels that are included regardless of their values, as in Loki. */
const PLACES: readonly string[] = ['cluster', 'namespace', 'instance', 'pod']

/** Sorted by name. Labels whose values are numbers or UUIDs are omitted, because they are not useful for selecting. */
export async function detectLabels(
  store: LogStore,
  range: StreamRange,
  turn: QueryTurn = UNSHARED,
): Promise<readonly DetectedLabel[]> {
  const streams = await store.streams({ ...range, pause: turn.pause }, turn.signal)
  return turn.run(detectIn(streams))
}

function* detectIn(streams: readonly Labels[]): Slices<readonly DetectedLabel[]> {
  const valuesByName = new Map<string, Set<string>>()
  const stride = new Stride(CELLS_PER_SLICE)
  for (const labels of streams) {
    for (const { name, value } of labels) {
      const values = valuesByName.get(name)
      if (values === undefined) valuesByName.set(name, new Set([value]))
      else values.add(value)
    }
    if (stride.isDue()) yield
  }
  return [...valuesByName]
    .filter(([name, values]) => PLACES.includes(name) || ![...values].every(isIdentifier))
    .map(([name, values]) => ({ name, cardinality: values.size }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

const UUID = /^(?:urn:uuid:)?\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?$/i

function isIdentifier(value: string): boolean {
  return (value.trim() !== '' && Number.isFinite(Number(value))) || UUID.test(value)
}

function readColumns(
  store: LogStore,
  range: StreamRange,
  turn: QueryTurn,
  takes: (run: RunSummary) => boolean,
): AsyncIterable<ReadBlock> {
  const { tenant, matchers, start, end } = range
  const columns = { direction: 'backward', withoutText: true, takes } as const
  return store.read({ tenant, matchers, start, end, ...columns, pause: turn.pause }, turn.signal)
}

function lineBytes(lineEnds: Uint32Array, from: number, to: number): number {
  return (lineEnds[to - 1] as number) - startOf(lineEnds, from)
}

/** The first multiple of the step that is after `ns`. */
function endOfStep(ns: bigint, stepNs: bigint): bigint {
  const into = ((ns % stepNs) + stepNs) % stepNs
  return ns - into + stepNs
}
