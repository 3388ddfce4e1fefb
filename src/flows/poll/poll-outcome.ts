/** The settings and the outcome of a run over a project. */

import type { GatewayError } from '../../domain/errors.ts'
import type { SourceProject } from '../../ports/sources.ts'

export interface PollSettings {
  /** How far before the newest entry the source is read again for late entries, ms. */
  readonly overlapMs: number
  /** How far back the first run reads, ms. */
  readonly firstRunMs: number
  /** How long the source keeps its entries, ms. */
  readonly retentionMs: number
  /** Maximum duration of a run over all projects, ms. */
  readonly runMs: number
  /** Maximum number of requests of a run over all projects. */
  readonly runRequestsMax: number
}

/** The outcome of a run. Times in ms since the epoch. */
export interface ProjectOutcome {
  readonly source: string
  readonly project: SourceProject
  /**
   * `complete`: everything in the source is stored. `partial`: the budget was used up, and the next run continues.
   * `busy`: another run is active. `failed`: see `error`; entries stored before that stay stored.
   */
  readonly state: 'complete' | 'partial' | 'busy' | 'failed'
  readonly error: GatewayError | undefined
  readonly startedMs: number
  readonly finishedMs: number
  /** Entries written by this run, including those that a sink rejected permanently. */
  readonly stored: number
  /** Those of them that are older than entries stored before: late entries. */
  readonly late: number
  /** Entries that a sink already had, after an interrupted run. */
  readonly found: number
  readonly oversized: number
  readonly rejected: number
  readonly unreadable: number
  readonly requests: number
  /** Time of the newest stored entry, and the time until which everything was read; undefined if the cursor is unknown. */
  readonly lastTsMs: number | undefined
  readonly checkedMs: number | undefined
  /** A time range that was not read and that the source no longer keeps, or that the first run skips. */
  readonly lost: { readonly fromMs: number; readonly toMs: number } | undefined
}
