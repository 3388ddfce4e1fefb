/** Alert rules and anomalies of the aws home, beside the alert processor: they ask the archive by a home of their own. */

import type { Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import type { Clock } from '../ports/log-store.ts'
import type { Incidents } from './incidents.ts'

export interface ScheduledWatch {
  /** Evaluates what is due. Never rejects. */
  evaluateDue(): Promise<void>
  close(): Promise<void>
}

/**
 * Undefined where neither rules nor anomalies are set; their code is loaded only then. Throws config_invalid for rules
 * that cannot be used.
 */
export async function openScheduledWatch(
  config: Config,
  clock: Clock,
  log: Logger,
  incidents: Incidents,
): Promise<ScheduledWatch | undefined> {
  if (config.rules.path === undefined && !config.rules.anomalies) return undefined
  const [{ openHome }, { openWatch }, { Metrics }, { WatchMetrics }, { homeEvents }] = await Promise.all([
    import('../homes/home.ts'),
    import('./watch.ts'),
    import('../telemetry/metrics.ts'),
    import('../telemetry/watch-metrics.ts'),
    import('./home-events.ts'),
  ])
  const metrics = new Metrics()
  const home = await openHome(config, clock, homeEvents(metrics, log))
  const watch = openWatch({
    config,
    ports: home.ports,
    incidents: incidents.desk,
    states: incidents.home.store,
    events: new WatchMetrics(metrics.registry, log),
  })
  return {
    evaluateDue: () => watch.evaluateDue(clock.nowMs()),
    close: async () => {
      await watch.close()
      await home.close()
    },
  }
}
