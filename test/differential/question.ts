/** What a comparison asks: a query with the parameters of its endpoint. */

import type { Random } from '../support/random.ts'
import { type DataSet, SPAN_SECONDS } from './data-set.ts'
import { LogQueryMaker } from './log-queries.ts'
import { MetricQueryMaker } from './metric-queries.ts'

export interface Question {
  readonly path: 'query' | 'query_range'
  /** Without `query`: times, step, limit, direction. */
  readonly params: Readonly<Record<string, string>>
  readonly query: string
  /** Whether entries come in the form of categorize-labels. */
  readonly isCategorized: boolean
}

/** A random question about the set. `oddQuery` makes the texts that are no well-formed LogQL. */
export function makeQuestion(random: Random, set: DataSet, oddQuery: () => string): Question {
  const isCategorized = random.chance(0.5)
  if (random.chance(0.02)) {
    const params = { ...wholeRange(set), step: '60', limit: '1000', direction: 'forward' }
    return { path: 'query_range', params, query: oddQuery().trim() || '{', isCategorized }
  }
  if (random.chance(0.45)) {
    const query = new LogQueryMaker(random).query()
    return { path: 'query_range', params: logParams(random, set), query, isCategorized }
  }
  const query = new MetricQueryMaker(random).query()
  if (random.chance(0.5)) return { path: 'query', params: { time: timeIn(random, set) }, query, isCategorized }
  return { path: 'query_range', params: rangeParams(random, set), query, isCategorized }
}

function wholeRange(set: DataSet): { start: string; end: string } {
  return { start: String(set.start), end: String(set.end) }
}

function logParams(random: Random, set: DataSet): Record<string, string> {
  const params: Record<string, string> = { direction: random.pick(['forward', 'backward']) }
  Object.assign(params, random.chance(0.6) ? wholeRange(set) : between(random, set))
  // Loki thins out the entries that a limit has left: see docs/fidelity.md.
  if (random.chance(0.08)) return { ...params, limit: '1000', interval: random.pick(['1', '10', '60', '1m', '500ms']) }
  if (random.chance(0.8)) params['limit'] = random.pick(['1', '2', '5', '10', '100', '1000'])
  return params
}

const STEPS = ['5', '10', '30', '60', '60', '120', '120', '7', '1m', '15000ms', '600'] as const

/** Both ends are multiples of the step since the epoch: a Loki that splits nothing does not widen ranges to them. */
function rangeParams(random: Random, set: DataSet): Record<string, string> {
  const step = random.pick(STEPS)
  const stepNs = BigInt(Math.round(Number(step.replace('15000ms', '15').replace('1m', '60')) * 1e9))
  const { start, end } = random.chance(0.6) ? wholeRange(set) : between(random, set)
  const aligned = (time: string): bigint => (BigInt(time) / stepNs) * stepNs
  return { start: String(aligned(start)), end: String(aligned(end)), step }
}

/** Two times about the set, in order. */
function between(random: Random, set: DataSet): { start: string; end: string } {
  const [first = '', last = ''] = [timeIn(random, set), timeIn(random, set)].sort((a, b) =>
    BigInt(a) < BigInt(b) ? -1 : 1,
  )
  return { start: first, end: last }
}

/** From a minute before the set to a minute behind it, whole seconds more often than not. */
function timeIn(random: Random, set: DataSet): string {
  const seconds = BigInt(random.integer(SPAN_SECONDS + 120) - 60) * 1_000_000_000n
  const rest = random.chance(0.7)
    ? 0n
    : random.chance(0.7)
      ? BigInt(random.integer(1000)) * 1_000_000n
      : BigInt(random.integer(1_000_000_000))
  return String(set.start + seconds + rest)
}
