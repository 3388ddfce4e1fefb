/** Prometheus metrics and log lines of alert rules and anomalies. */

import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { GatewayError } from '../domain/errors.ts'
import type { RuleGroup } from '../domain/rules/alert-rule.ts'
import type { RuleEvents } from '../flows/rules/evaluate-rules.ts'

export interface WatchLog {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

/** Read when Prometheus scrapes. */
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

  /** The error message may contain labels, so it is only shown to the tenant, in the list of rules. */
  ruleFailed({ tenant, namespace, name }: RuleGroup, rule: string, cause: unknown): void {
    this.#ruleFailures.inc()
    this.#log.warn({ tenant, namespace, group: name, rule, ...faultOf(cause) }, 'evaluating an alert rule failed')
  }

  groupFailed({ tenant, namespace, name }: Pick<RuleGroup, 'tenant' | 'namespace' | 'name'>, cause: unknown): void {
    this.#groupFailures.inc()
    const facts = { tenant, namespace, group: name, ...faultOf(cause) }
    this.#log.error(
      facts,
      'the state or incidents of an alert rule group could not be stored; the next evaluation retries',
    )
  }

  rulesChanged(groups: number): void {
    this.#log.info({ groups }, 'alert rules changed')
  }

  /** The message is about the operator's own files: it has names, lines and columns. */
  rulesRefused(cause: unknown): void {
    this.#refused.inc()
    this.#log.error({ err: cause }, 'the changed alert rules are invalid; keeping the previous rules')
  }

  anomaliesFailed(tenant: string, cause: unknown): void {
    this.#anomalyFailures.inc()
    this.#log.error({ tenant, ...faultOf(cause) }, 'anomaly detection failed; retrying in the next minute')
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

function faultOf(cause: unknown): object {
  return cause instanceof GatewayError ? { code: cause.code } : { err: cause }
}
