/** Limits that a request sets for its own query, applied below those of its tenant. */

import { GatewayError } from '../../../domain/errors.ts'
import type { QueryLimits } from '../../../domain/limits.ts'
import type { Matcher } from '../../../domain/selector.ts'
import { msToNs, NS_PER_MS } from '../../../domain/time.ts'
import { measureIndex } from '../../../flows/query/measure-index.ts'
import type { QueryTurn } from '../../../flows/query/query-turns.ts'
import { formatGoDuration } from '../../../logql/parse/literal.ts'
import type { LogStore, StreamRange } from '../../../ports/log-store.ts'
import type { AskedLimits } from '../../../protocol/loki/query-limits-header.ts'

interface TimeRange {
  readonly start: bigint
  readonly end: bigint
}

/** The tenant's limits, lowered by those of the request, never raised. */
export function lowerLimits(limits: QueryLimits, asked: AskedLimits): QueryLimits {
  const { rangeMsMax = limits.rangeMsMax, entriesMax = limits.entriesMax, timeoutMs = limits.timeoutMs } = asked
  return {
    ...limits,
    rangeMsMax: Math.min(limits.rangeMsMax, rangeMsMax),
    entriesMax: Math.min(limits.entriesMax, entriesMax),
    timeoutMs: Math.min(limits.timeoutMs, timeoutMs),
  }
}

/** The part of a range within the request's lookback; for an older range an empty range at its limit. */
export function withinLookback({ start, end }: TimeRange, { lookbackMs }: AskedLimits, nowMs: number): TimeRange {
  if (lookbackMs === undefined) return { start, end }
  const oldest = msToNs(nowMs) - BigInt(lookbackMs) * NS_PER_MS
  return { start: start < oldest ? oldest : start, end: end < oldest ? oldest : end }
}

/** Throws query_refused with Loki's text if a range is longer than `rangeMsMax`. */
export function assertRange({ start, end }: TimeRange, rangeMsMax: number): void {
  if (end - start <= BigInt(rangeMsMax) * NS_PER_MS) return
  const length = formatGoDuration(end - start)
  const limit = formatGoDuration(BigInt(rangeMsMax) * NS_PER_MS)
  const text = `the query time range exceeds the limit (query length: ${length}, limit: ${limit})`
  throw new GatewayError('query_refused', text)
}

/** Throws query_refused with Loki's text if a selector lacks matchers that the request requires. */
export function assertMatchers(matchers: readonly Matcher[], { labelsRequired, matchersMin }: AskedLimits): void {
  const present = matchers.map(({ name }) => name)
  const missing = labelsRequired.filter((name) => !present.includes(name))
  if (missing.length > 0) {
    const text = `stream selector is missing required matchers [${missing.join(', ')}], labels present in the query were [${present.join(', ')}]`
    throw new GatewayError('query_refused', text)
  }
  if (present.length < matchersMin) {
    const text = `stream selector has less label matchers than required: (present: [${present.join(', ')}], number_present: ${present.length}, required_number_label_matchers: ${matchersMin})`
    throw new GatewayError('query_refused', text)
  }
}

/** Throws query_refused with Loki's text if the interval of a range aggregation exceeds the request's limit. */
export function assertIntervals(intervals: readonly bigint[], { intervalMsMax }: AskedLimits): void {
  if (intervalMsMax === undefined) return
  const limit = BigInt(intervalMsMax) * NS_PER_MS
  const tooLong = intervals.find((interval) => interval > limit)
  if (tooLong === undefined) return
  const text = `[interval] value exceeds limit: [${formatGoDuration(tooLong)}] > [${formatGoDuration(limit)}]`
  throw new GatewayError('query_refused', text)
}

/** Throws query_refused with Loki's text if the ranges contain more bytes of lines than the request allows. */
export async function assertBytes(
  store: LogStore,
  ranges: readonly Omit<StreamRange, 'pause'>[],
  { bytesMax }: AskedLimits,
  turn: QueryTurn,
): Promise<void> {
  if (bytesMax === undefined) return
  let bytes = 0
  for (const range of ranges) bytes += (await measureIndex(store, range, turn)).bytes
  if (bytes <= bytesMax) return
  const text = `the query would read too many bytes (query: ${formatIBytes(bytes)}, limit: ${formatIBytes(bytesMax)}); consider adding more specific stream selectors or reduce the time range of the query`
  throw new GatewayError('query_refused', text)
}

/** `12 KiB`, `1.5 MiB`: Loki's format of sizes in errors. */
function formatIBytes(bytes: number): string {
  const power = Math.min(6, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)))
  const unit = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'][power]
  const value = bytes / 1024 ** power
  return power > 0 && value < 10 ? `${value.toFixed(1)} ${unit}` : `${Math.floor(value)} ${unit}`
}
