/** The file of tenants' limits, where the settings name one. */

import { type LimitsEvents, LimitsFile } from '../adapters/files/limits-file.ts'
import type { Config } from '../config/read-config.ts'
import { parseTenantLimits } from '../config/tenant-limits.ts'

/** Undefined where there is no such setting. Throws config_invalid for a file that cannot be used. */
export function openTenantLimits(config: Config, events: LimitsEvents): LimitsFile | undefined {
  const { tenants, push, query, store } = config
  const path = tenants.limitsFile
  if (path === undefined) return undefined
  const base = { push: push.limits, query }
  return new LimitsFile({ path, base, events, parse: (text) => parseTenantLimits(text, base, store.retentionAgeMs) })
}
