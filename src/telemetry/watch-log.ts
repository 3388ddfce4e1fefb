/** Logs the events of alert rules and anomalies. */

import { GatewayError } from '../domain/errors.ts'
import type { RuleGroup } from '../domain/rules/alert-rule.ts'
import type { RuleEvents } from '../flows/rules/evaluate-rules.ts'

export interface WatchLog {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

/** Events of alert rules and anomalies. */
export interface WatchReports extends RuleEvents {
  rulesChanged(groups: number): void
  rulesRefused(cause: unknown): void
  anomaliesFailed(tenant: string, cause: unknown): void
}

export function logWatch(log: WatchLog): WatchReports {
  return {
    groupEvaluated: () => undefined,
    // The error message may contain labels, so it is only shown to the tenant, in the list of rules.
    ruleFailed: ({ tenant, namespace, name }: RuleGroup, rule, cause) =>
      log.warn({ tenant, namespace, group: name, rule, ...faultOf(cause) }, 'evaluating an alert rule failed'),
    groupFailed: ({ tenant, namespace, name }, cause) => {
      const facts = { tenant, namespace, group: name, ...faultOf(cause) }
      log.error(facts, 'the state or incidents of an alert rule group could not be stored; the next evaluation retries')
    },
    rulesChanged: (groups) => log.info({ groups }, 'alert rules changed'),
    // The message is about the operator's own files: it has names, lines and columns.
    rulesRefused: (cause) =>
      log.error({ err: cause }, 'the changed alert rules are invalid; keeping the previous rules'),
    anomaliesFailed: (tenant, cause) =>
      log.error({ tenant, ...faultOf(cause) }, 'anomaly detection failed; retrying in the next minute'),
  }
}

function faultOf(cause: unknown): object {
  return cause instanceof GatewayError ? { code: cause.code } : { err: cause }
}
