/** What Prometheus is told of the poller. */

import { Counter, Gauge, type Registry } from 'prom-client'
import type { ProjectOutcome } from '../flows/poll/poll-outcome.ts'
import type { SourcePoller } from '../flows/poll/poll-sources.ts'

/** Names of projects are the operator's: there are as many series as there are settings. */
const LABELS = ['source', 'project'] as const

/** Counts what runs did; give `count` to the poller as its `onOutcome`. */
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
    this.#entries = make('polled_entries_total', 'Polled entries that every sink holds')
    this.#rejected = make('polled_entries_rejected_total', 'Polled entries that a sink refused for good')
    this.#requests = make('poll_requests_total', 'Requests to the source, retries included')
    this.#runs = new Counter({
      name: 'millrace_polls_total',
      help: 'Runs of the poller, by how they ended',
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

  /** Gauges of how far behind each project is, read when Prometheus asks. */
  observe(poller: Pick<SourcePoller, 'figures'>): void {
    this.#gauge('source_lag_seconds', 'Seconds since everything was read', poller, ({ lagSeconds }) => lagSeconds)
    const help = 'Hours until the source drops what was not read'
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
