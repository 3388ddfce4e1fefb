/** Incidents of pushes in the aws home: the gateway records counts of error lines, the alert processor applies them. */

import type { Config } from '../config/read-config.ts'
import { countAppends, PushCounter } from '../flows/incidents/count-pushes.ts'
import type { AwsHome } from '../homes/aws-home.ts'
import { openCountHome } from '../homes/count-home.ts'
import type { Clock, Ports } from '../ports/log-store.ts'
import { readLineRules } from './line-rules.ts'

export interface PushCountLog {
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

/** Returns the ports to use; unchanged if incidents are off. Throws config_invalid. */
export async function countPushes(config: Config, clock: Clock, home: AwsHome, log: PushCountLog): Promise<Ports> {
  if (!config.incidents.enabled) return home.ports
  const rules = await readLineRules(config, clock)
  const { record, hash } = await openCountHome(config, clock, home.items)
  const onFailure = (err: unknown, isDropped: boolean): void => {
    if (isDropped) log.error({ err }, 'counts of error lines were dropped: too many wait to be recorded')
    else log.warn({ err }, 'counts of error lines could not be recorded; the next push retries')
  }
  const counter = new PushCounter({ rules, hash, clock, record, onFailure })
  return { ...home.ports, store: countAppends(home.ports.store, counter) }
}
