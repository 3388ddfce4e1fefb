/** Range aggregations over the samples of each window. */

import { comparePlaces, type EntryPlace } from '../best-entries.ts'
import type { RangeAggregation } from '../parse/syntax.ts'

/** The value of an entry, with its place in the order of all. */
export interface Sample extends EntryPlace {
  readonly value: number
}

/**
 * An aggregation as joinable parts: `join` is associative, and `before` is older than `after`. Parts are not modified after
 * joining.
 */
export interface Aggregator<Part> {
  begin(sample: Sample): Part
  /** The part with another sample; the samples of a part may come in any order. */
  add(part: Part, sample: Sample): Part
  join(before: Part, after: Part): Part
  /** `seconds` is the length of the window, `end` its end in nanoseconds. */
  finish(part: Part, seconds: number, end: bigint): number
}

interface Mean {
  readonly count: number
  readonly mean: number
  /** The sum of squared distances from the mean (Welford). */
  readonly squares: number
}

function reduceWith(reduce: (a: number, b: number) => number): Aggregator<number> {
  return {
    begin: ({ value }) => value,
    add: (part, { value }) => reduce(part, value),
    join: reduce,
    finish: (part) => part,
  }
}

/** As in Prometheus, a number wins over NaN. */
const smaller = (a: number, b: number): number => (b < a || Number.isNaN(a) ? b : a)
const larger = (a: number, b: number): number => (b > a || Number.isNaN(a) ? b : a)
const plus = (a: number, b: number): number => a + b

function means(finish: (mean: Mean) => number): Aggregator<Mean> {
  const join = (a: Mean, b: Mean): Mean => {
    const count = a.count + b.count
    const distance = b.mean - a.mean
    return {
      count,
      mean: a.mean + (distance * b.count) / count,
      squares: a.squares + b.squares + (distance * distance * a.count * b.count) / count,
    }
  }
  // No number is as far from its mean as infinity and NaN: the difference is NaN.
  const begin = ({ value }: Sample): Mean => ({ count: 1, mean: value, squares: value - value })
  return { begin, add: (part, sample) => join(part, begin(sample)), join, finish }
}

/** The average as a sum and a count, which is exact if the sum is. */
const AVERAGE: Aggregator<{ readonly sum: number; readonly count: number }> = {
  begin: ({ value }) => ({ sum: value, count: 1 }),
  add: ({ sum, count }, { value }) => ({ sum: sum + value, count: count + 1 }),
  join: (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
  finish: ({ sum, count }) => sum / count,
}

function pick(isBetter: (a: Sample, b: Sample) => boolean): Aggregator<Sample> {
  const better = (a: Sample, b: Sample): Sample => (isBetter(b, a) ? b : a)
  return { begin: (sample) => sample, add: better, join: better, finish: ({ value }) => value }
}

const TOTAL: Aggregator<number> = reduceWith(plus)

/** The aggregation of an unwrapped range; quantile_over_time and rate_counter need all samples and are separate. */
export function aggregatorOf({ operation }: RangeAggregation): Aggregator<unknown> {
  return AGGREGATORS.get(operation) as Aggregator<unknown>
}

const AGGREGATORS: ReadonlyMap<RangeAggregation['operation'], unknown> = new Map<
  RangeAggregation['operation'],
  unknown
>([
  ['sum_over_time', TOTAL],
  ['rate', { ...TOTAL, finish: (sum: number, seconds: number) => sum / seconds }],
  ['avg_over_time', AVERAGE],
  ['min_over_time', reduceWith(smaller)],
  ['max_over_time', reduceWith(larger)],
  ['stdvar_over_time', means(({ squares, count }) => squares / count)],
  ['stddev_over_time', means(({ squares, count }) => Math.sqrt(squares / count))],
  ['first_over_time', pick((a, b) => comparePlaces('forward', a, b) < 0)],
  ['last_over_time', pick((a, b) => comparePlaces('forward', a, b) > 0)],
])
