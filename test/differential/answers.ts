/** Whether two replies say the same, to the last digit and word, and what kind of difference there is. */

import { parseExpr } from '../../src/logql/parse/parse.ts'
import type { Reply } from './peer.ts'
import type { Question } from './question.ts'

export interface Difference {
  /** A few words that are the same for differences of one cause, more or less. */
  readonly kind: string
  readonly left: string
  readonly right: string
}

type Labels = Readonly<Record<string, string>>

interface Result {
  readonly resultType: string
  readonly encodingFlags?: unknown
  readonly result: unknown
}

/** Undefined where the replies say the same. `stats` are each one's own. */
export function compareReplies(question: Question, left: Reply, right: Reply): Difference | undefined {
  const [a, b] = [left, right].map(({ body }) => withoutStats(body)) as [string, string]
  if (left.status === right.status && a === b) return undefined
  const shown = { left: `${left.status} ${a}`, right: `${right.status} ${b}` }
  if (left.status !== right.status) return { kind: `status ${left.status} and ${right.status}`, ...shown }
  if (left.status !== 200) return { kind: `text of a ${left.status}`, ...shown }
  const kind = differenceOf(question, parse(a), parse(b))
  return kind === undefined ? undefined : { kind, ...shown }
}

/** The envelope up to its statistics, which end it; of a refusal the text without the line break behind it. */
function withoutStats(body: string): string {
  const at = body.lastIndexOf(',"stats":{')
  return at < 0 ? body.trimEnd() : `${body.slice(0, at)}}}`
}

function parse(body: string): Result | undefined {
  try {
    return (JSON.parse(body) as { data: Result }).data
  } catch {
    return undefined
  }
}

function differenceOf(question: Question, left: Result | undefined, right: Result | undefined): string | undefined {
  if (left === undefined || right === undefined) return 'form of the body'
  if (left.resultType !== right.resultType) return `type ${left.resultType} and ${right.resultType}`
  if (JSON.stringify(left.encodingFlags) !== JSON.stringify(right.encodingFlags)) return 'encoding flags'
  if (left.resultType === 'scalar') return pointDifference(left.result as Point, right.result as Point)
  if (left.resultType === 'streams') return streamDifference(left.result as WireStream[], right.result as WireStream[])
  return seriesDifference(question, left.result as WireSeries[], right.result as WireSeries[])
}

type Point = readonly [number, string]

interface WireSeries {
  readonly metric: Labels
  readonly value?: Point
  readonly values?: readonly Point[]
}

interface WireStream {
  readonly stream: Labels
  readonly values: readonly (readonly [string, string, unknown?])[]
}

function seriesDifference(
  question: Question,
  left: readonly WireSeries[],
  right: readonly WireSeries[],
): string | undefined {
  const [a, b] = [left, right].map((list) => new Map(list.map((one) => [labelKey(one.metric), one]))) as [
    Map<string, WireSeries>,
    Map<string, WireSeries>,
  ]
  if (a.size !== left.length || b.size !== right.length) return 'a series twice'
  if (a.size !== b.size || [...a.keys()].some((key) => !b.has(key))) {
    return hasTies(question) ? 'labels of series under topk' : 'labels of series'
  }
  for (const [key, one] of a) {
    const difference = pointsDifference(pointsOf(one), pointsOf(b.get(key) as WireSeries))
    if (difference !== undefined) return hasTies(question) ? `${difference} under topk` : difference
  }
  if (left.every(({ metric }, i) => labelKey(metric) === labelKey((right[i] as WireSeries).metric))) return undefined
  // Of equal values a sort may put either first, and what is made of sorted series comes in no order in Loki.
  if (/\bsort/.test(question.query)) {
    return !isSorted(question) || areValuesInOneOrder(left, right) ? undefined : 'order of sorted series'
  }
  return 'order of series'
}

/** Whether the outermost operation sorts. */
function isSorted({ query }: Question): boolean {
  try {
    const expr = parseExpr(query)
    return expr.kind === 'vector_aggregation' && /^sort/.test(expr.operation)
  } catch {
    return false
  }
}

function hasTies({ query }: Question): boolean {
  return /\b(topk|bottomk)\b/i.test(query)
}

function areValuesInOneOrder(left: readonly WireSeries[], right: readonly WireSeries[]): boolean {
  return left.every(({ value }, i) => value?.[1] === right[i]?.value?.[1])
}

function pointsOf({ value, values }: WireSeries): readonly Point[] {
  return values ?? (value === undefined ? [] : [value])
}

function pointsDifference(left: readonly Point[], right: readonly Point[]): string | undefined {
  if (left.length !== right.length || left.some(([time], i) => time !== right[i]?.[0])) return 'times of samples'
  const kinds = left.map((point, i) => pointDifference(point, right[i] as Point))
  return kinds.find((kind) => kind === 'values') ?? kinds.find((kind) => kind !== undefined)
}

function pointDifference([time, value]: Point, [otherTime, otherValue]: Point): string | undefined {
  if (time !== otherTime) return 'times of samples'
  if (value === otherValue) return undefined
  const gap = Math.abs(Number(value) - Number(otherValue))
  return gap <= 1e-9 * Math.abs(Number(otherValue)) ? 'last digits' : 'values'
}

function streamDifference(left: readonly WireStream[], right: readonly WireStream[]): string | undefined {
  const [a, b] = [left, right].map((list) => new Map(list.map((one) => [labelKey(one.stream), one]))) as [
    Map<string, WireStream>,
    Map<string, WireStream>,
  ]
  if (a.size !== left.length || b.size !== right.length) return 'a stream twice'
  const [all, others] = [left, right].map(entriesOf) as [string[], string[]]
  if (all.length !== others.length) return 'number of entries'
  if (all.some((entry, i) => entry !== others[i])) return whatOfEntries(left, right)
  for (const [key, { values }] of a) {
    const isOrdered = b.get(key)?.values.every(([ns], i) => ns === values[i]?.[0])
    if (isOrdered !== true) return 'order of entries'
  }
  return left.every(({ stream }, i) => labelKey(stream) === labelKey((right[i] as WireStream).stream))
    ? undefined
    : 'order of streams'
}

/** Each entry with its stream as a text; sorted, as entries of one nanosecond may come in either order. */
function entriesOf(streams: readonly WireStream[]): string[] {
  return streams.flatMap(({ stream, values }) => values.map((value) => `${labelKey(stream)} ${stable(value)}`)).sort()
}

function whatOfEntries(left: readonly WireStream[], right: readonly WireStream[]): string {
  const parts = [
    ['times of entries', ([ns]: WireStream['values'][number]) => ns],
    ['lines', ([ns, line]: WireStream['values'][number]) => `${ns} ${line}`],
    ['categories of labels', ([ns, , third]: WireStream['values'][number]) => `${ns} ${stable(third)}`],
  ] as const
  for (const [name, of] of parts) {
    const [a, b] = [left, right].map((list) => list.flatMap(({ values }) => values.map(of)).sort()) as [
      string[],
      string[],
    ]
    if (a.some((text, i) => text !== b[i])) return name
  }
  return 'labels of streams'
}

function labelKey(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** JSON with the keys of objects in order. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}
