/** What a run over a project is told, and what it tells. */

import type { GatewayError } from '../../domain/errors.ts'
import type { SourceProject } from '../../ports/sources.ts'

export interface PollSettings {
  /** How long behind the newest entry the source is read again for entries that come late, ms. */
  readonly overlapMs: number
  /** How far back the first run reads, ms. */
  readonly firstRunMs: number
  /** How long the source keeps its entries, ms. */
  readonly retentionMs: number
  /** Time for one run over all projects, ms. */
  readonly runMs: number
  /** Requests of one run over all projects. */
  readonly runRequestsMax: number
}

/** What a run did. Times in ms since the epoch. */
export interface ProjectOutcome {
  readonly source: string
  readonly project: SourceProject
  /**
   * `complete`: everything the source has is stored. `partial`: the budget was used up, the next run goes on.
   * `busy`: another run is at work. `failed`: see `error`; what was stored before stays.
   */
  readonly state: 'complete' | 'partial' | 'busy' | 'failed'
  readonly error: GatewayError | undefined
  readonly startedMs: number
  readonly finishedMs: number
  /** Entries that the sinks took since this run, those that one of them refused for good among them. */
  readonly stored: number
  /** Of those, the ones that are older than what was stored before: they came late. */
  readonly late: number
  /** Entries that were found in a sink by looking, after a run that ended in the middle. */
  readonly found: number
  readonly oversized: number
  readonly rejected: number
  readonly unreadable: number
  readonly requests: number
  /** Time of the newest stored entry, and until when everything was read; undefined where the cursor is not known. */
  readonly lastTsMs: number | undefined
  readonly checkedMs: number | undefined
  /** A time range that the source no longer keeps and that was not read, or that the first run leaves out. */
  readonly lost: { readonly fromMs: number; readonly toMs: number } | undefined
}
