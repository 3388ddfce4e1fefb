/** Evaluates a rule's expression at one time, and builds the labels and texts of an alert from each sample. */

import { GatewayError } from '../../domain/errors.ts'
import { formatLabels, type Labels, sortLabels } from '../../domain/labels.ts'
import type { QueryLimits } from '../../domain/limits.ts'
import type { MetricResult } from '../../domain/query-result.ts'
import type { AlertRule, AlertSample, RuleGroup } from '../../domain/rules/alert-rule.ts'
import { msToNs } from '../../domain/time.ts'
import { compileRuleExpr } from '../../logql/rule-expression.ts'
import { compileRuleTemplate, type RuleTemplateInput } from '../../logql/rule-template.ts'
import type { Clock, LogStore } from '../../ports/log-store.ts'
import type { QueryTurn } from '../query/query-turns.ts'
import { runMetricQuery } from '../query/run-metric-query.ts'

export interface SampleParts {
  readonly store: LogStore
  readonly clock: Clock
  readonly limits: QueryLimits
}

export interface RuleQuestion {
  readonly group: RuleGroup
  readonly rule: AlertRule
  /** The time of the evaluation, ms since the epoch. */
  readonly tickMs: number
  /** Maximum number of samples. */
  readonly samplesMax: number
}

/** Maximum length of a text from a template. */
const TEXT_CHARS_MAX = 2048

/**
 * Returns samples with distinct labels. Throws like runMetricQuery, and query_refused for too many samples or for two
 * samples that are equal after adding the rule's labels.
 */
export async function sampleRule(
  { store, clock, limits }: SampleParts,
  { group, rule, tickMs, samplesMax }: RuleQuestion,
  turn: QueryTurn,
): Promise<readonly AlertSample[]> {
  const expr = compileRuleExpr(rule.expr, group.intervalMs, limits)
  const time = { kind: 'instant', time: msToNs(tickMs - group.queryOffsetMs) } as const
  const { result } = await runMetricQuery(store, clock, limits, { tenant: group.tenant, expr, time }, turn)
  const points = pointsOf(result)
  if (points.length > samplesMax) {
    const text = `exceeded limit of ${samplesMax} with ${points.length} alerts; aggregate more, or raise MILLRACE_RULE_ALERTS_MAX or the group's limit`
    throw new GatewayError('query_refused', text)
  }
  const render = rendererOf(rule)
  const samples = points.map(({ labels, value }) => render({ labels, value, ns: msToNs(tickMs) }))
  if (new Set(samples.map(({ labels }) => formatLabels(labels))).size < samples.length) {
    const text = 'vector contains metrics with the same labelset after applying alert labels'
    throw new GatewayError('query_refused', text)
  }
  return samples
}

/** A scalar is one sample without labels. */
function pointsOf(result: MetricResult): readonly { readonly labels: Labels; readonly value: number }[] {
  switch (result.kind) {
    case 'scalar':
      return [{ labels: [], value: result.value }]
    case 'vector':
      return result.samples
    case 'matrix':
      return []
  }
}

function rendererOf({ name: alertName, labels, annotations }: AlertRule): (input: RuleTemplateInput) => AlertSample {
  const compile = (texts: Labels) => texts.map((text) => ({ name: text.name, run: compileRuleTemplate(text.value) }))
  const own = compile(labels)
  const annotate = compile(annotations)
  return (input) => {
    const fill = (texts: typeof own) => texts.map(({ name, run }) => ({ name, value: fillIn(run, input) }))
    // The rule's labels override the sample's, and the alert name overrides both.
    const values = new Map(input.labels.map(({ name, value }) => [name, value]))
    values.delete('__name__')
    for (const { name, value } of [...fill(own), { name: 'alertname', value: alertName }]) values.set(name, value)
    const all = [...values].map(([name, value]) => ({ name, value }))
    return { labels: sortLabels(all), annotations: sortLabels(fill(annotate)), value: input.value }
  }
}

/** As in Prometheus, a failing template shows its error in the text: the alert matters more than its text. */
function fillIn(run: (input: RuleTemplateInput) => string, input: RuleTemplateInput): string {
  try {
    const text = run(input)
    return text.length <= TEXT_CHARS_MAX ? text : `${text.slice(0, TEXT_CHARS_MAX)}…`.toWellFormed()
  } catch (cause) {
    if (!(cause instanceof GatewayError)) throw cause
    return `<error expanding template: ${cause.message}>`
  }
}
