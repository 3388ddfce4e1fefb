/**
 * The windows (T - range, T] of all steps, divided into buckets at all window boundaries: an entry is added to one bucket,
 * and a window is a sequence of buckets, for any overlap of windows.
 */

import type { Steps } from './steps.ts'

/** Buckets [first, last] of one window. */
export interface WindowBuckets {
  readonly first: number
  readonly last: number
}

/**
 * Time is counted from the start of the first window, in cells of one step. Window k starts with cell k and ends `wholes`
 * cells later, or, if the range is not a multiple of the step, within the next cell: then each cell has two parts. Cells in
 * which no window starts or ends, if the range is longer than the query, form a single bucket.
 */
export class Windows {
  readonly range: bigint
  readonly bucketCount: number
  /** The last instant of the bucket, or of the gap between buckets, of the last call of `locate`. */
  lastNs = 0n
  readonly #base: bigint
  readonly #step: bigint
  readonly #end: bigint
  readonly #wholes: number
  readonly #rest: bigint
  readonly #steps: number

  constructor({ start, step, count }: Steps, range: bigint, offset: bigint) {
    this.range = range
    // An instant query has one window: with any step longer than the range it is one bucket.
    this.#step = count === 1 ? range : step
    this.#base = start - offset - range
    this.#end = start - offset + step * BigInt(count - 1)
    this.#wholes = Number(range / this.#step)
    this.#rest = range % this.#step
    this.#steps = count
    this.bucketCount = this.bucketsOf(count - 1).last + 1
  }

  /** The time range [start, end) of all windows. */
  get start(): bigint {
    return this.#base + 1n
  }

  get end(): bigint {
    return this.#end + 1n
  }

  /** The end of window `k`: its step, shifted by the offset. */
  endOf(k: number): bigint {
    return this.#base + this.range + this.#step * BigInt(k)
  }

  /** The bucket of an instant, or -1 if it is in no window; sets `lastNs`. */
  locate(ns: bigint): number {
    const distance = ns - this.#base
    if (distance <= 0n || ns > this.#end) {
      this.lastNs = distance <= 0n ? this.#base : ns
      return -1
    }
    const cell = (distance - 1n) / this.#step
    const cellStart = this.#base + cell * this.#step
    const isSecond = this.#rest > 0n && ns > cellStart + this.#rest
    this.lastNs = this.#rest > 0n && !isSecond ? cellStart + this.#rest : cellStart + this.#step
    if (this.#wholes === 0 && isSecond) return -1
    return this.#bucketOf(Number(cell), isSecond)
  }

  /** False if no window has an instant of [oldest, newest]. */
  touches(oldest: bigint, newest: bigint): boolean {
    if (newest <= this.#base || oldest > this.#end) return false
    if (this.#wholes > 0) return true
    return this.locate(oldest > this.#base ? oldest : this.#base + 1n) >= 0 || newest > this.lastNs
  }

  bucketsOf(k: number): WindowBuckets {
    const first = this.#bucketOf(k, false)
    const last = this.#rest > 0n ? this.#bucketOf(k + this.#wholes, false) : this.#bucketOf(k + this.#wholes - 1, true)
    return { first, last }
  }

  #bucketOf(cell: number, isSecond: boolean): number {
    const idle = this.#wholes - this.#steps
    const isIdle = idle > 1 && cell >= this.#steps && cell < this.#wholes
    const packed = idle <= 1 || cell < this.#steps ? cell : isIdle ? this.#steps : cell - idle + 1
    return this.#rest > 0n ? 2 * packed + (isSecond && !isIdle ? 1 : 0) : packed
  }
}
