/** Polling: a run over all projects of a source, the timer that repeats it, and what is told of it. */

import type { GatewayError } from '../../domain/errors.ts'
import type { Wait } from '../../kit/backoff.ts'
import type { Clock } from '../../ports/log-store.ts'
import type { RequestBudget, SourceProject } from '../../ports/sources.ts'
import type { PollSettings, ProjectOutcome } from './poll-outcome.ts'
import { type ProjectParts, pollProject } from './poll-project.ts'

export interface PollParts extends Omit<ProjectParts, 'holder'> {
  readonly projects: readonly SourceProject[]
  /** Another text for every run: names it in its leases. */
  readonly makeHolder: () => string
  readonly settings: PollSettings
  /** Told of every outcome, for logs and metrics. Must not throw. */
  readonly onOutcome?: (outcome: ProjectOutcome, figures: SourceFigures) => void
}

/** How far behind a project is. */
export interface SourceFigures {
  /** Seconds since everything was read; undefined before the first run. */
  readonly lagSeconds: number | undefined
  /** Hours until the source drops what was not read yet; at most its retention, 0 when it does so already. */
  readonly hoursUntilLoss: number | undefined
}

/** What a run came to, over all projects. */
export interface PollSummary {
  readonly stored: number
  readonly late: number
  readonly found: number
  readonly rejected: number
  readonly requests: number
  readonly failed: number
  /** The largest lag of a project, seconds. */
  readonly lagSeconds: number | undefined
  /** The fewest hours of a project until its source drops what was not read. */
  readonly hoursUntilLoss: number | undefined
  readonly outcomes: readonly ProjectOutcome[]
}

/** What is known of a project, also where another process polls it. */
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
 * Polls the projects of a source. Runs of one poller do not overlap; those of several processes are kept apart by the
 * leases of the cursors.
 */
export class SourcePoller {
  readonly #parts: PollParts
  readonly #latest = new Map<string, ProjectOutcome>()
  #running: Promise<PollSummary> | undefined
  #first = 0

  constructor(parts: PollParts) {
    this.#parts = parts
  }

  /** Runs once over all projects, or joins the run that is at work. Never rejects. */
  async poll(): Promise<PollSummary> {
    this.#running ??= this.#poll().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** What is known of every project. Rejects with store_unavailable or store_damaged when the cursors cannot be read. */
  async describe(): Promise<readonly SourceReport[]> {
    const { cursors, projects, source } = this.#parts
    const reports: SourceReport[] = []
    for (const project of projects) {
      const { cursor } = await cursors.load(project.id)
      const latest = this.#latest.get(project.id)
      // The cursor is not saved by every run that finds nothing.
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
    // Each run begins with another project, so that what is left over is not always left over for the same ones.
    const turn = this.#first++ % Math.max(1, projects.length)
    for (const project of [...projects.slice(turn), ...projects.slice(0, turn)]) {
      const outcome = await pollProject({ ...this.#parts, holder: makeHolder() }, project, budgets.next())
      outcomes.push(outcome)
      if (outcome.state !== 'busy') this.#latest.set(project.id, outcome)
      onOutcome?.(outcome, this.#figures(outcome.checkedMs))
    }
    return summarize(outcomes, (outcome) => this.#figures(outcome.checkedMs))
  }

  /** A share of the requests for each project; what one does not use, the later ones may. */
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

/** A log that takes facts and a fixed text. */
export interface PollLog {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

/** One line for a run over a project, and a loud one for what was lost, refused or unreadable. */
export function logOutcome(log: PollLog, outcome: ProjectOutcome, figures: SourceFigures): void {
  const { source, project, state, stored, late, found, requests, startedMs, finishedMs } = outcome
  const name = { source, project: project.name }
  const facts = { ...name, stored, late, found, requests, ms: finishedMs - startedMs, ...figures }
  if (state === 'failed')
    log.error({ ...facts, ...describeError(outcome.error) }, 'a poll failed; the next run goes on')
  else if (state === 'busy') log.info(name, 'another run polls this project')
  else if (state === 'partial') log.warn(facts, 'polled in part: the next run goes on')
  else log.info(facts, 'polled')
  const { lost, rejected, oversized, unreadable } = outcome
  if (lost !== undefined) {
    const range = { from: new Date(lost.fromMs).toISOString(), to: new Date(lost.toMs).toISOString() }
    log.error(
      { ...name, ...range },
      'entries of this time are not polled: the source dropped them, or the first run begins later',
    )
  }
  if (rejected > 0) log.error({ ...name, rejected }, 'a sink refused entries for good')
  if (unreadable > 0) log.error({ ...name, unreadable }, 'entries without an id and a time were left out')
  if (oversized > 0) log.warn({ ...name, oversized }, 'entries larger than a sink takes were stored in parts or cut')
  const { hoursUntilLoss } = figures
  if (hoursUntilLoss !== undefined && hoursUntilLoss < LOSS_WARNING_HOURS) {
    log.error({ ...name, hoursUntilLoss }, 'the poller is about to lose entries: the source drops them soon')
  }
}

/** Hours before a loss from which every run says so. */
const LOSS_WARNING_HOURS = 6

function describeError(error: GatewayError | undefined): object {
  if (error === undefined) return {}
  // The cause of what we did not foresee is all there is to go by; other causes may hold what was sent.
  return error.code === 'internal' ? { code: error.code, err: error } : { code: error.code, error: error.message }
}

/**
 * Polls again and again, from the beginning of one run to that of the next `intervalMs`, until the returned function is
 * called; that resolves when the run at work is done.
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
