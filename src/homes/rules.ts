/** The configured alert rule files; the same in both homes. */

import { RulesFile, type RulesFileParts } from '../adapters/files/rules-file.ts'
import type { Config } from '../config/read-config.ts'
import { repeat } from './machine.ts'

/** The contents of rules are checked by flows/rules/check-rules.ts. */
export type RulesParts = Pick<RulesFileParts, 'checksOf' | 'events' | 'faultyStart'>

/**
 * Returns undefined if no rules are configured. Throws config_invalid with all faults of invalid files if `faultyStart`
 * is 'throw'.
 */
export function openRules(
  { rules, auth }: Pick<Config, 'rules' | 'auth'>,
  { checksOf, events, faultyStart }: RulesParts,
): RulesFile | undefined {
  const { path, intervalMs } = rules
  if (path === undefined) return undefined
  return new RulesFile({ repeat, path, intervalMs, defaultTenant: auth.defaultTenant, checksOf, events, faultyStart })
}
