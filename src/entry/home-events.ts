/** What a home reports, counted and logged. */

import type { HomeEvents } from '../compose/home.ts'
import type { Metrics, StoreLog } from '../transport/http/metrics.ts'

export function homeEvents(metrics: Metrics, log: StoreLog): HomeEvents {
  return {
    ...metrics.storeEvents(log),
    sourceDamaged: (name, why) => {
      metrics.damagedBlocks.inc()
      log.error({ source: name, why }, 'a part of the archive cannot be read; queries go on without it')
    },
  }
}
