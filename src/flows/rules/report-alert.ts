/** Reports a firing or resolved alert as an incident. */

import type { IncidentReport, Severity } from '../../domain/incidents/incident.ts'
import { formatLabels, labelValue } from '../../domain/labels.ts'
import type { Alert, RuleGroup } from '../../domain/rules/alert-rule.ts'
import { linesBehind } from '../../logql/rule-expression.ts'
import type { IncidentSink } from '../../ports/incidents.ts'

/** Usual values of the label `severity` as incident severities; any other value is an error. */
const SEVERITIES: ReadonlyMap<string, Severity> = new Map([
  ['info', 'info'],
  ['information', 'info'],
  ['low', 'info'],
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['critical', 'critical'],
  ['page', 'critical'],
  ['high', 'critical'],
  ['fatal', 'fatal'],
  ['emergency', 'fatal'],
])

export function needsReport({ state, isReported }: Alert): boolean {
  return !isReported && state !== 'pending'
}

/**
 * Raises or resolves the incident, unless it was already reported. Returns the alert to keep; undefined if it is resolved
 * and reported. Rejects with store_unavailable.
 */
export async function reportAlert(
  incidents: IncidentSink,
  group: Pick<RuleGroup, 'tenant' | 'namespace' | 'name'>,
  alert: Alert,
  expr: string | undefined,
): Promise<Alert | undefined> {
  if (!needsReport(alert)) return alert
  const { tenant } = group
  const key = `${group.namespace}/${group.name}/${formatLabels(alert.labels)}`
  if (alert.state === 'resolved') {
    await incidents.resolve({ tenant, kind: 'rule', key })
    return undefined
  }
  await incidents.raise(reportOf({ tenant, kind: 'rule', key }, alert, expr))
  return { ...alert, isReported: true }
}

function reportOf(
  incident: Pick<IncidentReport, 'tenant' | 'kind' | 'key'>,
  { labels, annotations, value, activeAtMs, firedAtMs }: Alert,
  expr: string | undefined,
): IncidentReport {
  const summary = labelValue(annotations, 'summary') || labelValue(annotations, 'message')
  const description = labelValue(annotations, 'description') || summary || (expr ?? '')
  return {
    ...incident,
    title: summary || `${labelValue(labels, 'alertname')} ${formatLabels(labels)}`,
    labels,
    severity: SEVERITIES.get(labelValue(labels, 'severity').toLowerCase()) ?? 'error',
    query: expr === undefined ? undefined : linesBehind(expr),
    eventId: `rule-${activeAtMs}`,
    ms: firedAtMs ?? activeAtMs,
    line: `${description} (value: ${value})`,
  }
}
