/** rate_counter: the rate of a counter that may reset, extrapolated to the window boundaries as in Prometheus. */

import type { Aggregator, Sample } from './samples.ts'

interface CounterPart {
  readonly first: Sample
  readonly last: Sample
  readonly count: number
  /** The sum of values before resets. */
  readonly lost: number
}

/** Samples must be added in order. */
export const COUNTER_RATE: Aggregator<CounterPart> = {
  begin: (sample) => ({ first: sample, last: sample, count: 1, lost: 0 }),
  add: (part, sample) => COUNTER_RATE.join(part, COUNTER_RATE.begin(sample)),
  join: (a, b) => ({
    first: a.first,
    last: b.last,
    count: a.count + b.count,
    lost: a.lost + b.lost + (b.first.value < a.last.value ? a.last.value : 0),
  }),
  finish: extrapolatedRate,
}

/** Factor of the average sample distance beyond which the series is assumed to start or end within the window. */
const REACH = 1.1

/** See extrapolatedRate in promql/functions.go of Prometheus. A single sample has no rate: 0, as in Loki. */
function extrapolatedRate({ first, last, count, lost }: CounterPart, seconds: number, end: bigint): number {
  const sampled = Number(last.ns - first.ns) / 1e9
  if (count < 2 || sampled === 0) return 0
  const increase = last.value - first.value + lost
  const average = sampled / (count - 1)
  const toEnd = Number(end - last.ns) / 1e9
  let toStart = seconds - toEnd - sampled
  if (toStart >= average * REACH) toStart = average / 2
  // A counter is never below zero.
  if (increase > 0 && first.value >= 0) toStart = Math.min(toStart, sampled * (first.value / increase))
  const covered = sampled + toStart + (toEnd >= average * REACH ? average / 2 : toEnd)
  return (increase * (covered / sampled)) / seconds
}
