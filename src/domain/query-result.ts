/** What queries give, before it is written in a wire form. */

import type { Metadata } from './entries/batch.ts'
import type { Labels } from './labels.ts'

/** A line of an answer, its labels in the three parts that Loki tells apart. */
export interface ResultEntry {
  readonly ns: bigint
  readonly line: string
  readonly metadata: Metadata
  /** Labels that the query made of the line. */
  readonly parsed: Metadata
}

/** One stream of an answer: its labels, and its entries in the direction asked for. */
export interface ResultStream {
  readonly labels: Labels
  readonly entries: readonly ResultEntry[]
}

/** The answer to a metric query. */
export type MetricResult = (
  | { readonly kind: 'scalar'; readonly ns: bigint; readonly value: number }
  | { readonly kind: 'vector'; readonly samples: readonly VectorSample[] }
  | { readonly kind: 'matrix'; readonly series: readonly MatrixSeries[] }
) & {
  /** What the client should know of the answer, such as that it is not all of it. */
  readonly warnings?: readonly string[] | undefined
}

export interface VectorSample {
  readonly labels: Labels
  readonly ns: bigint
  readonly value: number
}

/** One series with its points by rising time; never empty. */
export interface MatrixSeries {
  readonly labels: Labels
  readonly points: readonly { readonly ns: bigint; readonly value: number }[]
}

/** What a query cost. */
export interface QueryStats {
  /** Bytes of lines looked at. */
  readonly bytes: number
  readonly lines: number
  readonly linesAfterFilter: number
  readonly entriesReturned: number
  readonly seconds: number
}
