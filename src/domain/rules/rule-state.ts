/** The state of a rule group between evaluations, and its persistent text. */

import type { Labels } from '../labels.ts'
import type { Alert, AlertState, RuleGroup } from './alert-rule.ts'

/** `unknown`: not evaluated yet. */
export type RuleHealth = 'unknown' | 'ok' | 'err'

export interface RuleState {
  readonly name: string
  readonly expr: string
  readonly health: RuleHealth
  readonly lastError: string
  /** ms since the epoch; undefined before the first evaluation. */
  readonly evaluatedMs: number | undefined
  readonly seconds: number
  readonly alerts: readonly Alert[]
}

/** The states of the rules of a group, in the order of the group. */
export interface GroupState {
  /** The last evaluated tick, ms since the epoch. */
  readonly tickMs: number | undefined
  readonly seconds: number
  readonly rules: readonly RuleState[]
}

const VERSION = 1
const ALERT_STATES: readonly AlertState[] = ['pending', 'firing', 'resolved']

/** The name under which the state of a group is stored. */
export function stateNameOf({ tenant, namespace, name }: Pick<RuleGroup, 'tenant' | 'namespace' | 'name'>): string {
  return `rules/${tenant}/${encodeURIComponent(namespace)}/${encodeURIComponent(name.toWellFormed())}`
}

/** JSON in one line. */
export function formatGroupState(state: GroupState): string {
  return JSON.stringify({ version: VERSION, ...state })
}

/**
 * Parses the result of formatGroupState. Invalid text is ignored: rules must keep working after a change of versions, and
 * alerts that still apply fire again.
 */
export function parseGroupState(text: string | undefined): GroupState | undefined {
  const value = parseJson(text)
  if (!isObject(value) || value.version !== VERSION || !Array.isArray(value.rules)) return undefined
  return { tickMs: numberOf(value.tickMs), seconds: numberOf(value.seconds) ?? 0, rules: value.rules.flatMap(readRule) }
}

/**
 * Fits the state to the current rules: a rule with the same name and expression keeps its alerts, at any position. `left`
 * are the alerts of removed rules.
 */
export function fitState(
  state: GroupState | undefined,
  group: Pick<RuleGroup, 'rules'>,
): { readonly state: GroupState; readonly left: readonly Alert[] } {
  const known = [...(state?.rules ?? [])]
  const rules = group.rules.map(({ name, expr }): RuleState => {
    const at = known.findIndex((rule) => rule.name === name && rule.expr === expr)
    const [found] = at < 0 ? [] : known.splice(at, 1)
    return found ?? { name, expr, health: 'unknown', lastError: '', evaluatedMs: undefined, seconds: 0, alerts: [] }
  })
  const left = known.flatMap(({ alerts }) => alerts)
  return { state: { tickMs: state?.tickMs, seconds: state?.seconds ?? 0, rules }, left }
}

function readRule(value: unknown): RuleState[] {
  if (!isObject(value) || typeof value.name !== 'string' || typeof value.expr !== 'string') return []
  const { name, expr, health, lastError, evaluatedMs, seconds, alerts } = value
  return [
    {
      name,
      expr,
      health: health === 'ok' || health === 'err' ? health : 'unknown',
      lastError: typeof lastError === 'string' ? lastError : '',
      evaluatedMs: numberOf(evaluatedMs),
      seconds: numberOf(seconds) ?? 0,
      alerts: Array.isArray(alerts) ? alerts.flatMap(readAlert) : [],
    },
  ]
}

function readAlert(value: unknown): Alert[] {
  if (!isObject(value)) return []
  const state = ALERT_STATES.find((each) => each === value.state)
  const labels = readLabels(value.labels)
  const annotations = readLabels(value.annotations)
  const activeAtMs = numberOf(value.activeAtMs)
  if (state === undefined || labels === undefined || annotations === undefined || activeAtMs === undefined) return []
  const firedAtMs = numberOf(value.firedAtMs)
  const absentSinceMs = numberOf(value.absentSinceMs)
  // JSON has no NaN and no infinity.
  const number = numberOf(value.value) ?? Number.NaN
  // isTold: the name in states of earlier versions.
  const isReported = value.isReported === true || value.isTold === true
  return [{ labels, annotations, value: number, state, activeAtMs, firedAtMs, absentSinceMs, isReported }]
}

function readLabels(value: unknown): Labels | undefined {
  if (!Array.isArray(value)) return undefined
  const labels = value.flatMap((label: unknown) =>
    isObject(label) && typeof label.name === 'string' && typeof label.value === 'string'
      ? [{ name: label.name, value: label.value }]
      : [],
  )
  return labels.length === value.length ? labels : undefined
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined // as text of another version: see parseGroupState
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
