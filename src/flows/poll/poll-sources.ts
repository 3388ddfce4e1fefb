/** Polling: a run over all projects of a source, the timer that repeats it, and its log lines. */

import type { GatewayError } from '../../domain/errors.ts'
import type { Wait } from '../../kit/backoff.ts'
import type { Clock } from '../../ports/log-store.ts'
import type { RequestBudget, SourceProject } from '../../ports/sources.ts'
import type { PollSettings, ProjectOutcome } from './poll-outcome.ts'
import { type ProjectParts, pollProject } from './poll-project.ts'

export interface PollParts extends Omit<ProjectParts, 'holder'> {
  readonly projects: readonly SourceProject[]
  /** Returns a unique text for every run, which identifies it in leases. */
  readonly makeHolder: () => string
  readonly settings: PollSettings
  /** Called with every outcome, for logs and metrics. Must not throw. */
  readonly onOutcome?: (outcome: ProjectOutcome, figures: SourceFigures) => void
}

/** The lag of a project. */
export interface SourceFigures {
  /** Seconds since the project was fully read; undefined before the first run. */
  readonly lagSeconds: number | undefined
  /** Hours until the source deletes entries that were not read; at most its retention, 0 if it already does. */
  readonly hoursUntilLoss: number | undefined
}

/** The summary of a run over all projects. */
export interface PollSummary {
  readonly stored: number
  readonly late: number
  readonly found: number
  readonly rejected: number
  readonly requests: number
  readonly failed: number
  /** The largest lag of a project, seconds. */
  readonly lagSeconds: number | undefined
  /** The smallest number of hours until loss over all projects. */
  readonly hoursUntilLoss: number | undefined
  readonly outcomes: readonly ProjectOutcome[]
}

/** The state of a project, also if another process polls it. */
export interface SourceReport extends SourceFigures {
  readonly source: string
  readonly project: SourceProject
  readonly lastTsMs: number | undefined
  readonly checkedMs: number | undefined
  /** The latest run of this process. */
  readonly latest: ProjectOutcome | undefined
}

const HOUR_MS = 3600_000

/**
 * Polls the projects of a source. Runs of one poller do not overlap; the leases of the cursors separate those of several
 * processes.
 */
export class SourcePoller {
  readonly #parts: PollParts
  readonly #latest = new Map<string, ProjectOutcome>()
  #running: Promise<PollSummary> | undefined
  #first = 0

  constructor(parts: PollParts) {
    this.#parts = parts
  }

  /** Runs once over all projects, or joins the current run. Never rejects. */
  async poll(): Promise<PollSummary> {
    this.#running ??= this.#poll().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** The state of every project. Rejects with store_unavailable or store_damaged if the cursors cannot be read. */
  async describe(): Promise<readonly SourceReport[]> {
    const { cursors, projects, source } = this.#parts
    const reports: SourceReport[] = []
    for (const project of projects) {
      const { cursor } = await cursors.load(project.id)
      const latest = this.#latest.get(project.id)
      // Not every run without new entries saves the cursor.
      const checkedMs = latest?.checkedMs ?? cursor?.checkedMs
      reports.push({
        source: source.name,
        project,
        lastTsMs: cursor?.lastTsMs,
        checkedMs,
        latest,
        ...this.#figures(checkedMs),
      })
    }
    return reports
  }

  /** The figures of every project, from memory. */
  figures(): readonly (SourceFigures & { readonly project: SourceProject })[] {
    return this.#parts.projects.map((project) => ({
      project,
      ...this.#figures(this.#latest.get(project.id)?.checkedMs),
    }))
  }

  async #poll(): Promise<PollSummary> {
    const { projects, makeHolder, onOutcome } = this.#parts
    const budgets = this.#shareBudget()
    const outcomes: ProjectOutcome[] = []
    // Each run starts with another project, so that the same ones do not always get the rest of the budget.
    const turn = this.#first++ % Math.max(1, projects.length)
    for (const project of [...projects.slice(turn), ...projects.slice(0, turn)]) {
      const outcome = await pollProject({ ...this.#parts, holder: makeHolder() }, project, budgets.next())
      outcomes.push(outcome)
      if (outcome.state !== 'busy') this.#latest.set(project.id, outcome)
      onOutcome?.(outcome, this.#figures(outcome.checkedMs))
    }
    return summarize(outcomes, (outcome) => this.#figures(outcome.checkedMs))
  }

  /** Shares the requests between the projects; later projects may use the unused part of earlier ones. */
  #shareBudget(): { next(): RequestBudget } {
    const { clock, settings, projects } = this.#parts
    const untilMs = clock.monotonicMs() + settings.runMs
    let left = settings.runRequestsMax
    let projectsLeft = projects.length
    return {
      next: () => {
        const share = Math.max(1, Math.floor(left / Math.max(1, projectsLeft--)))
        let used = 0
        const take = (): boolean => {
          if (used >= share || left <= 0) return false
          used++
          left--
          return true
        }
        return { take, untilMs }
      },
    }
  }

  #figures(checkedMs: number | undefined): SourceFigures {
    if (checkedMs === undefined) return { lagSeconds: undefined, hoursUntilLoss: undefined }
    const { clock, settings } = this.#parts
    const lagMs = Math.max(0, clock.nowMs() - checkedMs)
    return { lagSeconds: Math.round(lagMs / 1000), hoursUntilLoss: Math.max(0, settings.retentionMs - lagMs) / HOUR_MS }
  }
}

function summarize(
  outcomes: readonly ProjectOutcome[],
  figuresOf: (outcome: ProjectOutcome) => SourceFigures,
): PollSummary {
  const sum = (of: (outcome: ProjectOutcome) => number): number => outcomes.reduce((total, each) => total + of(each), 0)
  const figures = outcomes.map(figuresOf)
  const lags = figures.map((each) => each.lagSeconds).filter((lag) => lag !== undefined)
  const hours = figures.map((each) => each.hoursUntilLoss).filter((each) => each !== undefined)
  return {
    stored: sum(({ stored }) => stored),
    late: sum(({ late }) => late),
    found: sum(({ found }) => found),
    rejected: sum(({ rejected }) => rejected),
    requests: sum(({ requests }) => requests),
    failed: outcomes.filter(({ state }) => state === 'failed').length,
    lagSeconds: lags.length === 0 ? undefined : Math.max(...lags),
    hoursUntilLoss: hours.length === 0 ? undefined : Math.min(...hours),
    outcomes,
  }
}

/** A log of facts with a fixed text. */
export interface PollLog {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

/** Logs a run over a project, with errors for lost, rejected and unreadable entries. */
export function logOutcome(log: PollLog, outcome: ProjectOutcome, figures: SourceFigures): void {
  const { source, project, state, stored, late, found, requests, startedMs, finishedMs } = outcome
  const name = { source, project: project.name }
  const facts = { ...name, stored, late, found, requests, ms: finishedMs - startedMs, ...figures }
  if (state === 'failed')
    log.error({ ...facts, ...describeError(outcome.error) }, 'polling failed; the next run continues')
  else if (state === 'busy') log.info(name, 'another run polls this project')
  else if (state === 'partial') log.warn(facts, 'polled partially; the next run continues')
  else log.info(facts, 'polled')
  const { lost, rejected, oversized, unreadable } = outcome
  if (lost !== undefined) {
    const range = { from: new Date(lost.fromMs).toISOString(), to: new Date(lost.toMs).toISOString() }
    log.error(
      { ...name, ...range },
      'entries in this time range are not polled: the source has deleted them, or the first run starts later',
    )
  }
  if (rejected > 0) log.error({ ...name, rejected }, 'a sink rejected entries permanently')
  if (unreadable > 0) log.error({ ...name, unreadable }, 'skipped entries without an id or a time')
  if (oversized > 0) log.warn({ ...name, oversized }, 'entries above the size limit of a sink were split or truncated')
  const { hoursUntilLoss } = figures
  if (hoursUntilLoss !== undefined && hoursUntilLoss < LOSS_WARNING_HOURS) {
    log.error({ ...name, hoursUntilLoss }, 'the poller is about to lose entries: the source will delete them soon')
  }
}

/** From this many hours before a loss, every run logs a warning. */
const LOSS_WARNING_HOURS = 6

function describeError(error: GatewayError | undefined): object {
  if (error === undefined) return {}
  // The cause of an internal error is needed to find the fault; other causes may contain entries.
  return error.code === 'internal' ? { code: error.code, err: error } : { code: error.code, error: error.message }
}

/**
 * Polls every `intervalMs`, measured between the starts of runs, until the returned function is called, which resolves when
 * the current run has ended.
 */
export function startPolling(
  poller: Pick<SourcePoller, 'poll'>,
  intervalMs: number,
  { clock, wait }: { clock: Clock; wait: Wait },
): () => Promise<void> {
  const stop = new AbortController()
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const startedMs = clock.monotonicMs()
      await poller.poll()
      await wait(Math.max(0, startedMs + intervalMs - clock.monotonicMs()), stop.signal)
    }
  }
  const running = loop()
  return async () => {
    stop.abort()
    await running
  }
}
