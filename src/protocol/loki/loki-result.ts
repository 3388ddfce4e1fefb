/**
 * Loki's JSON responses, formatted by hand, in slices: key order is part of the protocol, and keys come from clients.
 */

import type { Metadata } from '../../domain/entries/batch.ts'
import { compareText, formatLabels, type Label, type Labels } from '../../domain/labels.ts'
import type {
  MatrixSeries,
  MetricResult,
  QueryStats,
  ResultEntry,
  ResultStream,
  VectorSample,
} from '../../domain/query-result.ts'
import { type Slices, Stride, sortSlices } from '../../kit/slices.ts'
import { type Body, BodyWriter, bodyOf } from '../bytes/body-writer.ts'
import { formatSeconds, formatValue } from './loki-number.ts'

/** Entries whose labels are merged between two yields. */
const ENTRIES_PER_SLICE = 200

/**
 * The response to a log query. `categorized`: the client sent `X-Loki-Response-Encoding-Flags: categorize-labels`, so
 * streams have only their index labels and each entry has its other labels in a third element.
 */
export function* formatStreamsAnswer(
  streams: readonly ResultStream[],
  categorized: boolean,
  stats: QueryStats,
  warnings: readonly string[] = [],
): Slices<Body> {
  const shown = categorized ? streams : yield* mergeLabels(streams)
  const body = new BodyWriter()
  body.write(`{"status":"success",${formatWarnings(warnings)}"data":{"resultType":"streams",`)
  body.write(`${categorized ? '"encodingFlags":["categorize-labels"],' : ''}"result":[`)
  for (const [i, { labels, entries }] of shown.entries()) {
    body.write(`${i === 0 ? '' : ','}{"stream":${formatLabelObject(labels)},"values":[`)
    yield* body.writeList(entries, (entry) => formatEntry(entry, categorized))
    body.write(']}')
  }
  body.write(`],"stats":${formatStats(stats)}}}\n`)
  return body.finish()
}

function formatWarnings(warnings: readonly string[]): string {
  return warnings.length === 0 ? '' : `"warnings":${JSON.stringify(warnings)},`
}

/** The response to a metric query: times are seconds as numbers, values are strings. */
export function* formatMetricAnswer(result: MetricResult, stats: QueryStats): Slices<Body> {
  const body = new BodyWriter()
  const { warnings = [] } = result
  body.write(`{"status":"success",${formatWarnings(warnings)}`)
  body.write(`"data":{"resultType":"${result.kind}","result":`)
  if (result.kind === 'scalar') body.write(formatPoint(result))
  else {
    body.write('[')
    if (result.kind === 'vector') yield* body.writeList(result.samples, formatSample)
    else yield* writeMatrix(body, result.series)
    body.write(']')
  }
  body.write(`,"stats":${formatStats(stats)}}}\n`)
  return body.finish()
}

function* writeMatrix(body: BodyWriter, series: readonly MatrixSeries[]): Slices<void> {
  for (const [i, { labels, points }] of series.entries()) {
    body.write(`${i === 0 ? '' : ','}{"metric":${formatLabelObject(labels)},"values":[`)
    yield* body.writeList(points, formatPoint)
    if (body.write(']}')) yield
  }
}

function formatSample(sample: VectorSample): string {
  return `{"metric":${formatLabelObject(sample.labels)},"value":${formatPoint(sample)}}`
}

function formatPoint({ ns, value }: { readonly ns: bigint; readonly value: number }): string {
  return `[${formatSeconds(ns)},"${formatValue(value)}"]`
}

/** Names or values; `data` is omitted if there are none. */
export function* formatNames(names: readonly string[]): Slices<Body> {
  if (names.length === 0) return bodyOf('{"status":"success"}\n')
  const body = new BodyWriter()
  body.write('{"status":"success","data":[')
  yield* body.writeList(names, (name) => JSON.stringify(name))
  body.write(']}\n')
  return body.finish()
}

/** The response to /series. */
export function* formatSeries(series: readonly Labels[]): Slices<Body> {
  const body = new BodyWriter()
  body.write('{"status":"success","data":[')
  yield* body.writeList(series, formatLabelObject)
  body.write(']}\n')
  return body.finish()
}

/** Labels as a JSON object, in order; `__proto__` is an ordinary name. */
export function formatLabelObject(labels: readonly Label[]): string {
  return `{${labels.map(({ name, value }) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`
}

export function formatStats({ bytes, lines, linesAfterFilter, entriesReturned, seconds }: QueryStats): string {
  const perSecond = (amount: number): number => (seconds > 0 ? Math.round(amount / seconds) : 0)
  const summary = {
    bytesProcessedPerSecond: perSecond(bytes),
    linesProcessedPerSecond: perSecond(lines),
    totalBytesProcessed: bytes,
    totalLinesProcessed: lines,
    execTime: seconds,
    queueTime: 0,
    subqueries: 0,
    totalEntriesReturned: entriesReturned,
    splits: 0,
    shards: 0,
    totalPostFilterLines: linesAfterFilter,
    totalStructuredMetadataBytesProcessed: 0,
  }
  return JSON.stringify({ summary })
}

/** A stream with its entries as pairs, or as triples if `categorized`. */
export function formatStream({ labels, entries }: ResultStream, categorized: boolean): string {
  const values = entries.map((entry) => formatEntry(entry, categorized))
  return `{"stream":${formatLabelObject(labels)},"values":[${values.join(',')}]}`
}

function formatEntry(entry: ResultEntry, categorized: boolean): string {
  const third = categorized ? `,${formatCategories(entry)}` : ''
  return `["${entry.ns}",${JSON.stringify(entry.line)}${third}]`
}

function formatCategories({ metadata, parsed }: ResultEntry): string {
  const parts: string[] = []
  if (metadata.length > 0) parts.push(`"structuredMetadata":${formatPairs(metadata)}`)
  if (parsed.length > 0) parts.push(`"parsed":${formatPairs(parsed)}`)
  return `{${parts.join(',')}}`
}

function formatPairs(pairs: Metadata): string {
  return `{${pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`
}

/**
 * Without the flag, all labels of an entry belong to its stream: one stream becomes one for each combination of labels.
 */
export function* mergeLabels(streams: readonly ResultStream[]): Slices<ResultStream[]> {
  const merged = new Map<string, { labels: Labels; entries: ResultEntry[] }>()
  const stride = new Stride(ENTRIES_PER_SLICE)
  for (const { labels, entries } of streams) {
    for (const entry of entries) {
      if (stride.isDue()) yield
      const all = entryLabels(labels, entry)
      const key = formatLabels(all)
      const stream = merged.get(key)
      if (stream === undefined) merged.set(key, { labels: all, entries: [entry] })
      else stream.entries.push(entry)
    }
  }
  const sorted = yield* sortSlices([...merged], ([a], [b]) => compareText(a, b))
  return sorted.map(([, stream]) => stream)
}

function entryLabels(labels: Labels, { metadata, parsed }: ResultEntry): Labels {
  if (metadata.length === 0 && parsed.length === 0) return labels
  // Of duplicate names the stream's value takes precedence, then the metadata's.
  const values = new Map<string, string>()
  for (const [name, value] of parsed) values.set(name, value)
  for (const [name, value] of metadata) values.set(name, value)
  for (const { name, value } of labels) values.set(name, value)
  return [...values].map(([name, value]) => ({ name, value })).sort((a, b) => compareText(a.name, b.name))
}
