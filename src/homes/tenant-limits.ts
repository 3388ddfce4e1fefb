/** The configured file of tenant limits. */

import { type LimitsEvents, LimitsFile } from '../adapters/files/limits-file.ts'
import type { Config } from '../config/read-config.ts'
import { parseTenantLimits } from '../config/tenant-limits.ts'
import { repeat } from './machine.ts'

/** Returns undefined if none is configured. Throws config_invalid for an invalid file. */
export function openTenantLimits(config: Config, events: LimitsEvents): LimitsFile | undefined {
  const { tenants, push, query, store } = config
  const path = tenants.limitsFile
  if (path === undefined) return undefined
  const base = { push: push.limits, query }
  return new LimitsFile({
    repeat,
    path,
    base,
    events,
    parse: (text) => parseTenantLimits(text, base, store.retentionAgeMs),
  })
}
