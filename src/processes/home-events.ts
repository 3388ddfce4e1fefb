/** Logs the events of a home and counts them if the process serves metrics. */

import type { HomeEvents } from '../homes/home.ts'
import type { RotationEvents } from '../homes/rotating-users.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { logStore } from '../telemetry/store-log.ts'

export interface EntryLog {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

/** For a process that serves no metrics: it does not load Prometheus's client. */
export function logHome(log: EntryLog): HomeEvents {
  return {
    ...logStore(log),
    sourceDamaged: (name, why) =>
      log.error({ source: name, why }, 'a part of the archive cannot be read; queries continue without it'),
  }
}

export function homeEvents(metrics: Metrics, log: EntryLog): HomeEvents {
  const logged = logHome(log)
  return {
    ...logged,
    ...metrics.storeEvents(log),
    sourceDamaged: (name, why) => {
      metrics.damagedBlocks.inc()
      logged.sourceDamaged(name, why)
    },
  }
}

/** Logs and counts lookups of users from a parameter. */
export function rotationEvents(metrics: Metrics, log: EntryLog): RotationEvents {
  return {
    usersChanged: (users) => log.info({ users }, 'users changed'),
    usersNotRefreshed: (err) => {
      metrics.userRefreshFailures.inc()
      log.warn({ err }, 'user lookup failed; keeping the previous users')
    },
  }
}
