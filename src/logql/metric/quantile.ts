/** The quantile of values that lie in several sorted lists. */

/** Linear interpolation between the two nearest values; below 0 and above 1 the infinities. `lists` are sorted. */
export function quantileOf(quantile: number, lists: readonly Float64Array[]): number {
  const count = lists.reduce((sum, list) => sum + list.length, 0)
  if (count === 0 || Number.isNaN(quantile)) return Number.NaN
  if (quantile < 0) return Number.NEGATIVE_INFINITY
  if (quantile > 1) return Number.POSITIVE_INFINITY
  const rank = quantile * (count - 1)
  const low = Math.floor(rank)
  const high = Math.min(count - 1, low + 1)
  const weight = rank - low
  return valueOfRank(lists, low) * (1 - weight) + valueOfRank(lists, high) * weight
}

/** The part of a list that the value may still be in. */
interface Segment {
  readonly list: Float64Array
  low: number
  high: number
}

/** The value at `rank` of all lists together. Each round halves the longest segment. NaN counts as the greatest. */
function valueOfRank(lists: readonly Float64Array[], rank: number): number {
  const [only] = lists
  if (only !== undefined && lists.length === 1) return only[rank] as number
  const segments: Segment[] = lists.map((list) => ({ list, low: 0, high: list.length }))
  for (;;) {
    const longest = segments.reduce((a, b) => (b.high - b.low > a.high - a.low ? b : a))
    const pivot = longest.list[(longest.low + longest.high) >> 1] as number
    const cuts = segments.map((segment) => cut(segment, pivot))
    const below = cuts.reduce((sum, { from }, i) => sum + from - (segments[i] as Segment).low, 0)
    const upTo = cuts.reduce((sum, { to }, i) => sum + to - (segments[i] as Segment).low, 0)
    if (rank >= below && rank < upTo) return pivot
    for (const [i, segment] of segments.entries()) {
      const { from, to } = cuts[i] as { from: number; to: number }
      if (rank < below) segment.high = from
      else segment.low = to
    }
    if (rank >= upTo) rank -= upTo
  }
}

/** Where the values equal to the pivot begin and end. */
function cut({ list, low, high }: Segment, pivot: number): { from: number; to: number } {
  return {
    from: firstWhere(list, low, high, (value) => !isLess(value, pivot)),
    to: firstWhere(list, low, high, (value) => isLess(pivot, value)),
  }
}

function isLess(a: number, b: number): boolean {
  return a < b || (Number.isNaN(b) && !Number.isNaN(a))
}

function firstWhere(list: Float64Array, low: number, high: number, test: (value: number) => boolean): number {
  while (low < high) {
    const middle = (low + high) >> 1
    if (test(list[middle] as number)) high = middle
    else low = middle + 1
  }
  return low
}
