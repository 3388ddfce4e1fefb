/** Metrics of incidents and notifications: for Prometheus, and for CloudWatch. */

import { Counter, type Registry } from 'prom-client'
import type { ReadTotals } from './emf.ts'

/** Monotonic counts by name. */
type Totals = ReadonlyMap<string, number>

export interface IncidentTotals {
  readonly transitions: Totals
  /** Notifications by notifier. */
  readonly sent: Totals
  readonly failed: Totals
}

/** Registers counters that read `totals` when Prometheus scrapes. */
export function exportIncidentMetrics(registry: Registry, totals: IncidentTotals): void {
  count(
    registry,
    'incident_transitions_total',
    'Incidents that were opened, reopened or closed',
    'transition',
    totals.transitions,
  )
  count(registry, 'notifications_sent_total', 'Messages that a notifier took', 'notifier', totals.sent)
  count(
    registry,
    'notifications_failed_total',
    'Notifications that a notifier failed to send; they are retried',
    'notifier',
    totals.failed,
  )
}

/** The totals for CloudWatch, which has no dimension for the name of a notifier. */
export function incidentTotals({ transitions, sent, failed }: IncidentTotals): ReadTotals {
  const opened = (): number => (transitions.get('opened') ?? 0) + (transitions.get('reopened') ?? 0)
  return async () => [
    { name: 'IncidentsOpened', unit: 'Count', value: opened() },
    { name: 'NotificationsSent', unit: 'Count', value: sumOf(sent) },
    { name: 'NotificationsFailed', unit: 'Count', value: sumOf(failed) },
  ]
}

function sumOf(totals: Totals): number {
  return [...totals.values()].reduce((sum, value) => sum + value, 0)
}

function count(registry: Registry, name: string, help: string, label: string, totals: Totals): void {
  new Counter({
    name: `millrace_${name}`,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset()
      for (const [value, total] of totals) this.inc({ [label]: value }, total)
    },
  })
}
