/** Reads from the settings which lines raise incidents. */

import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { LEVELS } from '../domain/levels/level.ts'
import type { LineRules } from '../flows/incidents/open-counter.ts'
import type { Clock } from '../ports/log-store.ts'

/** Loads the filter's compiler only if there is a filter. Throws config_invalid for an invalid filter. */
export async function readLineRules({ incidents }: Config, clock: Clock): Promise<LineRules> {
  const { levelMin, filter, identityLabels, closesAfterMs } = incidents.lines
  return {
    levelMin: LEVELS.indexOf(levelMin),
    identityLabels,
    closesAfterMs,
    accepts: filter === undefined ? undefined : await compileFilter(filter, clock),
    keepsRows: incidents.audit,
  }
}

async function compileFilter(filter: string, clock: Clock): Promise<NonNullable<LineRules['accepts']>> {
  const { compileLineFilter } = await import('../flows/incidents/line-filter.ts')
  try {
    return compileLineFilter(filter, clock.nowMs())
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new GatewayError('config_invalid', `MILLRACE_INCIDENT_FILTER: ${why}; expected a LogQL log query`, { cause })
  }
}
