/** An alert rule, and how its alerts come, wait, fire and end. Pure: the time of the evaluation comes in. */

import { formatLabels, type Labels } from '../labels.ts'

/** One rule of a group. Labels and annotations may hold templates; durations are in ms. */
export interface AlertRule {
  readonly name: string
  readonly expr: string
  /** How long the expression must give a sample before its alert fires. */
  readonly forMs: number
  /** How long an alert goes on firing after its sample is gone. */
  readonly keepFiringForMs: number
  readonly labels: Labels
  readonly annotations: Labels
}

/** Rules that are evaluated together, at one time. */
export interface RuleGroup {
  readonly tenant: string
  /** The name of the file. */
  readonly namespace: string
  readonly name: string
  readonly intervalMs: number
  /** How far back from its tick the group looks. */
  readonly queryOffsetMs: number
  /** Alerts that one rule may have; 0: no limit of its own. */
  readonly limit: number
  readonly rules: readonly AlertRule[]
}

/** A sample of a rule's expression, with the alert's own labels and texts. */
export interface AlertSample {
  readonly labels: Labels
  readonly annotations: Labels
  readonly value: number
}

/** `resolved`: it fired and is over. */
export type AlertState = 'pending' | 'firing' | 'resolved'

export interface Alert extends AlertSample {
  readonly state: AlertState
  /** The first evaluation that gave its sample, ms since the epoch; later by what was not evaluated in between. */
  readonly activeAtMs: number
  readonly firedAtMs: number | undefined
  /** The first evaluation that no longer gave its sample while it fires on. */
  readonly absentSinceMs: number | undefined
  /** Whether its state was told: firing alerts to be raised, resolved ones to be closed. Pending ones need not be. */
  readonly isTold: boolean
}

export interface Evaluation {
  readonly rule: Pick<AlertRule, 'forMs' | 'keepFiringForMs'>
  /** No two of the same labels. */
  readonly samples: readonly AlertSample[]
  readonly nowMs: number
  /** Time before `nowMs` in which nobody evaluated though somebody should have: it does not count for `for`. */
  readonly missedMs: number
}

/**
 * The alerts after one more evaluation: those with a sample, those that fire on, and resolved ones until they are told.
 * The rules are those of Prometheus: see "Alerting rules" in its documentation.
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

/** The worst state among alerts, as lists of rules show it. */
export function stateOfRule(alerts: readonly Alert[]): 'inactive' | 'pending' | 'firing' {
  if (alerts.some(({ state }) => state === 'firing')) return 'firing'
  return alerts.some(({ state }) => state === 'pending') ? 'pending' : 'inactive'
}

function withSample(found: Alert | undefined, sample: AlertSample, evaluation: Evaluation): Alert {
  const { rule, nowMs, missedMs } = evaluation
  if (found?.state === 'firing') return { ...found, ...sample, absentSinceMs: undefined }
  // One that is over begins anew, also before its end was told: the incident stays open then.
  const activeAtMs = found?.state === 'pending' ? Math.min(found.activeAtMs + missedMs, nowMs) : nowMs
  const hasFired = nowMs - activeAtMs >= rule.forMs
  const state = hasFired ? 'firing' : 'pending'
  const firedAtMs = hasFired ? nowMs : undefined
  const alert: Alert = { ...sample, state, activeAtMs, firedAtMs, absentSinceMs: undefined, isTold: false }
  return found?.state === 'resolved' && !hasFired ? { ...alert, firedAtMs: found.firedAtMs } : alert
}

function withoutSample(alert: Alert, { rule, nowMs }: Evaluation): Alert | undefined {
  switch (alert.state) {
    case 'pending':
      // It came back before its end was told: the end is still to be told.
      return alert.firedAtMs === undefined ? undefined : { ...alert, state: 'resolved', isTold: false }
    case 'resolved':
      return alert.isTold ? undefined : alert
    case 'firing': {
      const absentSinceMs = alert.absentSinceMs ?? nowMs
      if (nowMs - absentSinceMs < rule.keepFiringForMs) return { ...alert, absentSinceMs }
      return { ...alert, state: 'resolved', absentSinceMs, isTold: false }
    }
  }
}
