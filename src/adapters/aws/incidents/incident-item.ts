/** The item of an incident in DynamoDB: its contents and their size limits. */

import type { Incident, IncidentRef } from '../../../domain/incidents/incident.ts'
import type { OutboxItem } from '../../../domain/incidents/notification.ts'
import {
  decodeIncident,
  decodeOutboxItem,
  encodeIncident,
  encodeOutboxItem,
} from '../../../protocol/incidents/incident-record.ts'
import { indexAttributes } from './incident-index.ts'

/**
 * The item: `pk` incident#<tenant>#<id>, `sk` incident, `version`, `body` and `outbox` (JSON of incident-record.ts),
 * the attributes of the indexes, and `expiresAt` (seconds) if closed.
 */
export interface Stored {
  readonly version: number
  readonly incident: Incident
  readonly outbox: readonly OutboxItem[]
}

/** Maximum JSON bytes of an incident's waiting notifications; beyond that the oldest are dropped. */
const OUTBOX_BYTES_MAX = 128 * 1024

export function keyOf({ tenant, id }: IncidentRef): { pk: string; sk: string } {
  return { pk: `incident#${tenant}#${id}`, sk: 'incident' }
}

/** `closedKeptMs`: how long a closed incident is kept. */
export function encodeItem({ version, incident, outbox }: Stored, closedKeptMs: number): object {
  const { closedMs } = incident
  return {
    ...keyOf(incident),
    version,
    body: encodeIncident(incident),
    outbox: outbox.map(encodeOutboxItem),
    ...indexAttributes(incident, outbox),
    ...(closedMs !== undefined && { expiresAt: Math.ceil((closedMs + closedKeptMs) / 1000) }),
  }
}

/** Undefined if the item is missing or expired: DynamoDB may keep it for days. */
export function decodeItem(item: Record<string, unknown> | undefined, nowMs: number): Stored | undefined {
  if (item === undefined) return undefined
  // The types of encodeItem's attributes, some of which a projection may omit.
  const {
    version,
    body,
    outbox = [],
    expiresAt,
  } = item as {
    version: number
    body: string
    outbox?: string[]
    expiresAt?: number
  }
  if (expiresAt !== undefined && expiresAt * 1000 <= nowMs) return undefined
  return { version, incident: decodeIncident(body), outbox: outbox.map(decodeOutboxItem) }
}

/** The newest items that fit, at least one; in order of arrival. */
export function fitOutbox(outbox: readonly OutboxItem[]): readonly OutboxItem[] {
  const bytesOf = (item: OutboxItem): number => Buffer.byteLength(encodeOutboxItem(item))
  return fit(outbox.toReversed(), OUTBOX_BYTES_MAX, bytesOf).toReversed()
}

/** The first ones that fit together, at least one. */
function fit<T>(all: readonly T[], bytesMax: number, bytesOf: (one: T) => number): readonly T[] {
  let bytes = 0
  return all.filter((one, i) => {
    bytes += bytesOf(one)
    return i === 0 || bytes <= bytesMax
  })
}
