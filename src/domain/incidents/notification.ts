/** Notifications, and the state of their delivery. */

import type { Incident, Transition } from './incident.ts'

/** A transition, sent once to each target; the id is the same for all attempts. */
export interface Notification {
  readonly id: string
  readonly transition: Transition
  readonly createdMs: number
  /** The incident after the transition. */
  readonly incident: Incident
}

/** A notification to be sent. */
export interface OutboxItem {
  readonly notification: Notification
  /** Names of the notifiers that have not accepted it yet. */
  readonly targets: readonly string[]
  /** Number of failed attempts. */
  readonly attempts: number
  /** The time of the next attempt, ms since the epoch. */
  readonly dueMs: number
  /** Set if it waits for a digest: DIGEST_PENDING, later the id of the digest. */
  readonly digestId: string | undefined
}

/** It belongs to the next digest, which has no id yet. */
export const DIGEST_PENDING = 'pending'

const MINUTE_MS = 60_000

export function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS)
}

/** The start of the minute after `nowMs`, when the next digest is due. */
export function nextDigestMs(nowMs: number): number {
  return (minuteOf(nowMs) + 1) * MINUTE_MS
}

/** One message for people: a single notification, or several as a digest. */
export interface Message {
  /** The same for all attempts. */
  readonly id: string
  /** At least one. */
  readonly notifications: readonly Notification[]
}

/** The number of notifications by transition. */
export function countTransitions(notifications: readonly Notification[]): ReadonlyMap<Transition, number> {
  const counts = new Map<Transition, number>()
  for (const { transition } of notifications) counts.set(transition, (counts.get(transition) ?? 0) + 1)
  return counts
}
