/** Opens alert rule files, validated with the limits of their tenant, for the evaluating process and for views. */

import type { Config } from '../config/read-config.ts'
import type { QueryLimits } from '../domain/limits.ts'
import { checkRuleExpr, checkRuleTemplate } from '../flows/rules/check-rules.ts'
import { openRules } from '../homes/rules.ts'
import type { Ports } from '../ports/log-store.ts'
import type { RuleSource, StateStore } from '../ports/rules.ts'
import type { WatchReports } from '../telemetry/watch-log.ts'

type RuleEvents = Pick<WatchReports, 'rulesChanged' | 'rulesRefused'>

export interface RuleFiles extends RuleSource {
  close(): void
}

export interface RulesView {
  readonly source: RuleFiles
  readonly states: StateStore
}

/** The limits of a tenant's queries: its own, or those of the settings. */
export function queryLimitsOf(config: Config, ports: Pick<Ports, 'limits'>): (tenant: string) => QueryLimits {
  return (tenant) => ports.limits?.of(tenant).query ?? config.query
}

/**
 * For the process that evaluates them. Undefined if no rules are configured. Throws config_invalid, with all faults, for
 * invalid files.
 */
export function openRuleFiles(config: Config, ports: Pick<Ports, 'limits'>, events: RuleEvents): RuleFiles | undefined {
  return openRules(config, { checksOf: checksOf(config, ports), events, faultyStart: 'throw' })
}

/**
 * For a process that only shows them. Invalid files are reported to `events`, and the list is an error until they are
 * fixed; nothing else fails, in particular no pushes.
 */
export function viewRuleFiles(
  config: Config,
  ports: Pick<Ports, 'limits'>,
  states: StateStore,
  events: RuleEvents,
): RulesView | undefined {
  const source = openRules(config, { checksOf: checksOf(config, ports), events, faultyStart: 'report' })
  return source && { source, states }
}

function checksOf(config: Config, ports: Pick<Ports, 'limits'>) {
  const limitsOf = queryLimitsOf(config, ports)
  return (tenant: string) => ({
    expr: (text: string, intervalMs: number) => checkRuleExpr(text, intervalMs, limitsOf(tenant)),
    template: checkRuleTemplate,
  })
}
