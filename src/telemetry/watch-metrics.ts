/** What Prometheus and the log are told of alert rules and anomalies. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { GatewayError } from '../domain/errors.ts'
import type { RuleGroup } from '../domain/rules/alert-rule.ts'
import type { RuleEvents } from '../flows/rules/evaluate-rules.ts'

export interface WatchLog {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

/** Read when Prometheus asks. */
export interface WatchFigures {
  readonly figures: { readonly series: number; readonly ignored: number; readonly anomalies: number }
}

/** Give it to entry/watch.ts as its events. */
export class WatchMetrics implements RuleEvents {
  readonly #registry: Registry
  readonly #log: WatchLog
  readonly #seconds: Histogram
  readonly #ruleFailures: Counter
  readonly #groupFailures: Counter
  readonly #refused: Counter
  readonly #anomalyFailures: Counter

  constructor(registry: Registry, log: WatchLog) {
    this.#registry = registry
    this.#log = log
    this.#seconds = new Histogram({
      name: 'millrace_rule_group_seconds',
      help: 'Time of one evaluation of a group of alert rules',
      buckets: [0.01, 0.05, 0.2, 0.5, 1, 5, 10, 30],
      registers: [registry],
    })
    const make = (name: string, help: string) => new Counter({ name: `millrace_${name}`, help, registers: [registry] })
    this.#ruleFailures = make(
      'rule_failures_total',
      'Evaluations of a rule that failed; its alerts stayed as they were',
    )
    this.#groupFailures = make(
      'rule_group_failures_total',
      'Groups whose state or incidents could not be written or read',
    )
    this.#refused = make('rules_refused_total', 'Changed files of rules that could not be used')
    this.#anomalyFailures = make('anomaly_failures_total', 'Rounds of the watch for anomalies that failed')
  }

  groupEvaluated(_group: RuleGroup, seconds: number): void {
    this.#seconds.observe(seconds)
  }

  /** The words of the fault may hold labels: they are for the tenant, who sees them in the list of rules. */
  ruleFailed({ tenant, namespace, name }: RuleGroup, rule: string, cause: unknown): void {
    this.#ruleFailures.inc()
    this.#log.warn({ tenant, namespace, group: name, rule, ...faultOf(cause) }, 'an alert rule could not be evaluated')
  }

  groupFailed({ tenant, namespace, name }: Pick<RuleGroup, 'tenant' | 'namespace' | 'name'>, cause: unknown): void {
    this.#groupFailures.inc()
    const facts = { tenant, namespace, group: name, ...faultOf(cause) }
    this.#log.error(facts, 'what alert rules found could not be kept or told; the next evaluation tries again')
  }

  rulesChanged(groups: number): void {
    this.#log.info({ groups }, 'the alert rules changed')
  }

  /** The text is the operator's own: it names files, lines and columns. */
  rulesRefused(cause: unknown): void {
    this.#refused.inc()
    this.#log.error({ err: cause }, 'changed alert rules are faulty; those before hold')
  }

  anomaliesFailed(tenant: string, cause: unknown): void {
    this.#anomalyFailures.inc()
    this.#log.error({ tenant, ...faultOf(cause) }, 'the watch for anomalies failed; the next minute tries again')
  }

  observe(anomalies: WatchFigures): void {
    this.#gauge('anomaly_series', 'Pairs of service and level that are watched', () => anomalies.figures.series)
    this.#gauge('anomaly_series_ignored', 'Pairs beyond the limit', () => anomalies.figures.ignored)
    this.#gauge('anomalies_open', 'Pairs whose rate is far from usual now', () => anomalies.figures.anomalies)
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

function faultOf(cause: unknown): object {
  return cause instanceof GatewayError ? { code: cause.code } : { err: cause }
}
