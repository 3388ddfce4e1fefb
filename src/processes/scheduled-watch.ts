/** Alert rules and anomalies of the aws home, in the alert processor: they query the archive through their own home. */

import type { Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import type { Clock } from '../ports/log-store.ts'
import type { Incidents } from './incidents.ts'

export interface ScheduledWatch {
  /** Evaluates everything that is due. Never rejects. */
  evaluateDue(): Promise<void>
  close(): Promise<void>
}

/**
 * Returns undefined, without loading their code, if neither rules nor anomalies are configured. Throws config_invalid
 * for invalid rules.
 */
export async function openScheduledWatch(
  config: Config,
  clock: Clock,
  log: Logger,
  incidents: Incidents,
): Promise<ScheduledWatch | undefined> {
  if (config.rules.path === undefined && !config.rules.anomalies) return undefined
  const [{ openHome }, { openWatch }, { logWatch }, { logHome }] = await Promise.all([
    import('../homes/home.ts'),
    import('./watch.ts'),
    import('../telemetry/watch-log.ts'),
    import('./home-events.ts'),
  ])
  const home = await openHome(config, clock, logHome(log))
  const watch = openWatch({
    config,
    ports: home.ports,
    incidents: incidents.desk,
    states: incidents.home.store,
    events: logWatch(log),
  })
  return {
    evaluateDue: () => watch.evaluateDue(clock.nowMs()),
    close: async () => {
      await watch.close()
      await home.close()
    },
  }
}
