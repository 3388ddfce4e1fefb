/** Loki's JSON answers, written by hand: key order is part of the protocol, and keys come from clients. */

import type { Metadata } from '../../domain/entries/batch.ts'
import { compareText, formatLabels, type Label, type Labels } from '../../domain/labels.ts'
import type { MetricResult, QueryStats, ResultEntry, ResultStream } from '../../domain/query-result.ts'
import { formatSeconds, formatValue } from './loki-number.ts'

/**
 * The answer to a log query. `categorized`: the client sent `X-Loki-Response-Encoding-Flags: categorize-labels`, so that
 * streams keep to their index labels and each entry tells its other labels in a third element.
 */
export function formatStreamsAnswer(streams: readonly ResultStream[], categorized: boolean, stats: QueryStats): string {
  const flags = categorized ? '"encodingFlags":["categorize-labels"],' : ''
  const shown = categorized ? streams : mergeLabels(streams)
  const result = shown.map((stream) => formatStream(stream, categorized)).join(',')
  return `{"status":"success","data":{"resultType":"streams",${flags}"result":[${result}],"stats":${formatStats(stats)}}}\n`
}

/** The answer to a metric query: times are seconds as numbers, values texts. */
export function formatMetricAnswer(result: MetricResult, stats: QueryStats): string {
  const [type, body] = formatMetricResult(result)
  return `{"status":"success","data":{"resultType":"${type}","result":${body},"stats":${formatStats(stats)}}}\n`
}

function formatMetricResult(result: MetricResult): [type: string, body: string] {
  switch (result.kind) {
    case 'scalar':
      return ['scalar', formatPoint(result)]
    case 'vector': {
      const samples = result.samples.map(
        (sample) => `{"metric":${formatLabelObject(sample.labels)},"value":${formatPoint(sample)}}`,
      )
      return ['vector', `[${samples.join(',')}]`]
    }
    case 'matrix': {
      const series = result.series.map(
        ({ labels, points }) =>
          `{"metric":${formatLabelObject(labels)},"values":[${points.map(formatPoint).join(',')}]}`,
      )
      return ['matrix', `[${series.join(',')}]`]
    }
  }
}

function formatPoint({ ns, value }: { readonly ns: bigint; readonly value: number }): string {
  return `[${formatSeconds(ns)},"${formatValue(value)}"]`
}

/** Names or values: `data` is left out when there are none. */
export function formatNames(names: readonly string[]): string {
  return names.length === 0 ? '{"status":"success"}\n' : `{"status":"success","data":${JSON.stringify(names)}}\n`
}

/** The answer to /series. */
export function formatSeries(series: readonly Labels[]): string {
  return `{"status":"success","data":[${series.map(formatLabelObject).join(',')}]}\n`
}

/** Labels as a JSON object, in their order; a name such as `__proto__` is a name like any other. */
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

/** One stream of an answer, its entries as pairs, or as triples when `categorized`. */
export function formatStream({ labels, entries }: ResultStream, categorized: boolean): string {
  const values = entries.map((entry) => {
    const third = categorized ? `,${formatCategories(entry)}` : ''
    return `["${entry.ns}",${JSON.stringify(entry.line)}${third}]`
  })
  return `{"stream":${formatLabelObject(labels)},"values":[${values.join(',')}]}`
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

/** Without the flag, all labels of an entry are its stream's: one stream becomes as many as there are combinations. */
export function mergeLabels(streams: readonly ResultStream[]): ResultStream[] {
  const merged = new Map<string, { labels: Labels; entries: ResultEntry[] }>()
  for (const { labels, entries } of streams) {
    for (const entry of entries) {
      const all = entryLabels(labels, entry)
      const key = formatLabels(all)
      const stream = merged.get(key)
      if (stream === undefined) merged.set(key, { labels: all, entries: [entry] })
      else stream.entries.push(entry)
    }
  }
  return [...merged.entries()].sort(([a], [b]) => compareText(a, b)).map(([, stream]) => stream)
}

function entryLabels(labels: Labels, { metadata, parsed }: ResultEntry): Labels {
  if (metadata.length === 0 && parsed.length === 0) return labels
  // Of a name that comes twice the stream's value stands, then the metadata's.
  const values = new Map<string, string>()
  for (const [name, value] of parsed) values.set(name, value)
  for (const [name, value] of metadata) values.set(name, value)
  for (const { name, value } of labels) values.set(name, value)
  return [...values].map(([name, value]) => ({ name, value })).sort((a, b) => compareText(a.name, b.name))
}
