/** The streams of a request, and the names and values of their labels: what /labels, /label/…/values and /series return. */

import { compareText, type Labels, labelValue } from '../../../domain/labels.ts'
import { type Matcher, matchesAll } from '../../../domain/selector.ts'
import { NS_PER_SECOND } from '../../../domain/time.ts'
import { type Slices, Stride, sortSlices } from '../../../kit/slices.ts'
import { type QueryParts, type QueryRequest, readRange, readSelector } from './query-route.ts'

/** Streams processed between two yields. */
const STREAMS_PER_SLICE = 500
/** Label of streams that Loki has split; Loki hides the name. */
const SHARD_LABEL = '__stream_shard__'
/**
 * A shorter range is widened to this length. Grafana's "Show context" requests the time of a line as both start and
 * end, in milliseconds; Loki finds the stream because its index ignores times within a file.
 */
const RANGE_NS_MIN = 60n * NS_PER_SECOND

/** The label names of the streams that the request selects. */
export async function labelNames(parts: QueryParts, query: QueryRequest): Promise<string[]> {
  const streams = await selectedStreams(parts, query)
  const names = await query.turn.run(distinct(streams, (labels) => labels.map(({ name }) => name)))
  return names.filter((name) => name !== SHARD_LABEL)
}

/** The values of the label in the URL. */
export async function labelValues(parts: QueryParts, query: QueryRequest): Promise<string[]> {
  const { name } = query.request.params as { name: string }
  const streams = await selectedStreams(parts, query)
  return query.turn.run(distinct(streams, (labels) => [labelValue(labels, name)]))
}

/** The streams that match any of the `match` parameters. */
export async function selectedSeries(parts: QueryParts, query: QueryRequest): Promise<Labels[]> {
  const { params, turn } = query
  const selectors: (readonly Matcher[])[] = []
  for (const text of params.getAll('match', 'match[]')) {
    selectors.push(await readSelector(query, text, { allowEmpty: true }))
  }
  return turn.run(takenBy(selectors, await streamsOf(parts, query, [])))
}

async function selectedStreams(parts: QueryParts, query: QueryRequest): Promise<readonly Labels[]> {
  const text = query.params.get('query')
  return streamsOf(parts, query, text === undefined ? [] : await readSelector(query, text))
}

function streamsOf(parts: QueryParts, query: QueryRequest, matchers: readonly Matcher[]): Promise<readonly Labels[]> {
  const { tenant, turn } = query
  const range = widened(readRange(parts, query))
  return parts.store.streams({ tenant, matchers, ...range, pause: turn.pause }, turn.signal)
}

function widened({ start, end }: { readonly start: bigint; readonly end: bigint }) {
  const missing = RANGE_NS_MIN - (end - start)
  return missing <= 0n ? { start, end } : { start: start - missing / 2n, end: end + missing / 2n }
}

/** The streams that match any of the selectors; all streams if there are none. */
function* takenBy(selectors: readonly (readonly Matcher[])[], streams: readonly Labels[]): Slices<Labels[]> {
  const stride = new Stride(STREAMS_PER_SLICE)
  const taken: Labels[] = []
  for (const labels of streams) {
    if (selectors.length === 0 || selectors.some((matchers) => matchesAll(matchers, labels))) taken.push(labels)
    if (stride.isDue(1 + selectors.length)) yield
  }
  return taken
}

/** The distinct texts of all streams except the empty one, sorted. */
function* distinct(streams: readonly Labels[], textsOf: (labels: Labels) => readonly string[]): Slices<string[]> {
  const stride = new Stride(STREAMS_PER_SLICE)
  const texts = new Set<string>()
  for (const labels of streams) {
    for (const text of textsOf(labels)) texts.add(text)
    if (stride.isDue()) yield
  }
  texts.delete('')
  return yield* sortSlices([...texts], compareText)
}
