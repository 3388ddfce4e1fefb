/** Query results, before they are written in a wire format. */

import type { Metadata } from './entries/batch.ts'
import type { Labels } from './labels.ts'

/** A line of a result, with its labels in the three categories of Loki. */
export interface ResultEntry {
  readonly ns: bigint
  readonly line: string
  readonly metadata: Metadata
  /** Labels that the query parsed from the line. */
  readonly parsed: Metadata
}

/** A stream of a result: its labels, and its entries in the requested direction. */
export interface ResultStream {
  readonly labels: Labels
  readonly entries: readonly ResultEntry[]
}

/** The result of a metric query. */
export type MetricResult = (
  | { readonly kind: 'scalar'; readonly ns: bigint; readonly value: number }
  | { readonly kind: 'vector'; readonly samples: readonly VectorSample[] }
  | { readonly kind: 'matrix'; readonly series: readonly MatrixSeries[] }
) & {
  /** Notes about the result for the client, such as that it is incomplete. */
  readonly warnings?: readonly string[] | undefined
}

export interface VectorSample {
  readonly labels: Labels
  readonly ns: bigint
  readonly value: number
}

/**
 * A series with its points in order of time; never empty. Points are created as they are read, because there may be
 * millions.
 */
export interface MatrixSeries {
  readonly labels: Labels
  readonly points: Iterable<{ readonly ns: bigint; readonly value: number }>
}

/** The cost of a query. */
export interface QueryStats {
  /** Bytes of scanned lines. */
  readonly bytes: number
  readonly lines: number
  readonly linesAfterFilter: number
  readonly entriesReturned: number
  readonly seconds: number
}
