/** Counts and logs the events of a home. */

import type { HomeEvents } from '../homes/home.ts'
import type { RotationEvents } from '../homes/rotating-users.ts'
import type { Metrics } from '../telemetry/metrics.ts'

export interface EntryLog {
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

export function homeEvents(metrics: Metrics, log: EntryLog): HomeEvents {
  return {
    ...metrics.storeEvents(log),
    sourceDamaged: (name, why) => {
      metrics.damagedBlocks.inc()
      log.error({ source: name, why }, 'a part of the archive cannot be read; queries continue without it')
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
