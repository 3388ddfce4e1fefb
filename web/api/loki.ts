/** The questions that the page asks Loki's API. */

import { type Entry, entriesOf, type Streams } from '../lines/entry.ts'
import { type Asking, ask, askJson, type Parameters, WANT } from './request.ts'
import type { Series } from './series.ts'

/** Milliseconds; the end is exclusive. */
export interface Range {
  readonly start: number
  readonly end: number
}

interface QueryAnswer {
  readonly data: {
    readonly resultType: 'streams' | 'matrix' | 'vector' | 'scalar'
    readonly result:
      | Streams
      | readonly Series[]
      | readonly { readonly metric: Series['metric']; readonly value: Series['values'][0] }[]
    readonly stats?: {
      readonly summary?: { readonly totalBytesProcessed?: number; readonly totalLinesProcessed?: number }
    }
  }
}

/** Where the answer was made of a part of the lines. */
export interface Looked {
  readonly lines: number
  /** The oldest line that was looked at, ms. */
  readonly from: number
  readonly isWhole: boolean
}

export const nsOf = (ms: number): string => `${Math.floor(ms)}000000`

const STEPS = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
]

/** Seconds, so that the range has at most `count` of them, and one for its last second. */
export const stepFor = ({ start, end }: Range, count: number): number =>
  STEPS.find((step) => step * 1000 * count >= end - start - 1000) ?? 2_592_000

export interface LinesAnswer {
  readonly entries: Entry[]
  readonly bytes: number
}

/** Sorted in the direction. `start` and `end` are nanoseconds as text. */
export async function askLines(
  parameters: {
    readonly query: string
    readonly start: string
    readonly end: string
    readonly limit: number
    readonly direction: 'forward' | 'backward'
  },
  asking: Asking = {},
): Promise<LinesAnswer> {
  const { data } = await askJson<QueryAnswer>('loki/api/v1/query_range', parameters, { want: WANT.lines, ...asking })
  if (data.resultType !== 'streams') throw new Error('This query gives numbers, not lines.')
  return {
    entries: entriesOf(data.result as Streams, parameters.direction),
    bytes: data.stats?.summary?.totalBytesProcessed ?? 0,
  }
}

/** Series over time; a value at T counts what is after T − step and not after T. */
export async function askSeries(
  query: string,
  { start, end }: Range,
  step: number,
  asking: Asking = {},
): Promise<readonly Series[]> {
  const first = Math.floor(start / 1000 / step) * step + step
  const last = Math.ceil(end / 1000 / step) * step
  const { data } = await askJson<QueryAnswer>(
    'loki/api/v1/query_range',
    { query, start: first, end: last, step },
    { want: WANT.volume, ...asking },
  )
  return data.result as readonly Series[]
}

/** One number for each label set, at an instant. */
export async function askNumbers(
  query: string,
  time: number,
  asking: Asking = {},
): Promise<readonly { metric: Series['metric']; value: number }[]> {
  const { data } = await askJson<QueryAnswer>('loki/api/v1/query', { query, time: nsOf(time) }, asking)
  return (data.result as readonly { metric: Series['metric']; value: readonly [number, string] }[]).map(
    ({ metric, value }) => ({
      metric,
      value: Number(value[1]),
    }),
  )
}

export interface DetectedField {
  readonly label: string
  readonly type: string
  readonly cardinality: number
  readonly parsers: readonly string[] | null
  readonly jsonPath?: readonly string[]
}

const times = ({ start, end }: Range): Parameters => ({ start: nsOf(start), end: nsOf(end) })

export async function askLabels(
  selector: string,
  range: Range,
  asking: Asking = {},
): Promise<readonly DetectedField[]> {
  const answer = await askJson<{ detectedLabels?: readonly DetectedField[] }>(
    'loki/api/v1/detected_labels',
    { query: selector, ...times(range) },
    asking,
  )
  return answer.detectedLabels ?? []
}

export async function askFields(
  query: string,
  range: Range,
  asking: Asking = {},
): Promise<{ fields: readonly DetectedField[]; looked: Looked | undefined }> {
  const { text, headers } = await ask(
    'loki/api/v1/detected_fields',
    { query, line_limit: 1000, ...times(range) },
    asking,
  )
  return { fields: (JSON.parse(text) as { fields?: readonly DetectedField[] }).fields ?? [], looked: lookedOf(headers) }
}

export interface Pattern {
  readonly pattern: string
  readonly level?: string
  readonly samples: readonly (readonly [number, number])[]
}

export async function askPatterns(
  selector: string,
  range: Range,
  step: number,
  asking: Asking = {},
): Promise<{ patterns: readonly Pattern[]; looked: Looked | undefined }> {
  const { text, headers } = await ask(
    'loki/api/v1/patterns',
    { query: selector, step, ...times(range) },
    { want: WANT.patterns, ...asking },
  )
  return { patterns: (JSON.parse(text) as { data?: readonly Pattern[] }).data ?? [], looked: lookedOf(headers) }
}

export async function askValues(label: string, range: Range, asking: Asking = {}): Promise<readonly string[]> {
  const answer = await askJson<{ data?: readonly string[] }>(
    `loki/api/v1/label/${encodeURIComponent(label)}/values`,
    times(range),
    asking,
  )
  return answer.data ?? []
}

/** Values of a field of the lines, as far as the gateway looked. */
export async function askFieldValues(
  name: string,
  query: string,
  range: Range,
  asking: Asking = {},
): Promise<readonly string[]> {
  const answer = await askJson<{ values?: readonly string[] | null }>(
    `loki/api/v1/detected_field/${encodeURIComponent(name)}/values`,
    { query, ...times(range) },
    asking,
  )
  return answer.values ?? []
}

/** Bytes of lines by service. */
export async function askVolumes(range: Range, asking: Asking = {}): Promise<ReadonlyMap<string, number>> {
  const answer = await askJson<QueryAnswer>(
    'loki/api/v1/index/volume',
    { query: '{service_name=~".+"}', targetLabels: 'service_name', limit: 500, ...times(range) },
    asking,
  )
  const volumes = answer.data.result as readonly { metric: Series['metric']; value: readonly [number, string] }[]
  return new Map(volumes.map(({ metric, value }) => [metric['service_name'] ?? '', Number(value[1])]))
}

/** `Millrace-Looked: lines=50000; from=<ns>; whole=no` */
function lookedOf(headers: Headers): Looked | undefined {
  const text = headers.get('millrace-looked')
  if (text === null) return undefined
  const pairs = new Map(text.split(';').map((part) => part.trim().split('=') as [string, string]))
  return {
    lines: Number(pairs.get('lines')),
    from: Number((pairs.get('from') ?? '').slice(0, -6)),
    isWhole: pairs.get('whole') !== 'no',
  }
}
