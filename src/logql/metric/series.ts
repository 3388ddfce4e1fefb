/** Intermediate values: the output of every part of a metric query. */

import { GatewayError } from '../../domain/errors.ts'
import { compareText, formatLabels, type Label, type Labels } from '../../domain/labels.ts'
import { type Slices, Stride } from '../../kit/slices.ts'

/** The values of a label set at all steps. */
export interface Series {
  readonly labels: Labels
  readonly values: Float64Array
  /** 1 where there is a value, which may be NaN. */
  readonly present: Uint8Array
}

/** Maximum number of values of all series of a part of a query, of some 25 bytes each. */
const VALUES_MAX = 8_000_000

export function makeSeries(labels: Labels, count: number): Series {
  return { labels, values: new Float64Array(count), present: new Uint8Array(count) }
}

/** The same value at every step. */
export function constantSeries(labels: Labels, count: number, value: number): Series {
  const series = makeSeries(labels, count)
  series.values.fill(value)
  series.present.fill(1)
  return series
}

export function setValue(series: Series, k: number, value: number): void {
  series.values[k] = value
  series.present[k] = 1
}

export function isPresent(series: Series, k: number): boolean {
  return series.present[k] === 1
}

export function valueAt(series: Series, k: number): number {
  return series.values[k] as number
}

/** The series with a value at any step. */
export function* withValues(list: readonly Series[]): Slices<Series[]> {
  const stride = valueStride()
  const kept: Series[] = []
  for (const series of list) {
    if (series.present.includes(1)) kept.push(series)
    if (stride.isDue(SERIES_VALUES + series.values.length)) yield
  }
  return kept
}

/** The overhead of a series, counted in values. */
export const SERIES_VALUES = 50

/** Counts processed values until it is time to yield. */
export function valueStride(): Stride {
  return new Stride(50_000)
}

/** Orders label sets for a result: label by label, name before value; the shorter one first. */
export function compareLabels(a: Labels, b: Labels): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const [one, other] = [a[i] as Label, b[i] as Label]
    const order = compareText(one.name, other.name) || compareText(one.value, other.value)
    if (order !== 0) return order
  }
  return a.length - b.length
}

/** Throws query_refused if `count` series with `points` values each exceed the limit. */
export function checkVolume(count: number, points: number): void {
  if (count * points <= VALUES_MAX) return
  throw new GatewayError(
    'query_refused',
    `the query makes ${count} series of ${points} values before they are aggregated; the limit is ${VALUES_MAX} values ` +
      'in all; select fewer streams, use a larger step, or aggregate with sum by',
  )
}

/** Rejects two series with equal labels and values at the same step; merges others. */
export function* mergeEqual(list: readonly Series[]): Slices<Series[]> {
  const byLabels = new Map<string, Series>()
  const stride = valueStride()
  for (const series of list) {
    if (stride.isDue(SERIES_VALUES + series.values.length)) yield
    const key = formatLabels(series.labels)
    const known = byLabels.get(key)
    if (known === undefined) byLabels.set(key, series)
    else byLabels.set(key, merged(known, series))
  }
  return [...byLabels.values()]
}

function merged(a: Series, b: Series): Series {
  const series = { labels: a.labels, values: a.values.slice(), present: a.present.slice() }
  for (let k = 0; k < b.present.length; k++) {
    if (!isPresent(b, k)) continue
    if (isPresent(series, k)) {
      throw new GatewayError(
        'query_refused',
        'vector cannot contain metrics with the same labelset; keep a label that distinguishes them',
      )
    }
    setValue(series, k, valueAt(b, k))
  }
  return series
}
