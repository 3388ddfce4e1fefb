/** The alert rules that the settings name, as they are in files; the same in both homes. */

import { RulesFile, type RulesFileParts } from '../adapters/files/rules-file.ts'
import type { Config } from '../config/read-config.ts'

/** What rules may say in their texts is another's to know: flows/check-rules.ts. */
export type RulesParts = Pick<RulesFileParts, 'checksOf' | 'events'>

/** Undefined where no rules are set. Throws config_invalid, with all faults, for files that cannot be used. */
export function openRules(
  { rules, auth }: Pick<Config, 'rules' | 'auth'>,
  { checksOf, events }: RulesParts,
): RulesFile | undefined {
  const { path, intervalMs } = rules
  if (path === undefined) return undefined
  return new RulesFile({ path, intervalMs, defaultTenant: auth.defaultTenant, checksOf, events })
}
