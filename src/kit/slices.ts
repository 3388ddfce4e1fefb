/** Work in slices: a generator that yields so that the thread can do other work. */

/** Work with the result T. It yields after about a millisecond, however large the whole is. */
export type Slices<T> = Generator<undefined, T, undefined>

/** Does all of the work at once: for work that is small, and for tests. */
export function finishSlices<T>(work: Slices<T>): T {
  for (;;) {
    const { value, done } = work.next()
    if (done === true) return value
  }
}

/** Counts small pieces of work until it is time to yield. */
export class Stride {
  readonly #limit: number
  #done = 0

  /** `limit`: number of pieces between two yields. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** True if it is time to yield. */
  isDue(pieces = 1): boolean {
    this.#done += pieces
    if (this.#done < this.#limit) return false
    this.#done = 0
    return true
  }
}

/** Number of elements that are sorted or merged between two yields. */
const STRETCH = 1024

/** A new sorted array; stable. `compare` is as for Array.prototype.sort. */
export function* sortSlices<T>(items: readonly T[], compare: (a: T, b: T) => number): Slices<T[]> {
  let from: T[] = []
  for (let at = 0; at < items.length; at += STRETCH) {
    from.push(...items.slice(at, at + STRETCH).sort(compare))
    if (items.length > STRETCH) yield
  }
  for (let width = STRETCH; width < from.length; width *= 2) {
    const to: T[] = []
    for (let at = 0; at < from.length; at += 2 * width) {
      const middle = Math.min(at + width, from.length)
      const end = Math.min(at + 2 * width, from.length)
      for (let left = at, right = middle; left < middle || right < end; ) {
        const takesLeft = right >= end || (left < middle && compare(from[left] as T, from[right] as T) <= 0)
        to.push(from[takesLeft ? left++ : right++] as T)
        if (to.length % STRETCH === 0) yield
      }
    }
    from = to
  }
  return from
}
