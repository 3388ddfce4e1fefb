/** Incidents and outbox items as the JSON that stores keep. */

import type { Incident } from '../../domain/incidents/incident.ts'
import type { OutboxItem } from '../../domain/incidents/notification.ts'
import type { Label } from '../../domain/labels.ts'

/** Label names may be any text: they stand in arrays, never as keys. */
export function encodeIncident(incident: Incident): string {
  return JSON.stringify(packIncident(incident))
}

/** The text that encodeIncident made. What is undefined was left out of it. */
export function decodeIncident(text: string): Incident {
  return unpackIncident(JSON.parse(text))
}

export function encodeOutboxItem(item: OutboxItem): string {
  const { notification } = item
  return JSON.stringify({ ...item, notification: { ...notification, incident: packIncident(notification.incident) } })
}

export function decodeOutboxItem(text: string): OutboxItem {
  const item = JSON.parse(text)
  const { notification } = item
  const incident = unpackIncident(notification.incident)
  return { ...item, digestId: item.digestId, notification: { ...notification, incident } }
}

function packIncident({ labels, ...rest }: Incident): object {
  return { ...rest, labels: labels.map(({ name, value }) => [name, value]) }
}

// biome-ignore lint/suspicious/noExplicitAny: it is what packIncident made
function unpackIncident(packed: any): Incident {
  const { labels, query, closedMs, changedBy, quietAtMs, ...rest } = packed
  const pairs: readonly Label[] = labels.map(([name, value]: [string, string]) => ({ name, value }))
  return { ...rest, labels: pairs, query, closedMs, changedBy, quietAtMs }
}
