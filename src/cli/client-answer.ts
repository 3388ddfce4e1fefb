/** Loki's JSON answers to values: lines, series, names. */

import { GatewayError } from '../domain/errors.ts'
import { compareText, formatLabels, type Labels } from '../domain/labels.ts'

/** A line with everything that is known of it. */
export interface ShownEntry {
  readonly ns: bigint
  /** Of the stream. */
  readonly labels: Labels
  /** `labels` as text. */
  readonly stream: string
  readonly line: string
  readonly metadata: Labels
  /** What the query's parsers found. */
  readonly parsed: Labels
}

/** One series, or the only point of an instant. */
export interface ShownSeries {
  readonly labels: Labels
  readonly points: readonly { readonly seconds: number; readonly value: string }[]
}

export type QueryAnswer =
  | { readonly kind: 'lines'; readonly entries: readonly ShownEntry[] }
  | { readonly kind: 'range' | 'instant'; readonly series: readonly ShownSeries[] }

/** The answer of query and query_range; lines by time, as `direction` says. Throws source_unavailable. */
export function readQueryAnswer(json: unknown, direction: 'forward' | 'backward'): QueryAnswer {
  const { resultType, result } = recordOf(recordOf(json)['data'])
  switch (resultType) {
    case 'streams':
      return { kind: 'lines', entries: sortEntries(readStreams(result), direction) }
    case 'matrix':
      return { kind: 'range', series: listOf(result).map(readSeries) }
    case 'vector':
      return { kind: 'instant', series: listOf(result).map(readSample) }
    case 'scalar':
      return { kind: 'instant', series: [{ labels: [], points: [readPoint(result)] }] }
    default:
      throw malformed()
  }
}

/** Of an array of Loki's stream objects, as answers and frames of a tail have them; in their order. */
export function readStreams(json: unknown): ShownEntry[] {
  return listOf(json).flatMap((each) => {
    const { stream, values } = recordOf(each)
    const labels = readLabels(stream)
    const text = formatLabels(labels)
    return listOf(values).map((value) => {
      const [ns, line, categories] = listOf(value)
      if (typeof ns !== 'string' || !/^-?\d{1,19}$/.test(ns) || typeof line !== 'string') throw malformed()
      const { structuredMetadata, parsed } = recordOf(categories ?? {})
      const more = { metadata: readLabels(structuredMetadata ?? {}), parsed: readLabels(parsed ?? {}) }
      return { ns: BigInt(ns), labels, stream: text, line, ...more }
    })
  })
}

/** Names of labels, or values; `data` is left out where there are none. */
export function readNames(json: unknown): string[] {
  return listOf(recordOf(json)['data'] ?? []).map(String)
}

/** An object of JSON. Throws source_unavailable for anything else. */
export function recordOf(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw malformed()
  // JSON.parse made it: its names are its own.
  return json as Readonly<Record<string, unknown>>
}

/** An array of JSON. Throws source_unavailable for anything else. */
export function listOf(json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw malformed()
  return json
}

/** The names and values of an object, by name. */
export function readLabels(json: unknown): Labels {
  return Object.entries(recordOf(json))
    .map(([name, value]) => ({ name, value: String(value) }))
    .sort((a, b) => compareText(a.name, b.name))
}

function sortEntries(entries: ShownEntry[], direction: 'forward' | 'backward'): ShownEntry[] {
  const sign = direction === 'forward' ? 1 : -1
  // The sort is stable: lines of one nanosecond stay in the order they came in.
  return entries.sort((a, b) => (a.ns === b.ns ? 0 : a.ns < b.ns ? -sign : sign))
}

function readSeries(json: unknown): ShownSeries {
  const { metric, values } = recordOf(json)
  return { labels: readLabels(metric), points: listOf(values).map(readPoint) }
}

function readSample(json: unknown): ShownSeries {
  const { metric, value } = recordOf(json)
  return { labels: readLabels(metric), points: [readPoint(value)] }
}

function readPoint(json: unknown): ShownSeries['points'][number] {
  const [seconds, value] = listOf(json)
  if (typeof seconds !== 'number' || typeof value !== 'string') throw malformed()
  return { seconds, value }
}

function malformed(): GatewayError {
  return new GatewayError('source_unavailable', 'the answer is not of the form that Loki gives; is --url a gateway?')
}
