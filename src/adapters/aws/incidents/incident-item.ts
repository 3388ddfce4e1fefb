/** The item of one incident in DynamoDB: what it holds, and how much of it fits. */

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
 * The item: `pk` incident#<tenant>#<id>, `sk` incident, `version`, `body` and `outbox` (JSON of incident-record.ts), what
 * the indexes want, and `expiresAt` (seconds) of a closed one.
 */
export interface Stored {
  readonly version: number
  readonly incident: Incident
  readonly outbox: readonly OutboxItem[]
}

/** Notifications of one incident that wait, in bytes of JSON; of more, the oldest are old news. */
const OUTBOX_BYTES_MAX = 128 * 1024

export function keyOf({ tenant, id }: IncidentRef): { pk: string; sk: string } {
  return { pk: `incident#${tenant}#${id}`, sk: 'incident' }
}

/** `closedKeptMs`: how long a closed incident stays. */
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

/** Undefined for what is not there, or whose time is over: an item may stay for days beyond. */
export function decodeItem(item: Record<string, unknown> | undefined, nowMs: number): Stored | undefined {
  if (item === undefined) return undefined
  // The types of what encodeItem made, of which a projection may leave some out.
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

/** The newest items that fit, one at least; in the order they came. */
export function fitOutbox(outbox: readonly OutboxItem[]): readonly OutboxItem[] {
  const bytesOf = (item: OutboxItem): number => Buffer.byteLength(encodeOutboxItem(item))
  return fit(outbox.toReversed(), OUTBOX_BYTES_MAX, bytesOf).toReversed()
}

/** The first that fit together, one at least. */
function fit<T>(all: readonly T[], bytesMax: number, bytesOf: (one: T) => number): readonly T[] {
  let bytes = 0
  return all.filter((one, i) => {
    bytes += bytesOf(one)
    return i === 0 || bytes <= bytesMax
  })
}
