/** The interface between the pipeline (pipeline/*) and its callers, log-query.ts and metric/*. */

import type { Metadata } from '../domain/entries/batch.ts'
import type { Labels } from '../domain/labels.ts'
import type { PipelineStage, Unwrap } from './parse/syntax.ts'

/** An entry in a pipeline. One object is reused for all entries of a query. */
export interface PipelineEntry {
  readonly ns: bigint
  /** Changed by line_format, decolorize and unpack. */
  line: string
  readonly labels: EntryLabels
}

/**
 * The labels of an entry: those of its stream, its structured metadata and parsed labels, with Loki's precedence.
 * Implemented by pipeline/label-set.ts.
 */
export interface EntryLabels {
  /** Starts an entry and clears the previous one. */
  reset(stream: Labels, metadata: Metadata): void
  /** The value under the plain name, or undefined; finds `__error__` and `__error_details__` as well. */
  get(name: string): string | undefined
  /** True if `__error__` is set. */
  readonly hasError: boolean
  /** All current labels including `__error__`, sorted by name. A parsed label may be empty. A new array each time. */
  all(): Labels
  /** The same in three parts for a result; the parts are sorted and have no common names. */
  parts(): EntryParts
}

export interface EntryParts {
  /** The stream's labels with the changes of the query. The same array if nothing was changed. */
  readonly stream: Labels
  readonly metadata: Metadata
  readonly parsed: Metadata
}

/** Processes the entry in place; false drops it. Never throws because of the content of a line. */
export type Stage = (entry: PipelineEntry) => boolean

/** Which labels a query needs. */
export interface StageOptions {
  /**
   * Names of the labels that the caller reads afterwards; undefined: all. compileStages adds those that the stages
   * read. If no labels are read at all, parsers do nothing and set no error.
   */
  readonly needed?: ReadonlySet<string> | undefined
}

/**
 * Compiles all stages of a pipeline; implemented by pipeline/stages.ts. Throws query_malformed for an invalid template.
 */
export type CompileStages = (
  stages: readonly PipelineStage[],
  options: StageOptions & { readonly nowMs: number },
) => Stage

/**
 * Returns the sample's value; undefined if the entry has no such label or a filter after the unwrap drops it. A value
 * that cannot be converted gives 0 and sets `__error__` before those filters run. The label stays in the set; the
 * aggregation removes it from the result. Implemented by pipeline/unwrap.ts.
 */
export type CompileUnwrap = (unwrap: Unwrap) => (entry: PipelineEntry) => number | undefined
