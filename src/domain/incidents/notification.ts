/** What people are notified of, and how far that is on its way. */

import type { Incident, Transition } from './incident.ts'

/** One transition: sent once to each target, by an id that stays the same over all attempts. */
export interface Notification {
  readonly id: string
  readonly transition: Transition
  readonly createdMs: number
  /** The incident as it became then. */
  readonly incident: Incident
}

/** A notification on its way. */
export interface OutboxItem {
  readonly notification: Notification
  /** Names of the notifiers that have not taken it yet. */
  readonly targets: readonly string[]
  /** Attempts that failed. */
  readonly attempts: number
  /** Not to be tried before. */
  readonly dueMs: number
  /** Set when it waits for a digest: DIGEST_PENDING, later the id of the digest. */
  readonly digestId: string | undefined
}

/** It goes with the next digest, which is not made yet. */
export const DIGEST_PENDING = 'pending'

/** One message for people: a single notification, or several as a digest. */
export interface Message {
  /** Stays the same over all attempts. */
  readonly id: string
  /** At least one. */
  readonly notifications: readonly Notification[]
}

/** How many there are of each. */
export function countTransitions(notifications: readonly Notification[]): ReadonlyMap<Transition, number> {
  const counts = new Map<Transition, number>()
  for (const { transition } of notifications) counts.set(transition, (counts.get(transition) ?? 0) + 1)
  return counts
}
