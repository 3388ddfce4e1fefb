/** An instant or range metric query: the data it needs, and its result. */

import { GatewayError } from '../../domain/errors.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import type { MatrixSeries, MetricResult } from '../../domain/query-result.ts'
import { type Slices, sortSlices } from '../../kit/slices.ts'
import { formatLine } from '../parse/format.ts'
import type { Grouping, MetricExpr, PipelineStage, RangeAggregation, VectorAggregation } from '../parse/syntax.ts'
import { evaluate } from './evaluate.ts'
import { RangeRead } from './range-read.ts'
import { compareLabels, isPresent, type Series, valueAt, withValues } from './series.ts'
import { instantAt, type Steps, stepsOf } from './steps.ts'

export interface MetricQueryOptions {
  readonly time: MetricTime
  readonly limits: Pick<QueryLimits, 'seriesMax' | 'pointsMax'>
  /** True: too many series give a partial result with a warning instead of an error. */
  readonly isPartial?: boolean | undefined
  /** The current time for the template function `now`; ms since the epoch. */
  readonly nowMs: number
}

/** The evaluation times, in nanoseconds. A range is widened to multiples of its step. */
export type MetricTime =
  | { readonly kind: 'instant'; readonly time: bigint }
  | { readonly kind: 'range'; readonly start: bigint; readonly end: bigint; readonly step: bigint }

/**
 * Works in slices: see kit/slices.ts. For each of `reads`, read its matchers and time range from the store and `add`
 * the blocks; then get the result, once. Throws like stepsOf and compileStages.
 */
export class MetricQuery {
  readonly reads: readonly RangeRead[]
  /** The instants of the result. */
  readonly steps: Steps
  /** False if the result may depend on the current time, which templates can use. */
  readonly isTimeless: boolean
  readonly #expr: MetricExpr
  readonly #isInstant: boolean
  readonly #limits: Pick<QueryLimits, 'seriesMax'>
  readonly #isPartial: boolean
  readonly #readsByLeaf = new Map<RangeAggregation, RangeRead>()

  constructor(expr: MetricExpr, { time, limits, isPartial = false, nowMs }: MetricQueryOptions) {
    this.#isPartial = isPartial
    this.#expr = expr
    this.#isInstant = time.kind === 'instant'
    this.steps =
      time.kind === 'instant' ? instantAt(time.time) : stepsOf(time.start, time.end, time.step, limits.pointsMax)
    this.#limits = limits
    const readsByText = new Map<string, RangeRead>()
    const leaves = leavesOf(expr, undefined)
    this.isTimeless = !leaves.some(({ leaf }) => leaf.range.log.stages.some(hasTemplate))
    for (const { leaf, outer } of leaves) {
      // The same aggregation twice, as in a ratio to itself, is read once.
      const key = `${formatLine(leaf)} ${JSON.stringify(outer)}`
      const read = readsByText.get(key) ?? new RangeRead(leaf, outer, this.steps, nowMs)
      readsByText.set(key, read)
      this.#readsByLeaf.set(leaf, read)
    }
    this.reads = [...readsByText.values()]
  }

  /** Throws query_refused for more series than the limit, and for vectors that do not match. */
  *result(): Slices<MetricResult> {
    const { start, count } = this.steps
    const expr = this.#expr
    if (this.#isInstant && expr.kind === 'literal') return { kind: 'scalar', ns: start, value: expr.value }
    const finished = new Map<RangeRead, readonly Series[]>()
    const readsByLeaf = this.#readsByLeaf
    function* leaves(leaf: RangeAggregation): Slices<readonly Series[]> {
      const read = readsByLeaf.get(leaf) as RangeRead
      const series = finished.get(read) ?? (yield* read.finish())
      finished.set(read, series)
      return series
    }
    const series = yield* withValues(yield* evaluate(expr, leaves, count))
    const ordered = this.#isInstant && keepsOrder(expr) ? series : yield* byLabels(series)
    const { shown, warnings } = this.#limitSeries(ordered)
    const result = this.#isInstant ? this.#vectorOf(shown) : this.#matrixOf(shown)
    return warnings === undefined ? result : { ...result, warnings }
  }

  /** The text of the warning is Loki's. */
  #limitSeries(series: readonly Series[]): {
    readonly shown: readonly Series[]
    readonly warnings?: readonly string[]
  } {
    const { seriesMax } = this.#limits
    if (series.length <= seriesMax) return { shown: series }
    if (this.#isPartial) {
      const warning = `maximum number of series (${seriesMax}) reached for a single query; returning partial results`
      return { shown: series.slice(0, seriesMax), warnings: [warning] }
    }
    throw new GatewayError(
      'query_refused',
      `maximum number of series (${seriesMax}) reached for a single query; consider reducing query cardinality by ` +
        'adding more specific stream selectors, reducing the time range, or aggregating results with functions like ' +
        'sum, count or topk',
    )
  }

  #vectorOf(series: readonly Series[]): MetricResult {
    const ns = this.steps.start
    return { kind: 'vector', samples: series.map((each) => ({ labels: each.labels, ns, value: valueAt(each, 0) })) }
  }

  #matrixOf(series: readonly Series[]): MetricResult {
    const shown = series.map((each): MatrixSeries => {
      return { labels: each.labels, points: { [Symbol.iterator]: () => pointsOf(each, this.steps) } }
    })
    return { kind: 'matrix', series: shown }
  }
}

function* pointsOf(series: Series, { start, step }: Steps): Generator<{ ns: bigint; value: number }> {
  for (let k = 0; k < series.values.length; k++) {
    if (isPresent(series, k)) yield { ns: start + step * BigInt(k), value: valueAt(series, k) }
  }
}

function hasTemplate(stage: PipelineStage): boolean {
  if (stage.kind === 'line_format') return true
  return stage.kind === 'label_format' && stage.assignments.some(({ kind }) => kind === 'template')
}

/** True if the order of an instant result matters: with a sort anywhere in the query, as in Loki. */
function keepsOrder(expr: MetricExpr): boolean {
  switch (expr.kind) {
    case 'vector_aggregation':
      return ORDERED.includes(expr.operation) || keepsOrder(expr.expr)
    case 'label_replace':
      return keepsOrder(expr.expr)
    case 'binary_operation':
      return keepsOrder(expr.left) || keepsOrder(expr.right)
    default:
      return false
  }
}

const ORDERED: readonly VectorAggregation['operation'][] = ['sort', 'sort_desc']

function byLabels(series: readonly Series[]): Slices<Series[]> {
  return sortSlices(series, (a, b) => compareLabels(a.labels, b.labels))
}

interface Leaf {
  readonly leaf: RangeAggregation
  /** The grouping of a sum directly around it. */
  readonly outer: Grouping | undefined
}

/** Aggregations whose sum can be accumulated by group from the start. */
const SUMMABLE: readonly RangeAggregation['operation'][] = [
  ...(['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'sum_over_time'] as const),
]

function leavesOf(expr: MetricExpr, outer: Grouping | undefined): Leaf[] {
  switch (expr.kind) {
    case 'range_aggregation':
      return [{ leaf: expr, outer: SUMMABLE.includes(expr.operation) ? outer : undefined }]
    case 'vector_aggregation':
      return leavesOf(
        expr.expr,
        expr.operation === 'sum' ? (expr.grouping ?? { without: false, labels: [] }) : undefined,
      )
    case 'label_replace':
      return leavesOf(expr.expr, undefined)
    case 'binary_operation':
      return [...leavesOf(expr.left, undefined), ...leavesOf(expr.right, undefined)]
    case 'vector':
    case 'literal':
      return []
  }
}
