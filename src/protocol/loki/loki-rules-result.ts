/**
 * Rules and alerts in the formats of Loki's ruler: YAML of the configuration, and Prometheus' JSON of the current
 * state. See "Ruler" in Loki's HTTP API, and "Rules" and "Alerts" in that of Prometheus.
 */

import { stringify } from 'yaml'
import { formatDuration } from '../../domain/duration.ts'
import type { Labels } from '../../domain/labels.ts'
import { type Alert, type AlertRule, type RuleGroup, stateOfRule } from '../../domain/rules/alert-rule.ts'
import type { GroupState, RuleState } from '../../domain/rules/rule-state.ts'
import { formatRfc3339, msToNs } from '../../domain/time.ts'
import { formatLabelObject } from './loki-result.ts'

export interface ShownGroup {
  readonly group: RuleGroup
  readonly state: GroupState
}

/** The requested rules; empty lists: all. */
export interface RuleFilter {
  /** Names of files, groups and rules. */
  readonly files: readonly string[]
  readonly groups: readonly string[]
  readonly rules: readonly string[]
  /** `inactive`, `pending` or `firing`. */
  readonly states: readonly string[]
  /** `alert`, `record`, or empty for both. */
  readonly type: string
  /** Omits the alerts of each rule. */
  readonly excludeAlerts: boolean
}

/** All namespaces: `{namespace: [group]}`. */
export function formatNamespaces(groups: readonly RuleGroup[]): string {
  const namespaces = new Map<string, Map<string, unknown>[]>()
  for (const group of groups) {
    const known = namespaces.get(group.namespace) ?? []
    known.push(yamlOfGroup(group))
    namespaces.set(group.namespace, known)
  }
  return stringify(namespaces, { lineWidth: 0 })
}

/** One group. */
export function formatGroup(group: RuleGroup): string {
  return stringify(yamlOfGroup(group), { lineWidth: 0 })
}

/** `{"status":"success","data":{"groups":[…]}}`: groups with at least one matching rule. */
export function formatRules(groups: readonly ShownGroup[], filter: RuleFilter): string {
  const shown = groups
    .filter(({ group }) => fits(filter.files, group.namespace) && fits(filter.groups, group.name))
    .flatMap(({ group, state }) => {
      const rules = group.rules.flatMap((rule, index) => {
        const known = state.rules[index]
        return known !== undefined && isWanted(rule, known, filter) ? [jsonOfRule(rule, known, filter)] : []
      })
      return rules.length === 0 ? [] : [jsonOfGroup(group, state, rules)]
    })
  return envelope(`{"groups":[${shown.join(',')}]}`)
}

/** `{"status":"success","data":{"alerts":[…]}}`: pending and firing ones. */
export function formatAlerts(groups: readonly ShownGroup[]): string {
  const alerts = groups.flatMap(({ state }) => state.rules.flatMap((rule) => shownAlerts(rule).map(jsonOfAlert)))
  return envelope(`{"alerts":[${alerts.join(',')}]}`)
}

function envelope(data: string): string {
  return `{"status":"success","data":${data},"errorType":"","error":""}\n`
}

function fits(wanted: readonly string[], name: string): boolean {
  return wanted.length === 0 || wanted.includes(name)
}

function isWanted(rule: AlertRule, state: RuleState, filter: RuleFilter): boolean {
  if (filter.type === 'record') return false
  return fits(filter.rules, rule.name) && fits(filter.states, stateOfRule(state.alerts))
}

function jsonOfGroup(group: RuleGroup, state: GroupState, rules: readonly string[]): string {
  const { name, namespace, intervalMs, limit } = group
  return (
    `{"name":${JSON.stringify(name)},"file":${JSON.stringify(namespace)},"rules":[${rules.join(',')}],` +
    `"interval":${intervalMs / 1000},"limit":${limit},` +
    `"lastEvaluation":"${timeText(state.tickMs)}","evaluationTime":${state.seconds}}`
  )
}

function jsonOfRule(rule: AlertRule, state: RuleState, { excludeAlerts }: RuleFilter): string {
  const alerts = excludeAlerts ? [] : shownAlerts(state).map(jsonOfAlert)
  return (
    `{"state":"${stateOfRule(state.alerts)}","name":${JSON.stringify(rule.name)},"query":${JSON.stringify(rule.expr)},` +
    `"duration":${rule.forMs / 1000},"keepFiringFor":${rule.keepFiringForMs / 1000},` +
    `"labels":${formatLabelObject(rule.labels)},"annotations":${formatLabelObject(rule.annotations)},` +
    `"alerts":[${alerts.join(',')}],"health":"${state.health}","lastError":${JSON.stringify(state.lastError)},` +
    `"type":"alerting","lastEvaluation":"${timeText(state.evaluatedMs)}","evaluationTime":${state.seconds}}`
  )
}

function shownAlerts({ alerts }: RuleState): readonly Alert[] {
  return alerts.filter(({ state }) => state !== 'resolved')
}

function jsonOfAlert({ labels, annotations, state, activeAtMs, absentSinceMs, value }: Alert): string {
  const since = absentSinceMs === undefined ? '' : `"keepFiringSince":"${timeText(absentSinceMs)}",`
  return (
    `{"labels":${formatLabelObject(labels)},"annotations":${formatLabelObject(annotations)},"state":"${state}",` +
    `"activeAt":"${timeText(activeAtMs)}",${since}"value":"${scientific(value)}"}`
  )
}

/** Go's zero time if it was never evaluated. */
function timeText(ms: number | undefined): string {
  return ms === undefined ? '0001-01-01T00:00:00Z' : formatRfc3339(msToNs(ms))
}

/** Go's float format with the verb `e`: at least two digits of exponent. */
function scientific(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
}

/** Maps instead of objects, because names come from users. */
function yamlOfGroup({ name, intervalMs, queryOffsetMs, limit, rules }: RuleGroup): Map<string, unknown> {
  const group = new Map<string, unknown>([
    ['name', name],
    ['interval', formatDuration(intervalMs)],
  ])
  if (queryOffsetMs > 0) group.set('query_offset', formatDuration(queryOffsetMs))
  if (limit > 0) group.set('limit', limit)
  return group.set('rules', rules.map(yamlOfRule))
}

function yamlOfRule({ name, expr, forMs, keepFiringForMs, labels, annotations }: AlertRule): Map<string, unknown> {
  const rule = new Map<string, unknown>([
    ['alert', name],
    ['expr', expr],
  ])
  if (forMs > 0) rule.set('for', formatDuration(forMs))
  if (keepFiringForMs > 0) rule.set('keep_firing_for', formatDuration(keepFiringForMs))
  if (labels.length > 0) rule.set('labels', mapOf(labels))
  return annotations.length > 0 ? rule.set('annotations', mapOf(annotations)) : rule
}

function mapOf(labels: Labels): Map<string, string> {
  return new Map(labels.map(({ name, value }) => [name, value]))
}
