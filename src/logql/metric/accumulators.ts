/** Accumulates a series while blocks are read, bucket by bucket, and computes its values at all steps. */

import { GatewayError } from '../../domain/errors.ts'
import { type Slices, Stride, sortSlices } from '../../kit/slices.ts'
import { comparePlaces } from '../best-entries.ts'
import type { RangeAggregation } from '../parse/syntax.ts'
import { COUNTER_RATE } from './counter-rate.ts'
import { type CountedValues, QuantileWindow, ValueList } from './quantile.ts'
import { type Aggregator, aggregatorOf, type Sample } from './samples.ts'
import { type Series, setValue } from './series.ts'
import type { Windows } from './windows.ts'

export interface Accumulator {
  /** Adds an entry; for counting operations the value is added. */
  add(bucket: number, sample: Sample): void
  /** Adds many entries, for counting operations only. */
  tally(bucket: number, entries: number, amount: number): void
  /** Sets the values of the steps whose window has an entry. */
  finish(windows: Windows, series: Series): Slices<void>
}

/** Steps, parts and samples processed between two yields. */
const PIECES_PER_SLICE = 2000
/** The weight of a step that finds a quantile among all values. */
const STEP_PIECES = 20
/** Maximum number of samples and parts in memory per query, of some 100 bytes each. */
const HELD_MAX = 2_000_000

/** Counts the samples and parts of all accumulators of a query. */
export class HeldBudget {
  #held = 0

  take(): void {
    if (++this.#held <= HELD_MAX) return
    throw new GatewayError(
      'query_refused',
      `the query holds more than ${HELD_MAX} samples at a time; shorten its range, use a larger step, or filter lines`,
    )
  }
}

/** Creates the accumulator of a series. `windows.bucketCount` bounds its buckets. */
export function makeAccumulator(aggregation: RangeAggregation, windows: Windows, held: HeldBudget): Accumulator {
  const { operation, range, parameter } = aggregation
  if (operation === 'quantile_over_time') return new QuantileAccumulator(parameter as number, held)
  if (operation === 'rate_counter') return new OrderedAccumulator(COUNTER_RATE, held)
  if (range.unwrap !== undefined && operation !== 'absent_over_time') {
    return new PartAccumulator(aggregatorOf(aggregation), held)
  }
  const isRate = operation === 'rate' || operation === 'bytes_rate'
  return new TallyAccumulator(windows.bucketCount, isRate ? secondsOf(windows) : 1)
}

function secondsOf({ range }: Windows): number {
  return Number(range) / 1e9
}

/** Entries and bytes: whole numbers, so that a window's sum is a difference of running sums. */
class TallyAccumulator implements Accumulator {
  readonly #entries: Float64Array
  readonly #amounts: Float64Array
  readonly #divisor: number

  constructor(bucketCount: number, divisor: number) {
    this.#entries = new Float64Array(bucketCount)
    this.#amounts = new Float64Array(bucketCount)
    this.#divisor = divisor
  }

  add(bucket: number, { value }: Sample): void {
    this.tally(bucket, 1, value)
  }

  tally(bucket: number, entries: number, amount: number): void {
    this.#entries[bucket] = (this.#entries[bucket] as number) + entries
    this.#amounts[bucket] = (this.#amounts[bucket] as number) + amount
  }

  *finish(windows: Windows, series: Series): Slices<void> {
    const entries = runningSums(this.#entries)
    const amounts = runningSums(this.#amounts)
    yield
    for (let k = 0; k < series.values.length; k++) {
      const { first, last } = windows.bucketsOf(k)
      if (entries[last + 1] === entries[first]) continue
      setValue(series, k, ((amounts[last + 1] as number) - (amounts[first] as number)) / this.#divisor)
    }
  }
}

/** sums[i] is the sum of the first i. */
function runningSums(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1)
  for (let i = 0; i < values.length; i++) sums[i + 1] = (sums[i] as number) + (values[i] as number)
  return sums
}

class PartAccumulator<Part> implements Accumulator {
  readonly #aggregator: Aggregator<Part>
  readonly #held: HeldBudget
  readonly #parts = new Map<number, Part>()

  constructor(aggregator: Aggregator<Part>, held: HeldBudget) {
    this.#aggregator = aggregator
    this.#held = held
  }

  add(bucket: number, sample: Sample): void {
    const part = this.#parts.get(bucket)
    if (part === undefined) this.#held.take()
    this.#parts.set(bucket, part === undefined ? this.#aggregator.begin(sample) : this.#aggregator.add(part, sample))
  }

  tally(): void {
    throw new TypeError('BUG: an unwrapped aggregation cannot tally')
  }

  *finish(windows: Windows, series: Series): Slices<void> {
    yield* finishParts(this.#parts, this.#aggregator, windows, series)
  }
}

/** Joins the parts of each window; two stacks ensure that every part is joined only a few times for any overlap. */
function* finishParts<Part>(
  parts: ReadonlyMap<number, Part>,
  aggregator: Aggregator<Part>,
  windows: Windows,
  series: Series,
): Slices<void> {
  const seconds = secondsOf(windows)
  const buckets = yield* sortSlices([...parts.keys()], (a, b) => a - b)
  const stride = new Stride(PIECES_PER_SLICE)
  /** The older parts of the window, each joined with all that follow it in this list's reverse; the oldest last. */
  let older: { readonly bucket: number; readonly joined: Part }[] = []
  let newer: { readonly bucket: number; readonly part: Part }[] = []
  let newerJoined: Part | undefined
  let next = 0
  for (let k = 0; k < series.values.length; k++) {
    if (stride.isDue()) yield
    const { first, last } = windows.bucketsOf(k)
    for (; next < buckets.length && (buckets[next] as number) <= last; next++) {
      const bucket = buckets[next] as number
      const part = parts.get(bucket) as Part
      newer.push({ bucket, part })
      newerJoined = newerJoined === undefined ? part : aggregator.join(newerJoined, part)
      if (stride.isDue()) yield
    }
    for (;;) {
      while (older.length > 0 && (older.at(-1) as { bucket: number }).bucket < first) older.pop()
      if (older.length > 0 || newer.length === 0 || (newer[0] as { bucket: number }).bucket >= first) break
      older = yield* foldOlder(newer, aggregator)
      newer = []
      newerJoined = undefined
    }
    const front = older.at(-1)?.joined
    const whole =
      front === undefined ? newerJoined : newerJoined === undefined ? front : aggregator.join(front, newerJoined)
    if (whole !== undefined) setValue(series, k, aggregator.finish(whole, seconds, windows.endOf(k)))
  }
}

function* foldOlder<Part>(
  newer: readonly { readonly bucket: number; readonly part: Part }[],
  aggregator: Aggregator<Part>,
): Slices<{ bucket: number; joined: Part }[]> {
  const older: { bucket: number; joined: Part }[] = []
  const stride = new Stride(PIECES_PER_SLICE)
  for (const { bucket, part } of newer.toReversed()) {
    if (stride.isDue()) yield
    const behind = older.at(-1)
    older.push({ bucket, joined: behind === undefined ? part : aggregator.join(part, behind.joined) })
  }
  return older
}

/** For aggregations that need samples in order, because blocks may come in any order. */
class OrderedAccumulator<Part> implements Accumulator {
  readonly #aggregator: Aggregator<Part>
  readonly #held: HeldBudget
  readonly #samples = new Map<number, Sample[]>()

  constructor(aggregator: Aggregator<Part>, held: HeldBudget) {
    this.#aggregator = aggregator
    this.#held = held
  }

  add(bucket: number, sample: Sample): void {
    this.#held.take()
    const samples = this.#samples.get(bucket)
    if (samples === undefined) this.#samples.set(bucket, [sample])
    else samples.push(sample)
  }

  tally(): void {
    throw new TypeError('BUG: an unwrapped aggregation cannot tally')
  }

  *finish(windows: Windows, series: Series): Slices<void> {
    const parts = new Map<number, Part>()
    const stride = new Stride(PIECES_PER_SLICE)
    for (const [bucket, samples] of this.#samples) {
      let part: Part | undefined
      for (const sample of yield* sortSlices(samples, (a, b) => comparePlaces('forward', a, b))) {
        part = part === undefined ? this.#aggregator.begin(sample) : this.#aggregator.add(part, sample)
        if (stride.isDue()) yield
      }
      if (part !== undefined) parts.set(bucket, part)
    }
    yield* finishParts(parts, this.#aggregator, windows, series)
  }
}

class QuantileAccumulator implements Accumulator {
  readonly #quantile: number
  readonly #held: HeldBudget
  readonly #values = new Map<number, ValueList>()

  constructor(quantile: number, held: HeldBudget) {
    this.#quantile = quantile
    this.#held = held
  }

  add(bucket: number, { value }: Sample): void {
    this.#held.take()
    let values = this.#values.get(bucket)
    if (values === undefined) {
      values = new ValueList()
      this.#values.set(bucket, values)
    }
    values.add(value)
  }

  tally(): void {
    throw new TypeError('BUG: an unwrapped aggregation cannot tally')
  }

  *finish(windows: Windows, series: Series): Slices<void> {
    const buckets = yield* sortSlices([...this.#values.keys()], (a, b) => a - b)
    const counted: CountedValues[] = []
    for (const bucket of buckets) counted.push(yield* (this.#values.get(bucket) as ValueList).counted())
    const window = yield* QuantileWindow.make(counted)
    const stride = new Stride(PIECES_PER_SLICE)
    let from = 0
    let to = 0
    for (let k = 0; k < series.values.length; k++) {
      const { first, last } = windows.bucketsOf(k)
      for (; to < buckets.length && (buckets[to] as number) <= last; to++) yield* window.add(to)
      for (; from < to && (buckets[from] as number) < first; from++) yield* window.remove(from)
      if (from < to) setValue(series, k, window.quantile(this.#quantile))
      if (stride.isDue(STEP_PIECES)) yield
    }
  }
}
