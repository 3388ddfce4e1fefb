/** Parses Loki's JSON responses: lines, series, names. */

import { GatewayError } from '../domain/errors.ts'
import { compareText, formatLabels, type Labels } from '../domain/labels.ts'

/** A line with its labels and metadata. */
export interface ShownEntry {
  readonly ns: bigint
  /** The labels of the stream. */
  readonly labels: Labels
  /** `labels` as text. */
  readonly stream: string
  readonly line: string
  readonly metadata: Labels
  /** Labels parsed by the query. */
  readonly parsed: Labels
}

/** One series; of an instant query, with a single point. */
export interface ShownSeries {
  readonly labels: Labels
  readonly points: readonly { readonly seconds: number; readonly value: string }[]
}

export type QueryAnswer =
  | { readonly kind: 'lines'; readonly entries: readonly ShownEntry[] }
  | { readonly kind: 'range' | 'instant'; readonly series: readonly ShownSeries[] }

/** Parses the response of query and query_range; lines are sorted by time in `direction`. Throws source_unavailable. */
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

/** Parses an array of Loki's stream objects, as in responses and tail frames; keeps their order. */
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

/** Parses label names or values; `data` is missing if there are none. */
export function readNames(json: unknown): string[] {
  return listOf(recordOf(json)['data'] ?? []).map(String)
}

/** A JSON object. Throws source_unavailable for anything else. */
export function recordOf(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw malformed()
  // An object from JSON.parse has only own properties.
  return json as Readonly<Record<string, unknown>>
}

/** A JSON array. Throws source_unavailable for anything else. */
export function listOf(json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw malformed()
  return json
}

/** The names and values of an object, sorted by name. */
export function readLabels(json: unknown): Labels {
  return Object.entries(recordOf(json))
    .map(([name, value]) => ({ name, value: String(value) }))
    .sort((a, b) => compareText(a.name, b.name))
}

function sortEntries(entries: ShownEntry[], direction: 'forward' | 'backward'): ShownEntry[] {
  const sign = direction === 'forward' ? 1 : -1
  // The sort is stable: lines with the same time stay in the order of arrival.
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

/** Loki's times are nanoseconds in 64 bits. */
const SECONDS_MAX = 9_223_372_036

function readPoint(json: unknown): ShownSeries['points'][number] {
  const [seconds, value] = listOf(json)
  if (typeof seconds !== 'number' || typeof value !== 'string') throw malformed()
  // Also false for NaN.
  if (!(Math.abs(seconds) <= SECONDS_MAX)) throw malformed()
  return { seconds, value }
}

function malformed(): GatewayError {
  return new GatewayError('source_unavailable', "the response does not have Loki's format; is --url a gateway?")
}
