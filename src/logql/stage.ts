/** The seam between the pipeline's parts (pipeline/*) and those who run them: log-query.ts and metric/*. */

import type { Metadata } from '../domain/entries/batch.ts'
import type { Labels } from '../domain/labels.ts'
import type { PipelineStage, Unwrap } from './parse/syntax.ts'

/** One entry on its way through a pipeline. One object serves all entries of a query, one after the other. */
export interface PipelineEntry {
  readonly ns: bigint
  /** What line_format, decolorize and unpack change. */
  line: string
  readonly labels: EntryLabels
}

/**
 * The labels of an entry: those of its stream, its structured metadata and what parsers found, with Loki's precedence.
 * pipeline/label-set.ts has the one class that is it.
 */
export interface EntryLabels {
  /** Begins an entry: everything of the one before is gone. */
  reset(stream: Labels, metadata: Metadata): void
  /** The value under the plain name, or undefined; finds `__error__` and `__error_details__` as well. */
  get(name: string): string | undefined
  /** True while `__error__` is set. */
  readonly hasError: boolean
  /** All labels as they are now, `__error__` among them, sorted by name. A parsed label may be empty. A new array each time. */
  all(): Labels
  /** The same in three parts for an answer; the parts are sorted and share no name. */
  parts(): EntryParts
}

export interface EntryParts {
  /** The stream's own labels, with what the query changed of them. The very same array where it changed nothing. */
  readonly stream: Labels
  readonly metadata: Metadata
  readonly parsed: Metadata
}

/** Does its work on the entry in place; false drops the entry. Never throws for what is in a line. */
export type Stage = (entry: PipelineEntry) => boolean

/** What a query that is not interested in all labels tells the parsers. */
export interface StageOptions {
  /**
   * Names of the labels that the caller reads afterwards; undefined: all of them. What the stages read themselves is
   * added by compileStages. When nothing is read at all, parsers do nothing and set no error.
   */
  readonly wanted?: ReadonlySet<string> | undefined
}

/**
 * pipeline/stages.ts has it: all stages of a pipeline as one. Throws query_malformed for a template that cannot be
 * read.
 */
export type CompileStages = (
  stages: readonly PipelineStage[],
  options: StageOptions & { readonly nowMs: number },
) => Stage

/**
 * pipeline/unwrap.ts has it. Gives the sample's value, or undefined where the entry has no such label or a filter after
 * the unwrap drops it. A value that does not convert gives 0 and sets `__error__` to SampleExtractionErr before those
 * filters run. The label stays in the set: taking it off the result is the aggregation's work.
 */
export type CompileUnwrap = (unwrap: Unwrap) => (entry: PipelineEntry) => number | undefined
