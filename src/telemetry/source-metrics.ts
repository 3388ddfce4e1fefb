/** Prometheus metrics of the poller. */

import { Counter, Gauge, type Registry } from 'prom-client'
import type { ProjectOutcome } from '../flows/poll/poll-outcome.ts'
import type { SourcePoller } from '../flows/poll/poll-sources.ts'

/** Project names come from the settings, so the number of series is bounded. */
const LABELS = ['source', 'project'] as const

/** Counts the outcomes of runs; pass `count` to the poller as `onOutcome`. */
export class SourceMetrics {
  readonly #entries: Counter<(typeof LABELS)[number]>
  readonly #rejected: Counter<(typeof LABELS)[number]>
  readonly #requests: Counter<(typeof LABELS)[number]>
  readonly #runs: Counter<(typeof LABELS)[number] | 'state'>
  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
    const make = (name: string, help: string) => {
      return new Counter({ name: `millrace_${name}`, help, labelNames: [...LABELS], registers: [registry] })
    }
    this.#entries = make('polled_entries_total', 'Polled entries that are stored in every sink')
    this.#rejected = make('polled_entries_rejected_total', 'Polled entries that a sink rejected permanently')
    this.#requests = make('poll_requests_total', 'Requests to the source, including retries')
    this.#runs = new Counter({
      name: 'millrace_polls_total',
      help: 'Runs of the poller, by outcome',
      labelNames: [...LABELS, 'state'],
      registers: [registry],
    })
  }

  count(outcome: ProjectOutcome): void {
    const labels = { source: outcome.source, project: outcome.project.name }
    this.#entries.inc(labels, outcome.stored)
    this.#rejected.inc(labels, outcome.rejected)
    this.#requests.inc(labels, outcome.requests)
    this.#runs.inc({ ...labels, state: outcome.state })
  }

  /** Registers gauges of the lag of each project, read when Prometheus scrapes. */
  observe(poller: Pick<SourcePoller, 'figures'>): void {
    this.#gauge(
      'source_lag_seconds',
      'Seconds since the project was fully read',
      poller,
      ({ lagSeconds }) => lagSeconds,
    )
    const help = 'Hours until the source deletes entries that were not read'
    this.#gauge('source_hours_until_loss', help, poller, ({ hoursUntilLoss }) => hoursUntilLoss)
  }

  #gauge(
    name: string,
    help: string,
    poller: Pick<SourcePoller, 'figures'>,
    read: (figures: ReturnType<SourcePoller['figures']>[number]) => number | undefined,
  ): void {
    new Gauge({
      name: `millrace_${name}`,
      help,
      labelNames: ['project'],
      registers: [this.#registry],
      collect() {
        for (const figures of poller.figures()) {
          const value = read(figures)
          if (value !== undefined) this.set({ project: figures.project.name }, value)
        }
      },
    })
  }
}
