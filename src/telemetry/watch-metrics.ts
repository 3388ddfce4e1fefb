/** Prometheus metrics and log lines of alert rules and anomalies. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { RuleGroup } from '../domain/rules/alert-rule.ts'
import { logWatch, type WatchLog, type WatchReports } from './watch-log.ts'

/** Read when Prometheus scrapes. */
export interface WatchFigures {
  readonly figures: { readonly series: number; readonly ignored: number; readonly anomalies: number }
}

/** Passed to processes/watch.ts as its events. */
export class WatchMetrics implements WatchReports {
  readonly #registry: Registry
  readonly #logged: WatchReports
  readonly #seconds: Histogram
  readonly #ruleFailures: Counter
  readonly #groupFailures: Counter
  readonly #refused: Counter
  readonly #anomalyFailures: Counter

  constructor(registry: Registry, log: WatchLog) {
    this.#registry = registry
    this.#logged = logWatch(log)
    this.#seconds = new Histogram({
      name: 'millrace_rule_group_seconds',
      help: 'Duration of the evaluation of a rule group',
      buckets: [0.01, 0.05, 0.2, 0.5, 1, 5, 10, 30],
      registers: [registry],
    })
    const make = (name: string, help: string) => new Counter({ name: `millrace_${name}`, help, registers: [registry] })
    this.#ruleFailures = make('rule_failures_total', 'Failed evaluations of a rule, which kept its alerts')
    this.#groupFailures = make(
      'rule_group_failures_total',
      'Rule groups whose state or incidents could not be read or written',
    )
    this.#refused = make('rules_refused_total', 'Invalid changes of rule files')
    this.#anomalyFailures = make('anomaly_failures_total', 'Failed rounds of anomaly detection')
  }

  groupEvaluated(_group: RuleGroup, seconds: number): void {
    this.#seconds.observe(seconds)
  }

  ruleFailed(group: RuleGroup, rule: string, cause: unknown): void {
    this.#ruleFailures.inc()
    this.#logged.ruleFailed(group, rule, cause)
  }

  groupFailed(group: Pick<RuleGroup, 'tenant' | 'namespace' | 'name'>, cause: unknown): void {
    this.#groupFailures.inc()
    this.#logged.groupFailed(group, cause)
  }

  rulesChanged(groups: number): void {
    this.#logged.rulesChanged(groups)
  }

  rulesRefused(cause: unknown): void {
    this.#refused.inc()
    this.#logged.rulesRefused(cause)
  }

  anomaliesFailed(tenant: string, cause: unknown): void {
    this.#anomalyFailures.inc()
    this.#logged.anomaliesFailed(tenant, cause)
  }

  observe(anomalies: WatchFigures): void {
    this.#gauge('anomaly_series', 'Watched pairs of service and level', () => anomalies.figures.series)
    this.#gauge('anomaly_series_ignored', 'Ignored pairs beyond the limit', () => anomalies.figures.ignored)
    this.#gauge('anomalies_open', 'Pairs with a current anomaly', () => anomalies.figures.anomalies)
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `millrace_${name}`,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read())
      },
    })
  }
}
