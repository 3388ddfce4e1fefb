/** Quantiles of a sliding window of values. */

import { type Slices, Stride, sortSlices } from '../../kit/slices.ts'

/** Values processed between two yields. */
const VALUES_PER_SLICE = 4096

/**
 * Counts of the values in the window by rank among all (a Fenwick tree): adding, removing and querying take logarithmic
 * time. NaN counts as the greatest.
 */
export class QuantileWindow {
  /** All values, ascending. */
  readonly #sorted: Float64Array
  /** The rank of each value by its index. */
  readonly #ranks: Uint32Array
  readonly #counts: Uint32Array
  readonly #top: number
  #size = 0

  private constructor(sorted: Float64Array, ranks: Uint32Array) {
    this.#sorted = sorted
    this.#ranks = ranks
    this.#counts = new Uint32Array(sorted.length + 1)
    this.#top = sorted.length === 0 ? 0 : 2 ** Math.floor(Math.log2(sorted.length))
  }

  static *make(values: readonly number[]): Slices<QuantileWindow> {
    const stride = new Stride(VALUES_PER_SLICE)
    const places: number[] = []
    for (let i = 0; i < values.length; i++) {
      places.push(i)
      if (stride.isDue()) yield
    }
    const order = yield* sortSlices(places, (i, j) => compareNumbers(values[i] as number, values[j] as number))
    const sorted = new Float64Array(values.length)
    const ranks = new Uint32Array(values.length)
    for (const [rank, place] of order.entries()) {
      sorted[rank] = values[place] as number
      ranks[place] = rank
      if (stride.isDue()) yield
    }
    return new QuantileWindow(sorted, ranks)
  }

  /** Adds the value with this index to the window. */
  add(place: number): void {
    this.#size++
    this.#change(place, 1)
  }

  /** Removes it; it must be in the window. */
  remove(place: number): void {
    this.#size--
    this.#change(place, -1)
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

  #change(place: number, by: 1 | -1): void {
    const counts = this.#counts
    for (let i = (this.#ranks[place] as number) + 1; i < counts.length; i += i & -i) {
      counts[i] = (counts[i] as number) + by
    }
  }

  /** The value in the window before which there are `before` others. */
  #valueAt(before: number): number {
    let at = 0
    let rest = before
    for (let step = this.#top; step > 0; step >>= 1) {
      const next = at + step
      if (next >= this.#counts.length || (this.#counts[next] as number) > rest) continue
      at = next
      rest -= this.#counts[next] as number
    }
    return this.#sorted[at] as number
  }
}

function compareNumbers(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a === b ? 0 : a < b ? -1 : 1
}
