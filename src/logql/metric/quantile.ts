/** Quantiles of a sliding window of values. NaN counts as the greatest value. */

import { type Slices, Stride } from '../../kit/slices.ts'

/** Values processed between two yields. */
const VALUES_PER_SLICE = 4096
/** Values that the engine sorts in one call, in less than a millisecond. */
const SORTED_AT_ONCE = 8192
/** Ranks, or groups of them, that share a count on the level above. */
const GROUP_BITS = 6
const GROUP = 1 << GROUP_BITS

/** Different values, ascending, and how often each occurs. */
export interface CountedValues {
  readonly values: Float64Array
  readonly counts: Uint32Array
}

/** Values in order of arrival. */
export class ValueList {
  #values = new Float64Array(8)
  #size = 0

  add(value: number): void {
    if (this.#size === this.#values.length) {
      const larger = new Float64Array(this.#size * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#size++] = value
  }

  /** Sorts and counts the values, and gives up their memory: the list is empty afterwards. */
  *counted(): Slices<CountedValues> {
    const sorted = yield* sortNumbers(this.#values.subarray(0, this.#size))
    this.#values = new Float64Array(1)
    this.#size = 0
    return yield* countSorted(sorted)
  }
}

/**
 * Counts of the values in the window by rank among all different values, and by groups of ranks, so that a value is added
 * in constant time and a quantile is found by a few short walks.
 */
export class QuantileWindow {
  readonly #values: Float64Array
  /** By rank, by group of ranks, by group of groups. */
  readonly #levels: readonly Uint32Array[]
  /** The ranks of each bucket's values. */
  readonly #ranks: readonly Uint32Array[]
  readonly #buckets: readonly CountedValues[]
  readonly #stride = new Stride(VALUES_PER_SLICE)
  #size = 0

  private constructor(values: Float64Array, ranks: readonly Uint32Array[], buckets: readonly CountedValues[]) {
    this.#values = values
    this.#ranks = ranks
    this.#buckets = buckets
    const groups = (count: number): number => (count >> GROUP_BITS) + 1
    const { length } = values
    this.#levels = [length, groups(length), groups(groups(length))].map((count) => new Uint32Array(count))
  }

  /** An empty window over the values of `buckets`. */
  static *make(buckets: readonly CountedValues[]): Slices<QuantileWindow> {
    const all = new Float64Array(buckets.reduce((sum, { values }) => sum + values.length, 0))
    let end = 0
    for (const { values } of buckets) {
      all.set(values, end)
      end += values.length
    }
    const { values } = yield* countSorted(yield* sortNumbers(all))
    const ranks: Uint32Array[] = []
    for (const bucket of buckets) ranks.push(yield* ranksIn(values, bucket.values))
    return new QuantileWindow(values, ranks, buckets)
  }

  /** Adds the values of a bucket. */
  add(bucket: number): Slices<void> {
    return this.#change(bucket, 1)
  }

  /** Removes those of a bucket that was added. */
  remove(bucket: number): Slices<void> {
    return this.#change(bucket, -1)
  }

  /** Linear interpolation between the two nearest values in the window; below 0 and above 1 the infinities. */
  quantile(quantile: number): number {
    if (this.#size === 0 || Number.isNaN(quantile)) return Number.NaN
    if (quantile < 0) return Number.NEGATIVE_INFINITY
    if (quantile > 1) return Number.POSITIVE_INFINITY
    const rank = quantile * (this.#size - 1)
    const low = Math.floor(rank)
    const high = Math.min(this.#size - 1, low + 1)
    const weight = rank - low
    return this.#valueAt(low) * (1 - weight) + this.#valueAt(high) * weight
  }

  *#change(bucket: number, sign: 1 | -1): Slices<void> {
    const ranks = this.#ranks[bucket] as Uint32Array
    const { counts } = this.#buckets[bucket] as CountedValues
    for (let i = 0; i < ranks.length; i++) {
      const by = sign * (counts[i] as number)
      this.#size += by
      let at = ranks[i] as number
      for (const level of this.#levels) {
        level[at] = (level[at] as number) + by
        at >>= GROUP_BITS
      }
      if (this.#stride.isDue()) yield
    }
  }

  /** The value in the window before which there are `before` others. */
  #valueAt(before: number): number {
    let at = 0
    let rest = before
    for (const level of this.#levels.toReversed()) {
      at *= GROUP
      for (let count = level[at] as number; count <= rest; count = level[++at] as number) rest -= count
    }
    return this.#values[at] as number
  }
}

function isLess(a: number, b: number): boolean {
  return a < b || (Number.isNaN(b) && !Number.isNaN(a))
}

/** A sorted copy, or the array itself, sorted in place. */
function* sortNumbers(values: Float64Array): Slices<Float64Array> {
  for (let at = 0; at < values.length; at += SORTED_AT_ONCE) {
    values.subarray(at, at + SORTED_AT_ONCE).sort()
    if (values.length > SORTED_AT_ONCE) yield
  }
  let from = values
  if (values.length <= SORTED_AT_ONCE) return from
  let to: Float64Array = new Float64Array(values.length)
  for (let width = SORTED_AT_ONCE; width < values.length; width *= 2) {
    yield* mergePairs(from, to, width)
    ;[from, to] = [to, from]
  }
  return from
}

/** Merges neighbours of `width` sorted values. */
function* mergePairs(from: Float64Array, to: Float64Array, width: number): Slices<void> {
  const stride = new Stride(VALUES_PER_SLICE)
  for (let start = 0; start < from.length; start += 2 * width) {
    const middle = Math.min(start + width, from.length)
    const end = Math.min(start + 2 * width, from.length)
    let left = start
    let right = middle
    for (let at = start; at < end; at++) {
      const takesLeft = right >= end || (left < middle && !isLess(from[right] as number, from[left] as number))
      to[at] = from[takesLeft ? left++ : right++] as number
      if (stride.isDue()) yield
    }
  }
}

function* countSorted(sorted: Float64Array): Slices<CountedValues> {
  const stride = new Stride(VALUES_PER_SLICE)
  const counts = new Uint32Array(sorted.length)
  let size = 0
  for (let i = 0; i < sorted.length; i++) {
    const value = sorted[i] as number
    // In place: no value is written after the one that is read.
    if (size === 0 || isLess(sorted[size - 1] as number, value)) sorted[size++] = value
    counts[size - 1] = (counts[size - 1] as number) + 1
    if (stride.isDue()) yield
  }
  return size === sorted.length
    ? { values: sorted, counts }
    : { values: sorted.slice(0, size), counts: counts.slice(0, size) }
}

/** The rank of each value in `all`, which has every one of them; both ascend. */
function* ranksIn(all: Float64Array, values: Float64Array): Slices<Uint32Array> {
  const stride = new Stride(VALUES_PER_SLICE)
  const ranks = new Uint32Array(values.length)
  let rank = 0
  for (let i = 0; i < values.length; i++) {
    rank = rankFrom(all, rank, values[i] as number)
    ranks[i] = rank
    if (stride.isDue()) yield
  }
  return ranks
}

/** The first position from `from` on whose value is not less: it is usually near, so gallop, then bisect. */
function rankFrom(all: Float64Array, from: number, value: number): number {
  let step = 1
  while (from + step < all.length && isLess(all[from + step] as number, value)) step *= 2
  let low = from + (step >> 1)
  let high = Math.min(from + step, all.length)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isLess(all[middle] as number, value)) low = middle + 1
    else high = middle
  }
  return low
}
