/** An alert rule, and the life cycle of its alerts. Pure: the evaluation time is an argument. */

import { formatLabels, type Labels } from '../labels.ts'

/** A rule of a group. Labels and annotations may be templates; durations are in ms. */
export interface AlertRule {
  readonly name: string
  readonly expr: string
  /** How long the expression must return a sample before its alert fires. */
  readonly forMs: number
  /** How long an alert keeps firing after its sample has disappeared. */
  readonly keepFiringForMs: number
  readonly labels: Labels
  readonly annotations: Labels
}

/** Rules that are evaluated together. */
export interface RuleGroup {
  readonly tenant: string
  /** The name of the file. */
  readonly namespace: string
  readonly name: string
  readonly intervalMs: number
  /** How far before its tick the group evaluates. */
  readonly queryOffsetMs: number
  /** Maximum number of alerts per rule; 0: no own limit. */
  readonly limit: number
  readonly rules: readonly AlertRule[]
}

/** A sample of a rule's expression, with the labels and texts of the alert. */
export interface AlertSample {
  readonly labels: Labels
  readonly annotations: Labels
  readonly value: number
}

/** `resolved`: it has fired and ended. */
export type AlertState = 'pending' | 'firing' | 'resolved'

export interface Alert extends AlertSample {
  readonly state: AlertState
  /** The first evaluation with its sample, ms since the epoch, moved forward by time without evaluations. */
  readonly activeAtMs: number
  readonly firedAtMs: number | undefined
  /** The first evaluation without its sample while it keeps firing. */
  readonly absentSinceMs: number | undefined
  /** Whether the state was reported: firing alerts as raised, resolved ones as closed. Pending ones are not reported. */
  readonly isReported: boolean
}

export interface Evaluation {
  readonly rule: Pick<AlertRule, 'forMs' | 'keepFiringForMs'>
  /** With distinct labels. */
  readonly samples: readonly AlertSample[]
  readonly nowMs: number
  /** Time before `nowMs` in which due evaluations were missed, which does not count for `for`. */
  readonly missedMs: number
}

/**
 * The alerts after another evaluation: those with a sample, those that keep firing, and resolved ones until they are
 * reported. Follows Prometheus: see "Alerting rules" in its documentation.
 */
export function advanceAlerts(before: readonly Alert[], evaluation: Evaluation): readonly Alert[] {
  const known = new Map(before.map((alert) => [formatLabels(alert.labels), alert]))
  const after: Alert[] = []
  for (const sample of evaluation.samples) {
    const key = formatLabels(sample.labels)
    after.push(withSample(known.get(key), sample, evaluation))
    known.delete(key)
  }
  for (const alert of known.values()) {
    const left = withoutSample(alert, evaluation)
    if (left !== undefined) after.push(left)
  }
  return after
}

/** The worst state of the alerts, for lists of rules. */
export function stateOfRule(alerts: readonly Alert[]): 'inactive' | 'pending' | 'firing' {
  if (alerts.some(({ state }) => state === 'firing')) return 'firing'
  return alerts.some(({ state }) => state === 'pending') ? 'pending' : 'inactive'
}

function withSample(current: Alert | undefined, sample: AlertSample, evaluation: Evaluation): Alert {
  const { rule, nowMs, missedMs } = evaluation
  if (current?.state === 'firing') return { ...current, ...sample, absentSinceMs: undefined }
  // A resolved alert starts again. If its end was not reported yet, its incident stays open.
  const activeAtMs = current?.state === 'pending' ? Math.min(current.activeAtMs + missedMs, nowMs) : nowMs
  const hasFired = nowMs - activeAtMs >= rule.forMs
  const state = hasFired ? 'firing' : 'pending'
  const firedAtMs = hasFired ? nowMs : undefined
  const alert: Alert = { ...sample, state, activeAtMs, firedAtMs, absentSinceMs: undefined, isReported: false }
  return current?.state === 'resolved' && !hasFired ? { ...alert, firedAtMs: current.firedAtMs } : alert
}

function withoutSample(alert: Alert, { rule, nowMs }: Evaluation): Alert | undefined {
  switch (alert.state) {
    case 'pending':
      // It came back before its end was reported, so the end must still be reported.
      return alert.firedAtMs === undefined ? undefined : { ...alert, state: 'resolved', isReported: false }
    case 'resolved':
      return alert.isReported ? undefined : alert
    case 'firing': {
      const absentSinceMs = alert.absentSinceMs ?? nowMs
      if (nowMs - absentSinceMs < rule.keepFiringForMs) return { ...alert, absentSinceMs }
      return { ...alert, state: 'resolved', absentSinceMs, isReported: false }
    }
  }
}
