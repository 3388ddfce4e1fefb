/** Incidents and outbox items as JSON for stores. */

import type { Incident, LineCount } from '../../domain/incidents/incident.ts'
import type { OutboxItem } from '../../domain/incidents/notification.ts'
import type { Labels } from '../../domain/labels.ts'

/** Label names are untrusted text, so they are array elements, never keys. */
export function encodeIncident(incident: Incident): string {
  return JSON.stringify(packIncident(incident))
}

/** Decodes the text of encodeIncident, which omits undefined fields. */
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

/** Encodes the counts of a record. */
export function encodeCounts(counts: readonly LineCount[]): string {
  return JSON.stringify(counts.map(({ labels, ...rest }) => ({ ...rest, labels: packLabels(labels) })))
}

/** Decodes the text of encodeCounts. */
export function decodeCounts(text: string): readonly LineCount[] {
  // biome-ignore lint/suspicious/noExplicitAny: the text is from encodeCounts
  return JSON.parse(text).map(({ labels, ...rest }: any) => ({ ...rest, labels: unpackLabels(labels) }))
}

function packIncident({ labels, ...rest }: Incident): object {
  return { ...rest, labels: packLabels(labels) }
}

function packLabels(labels: Labels): readonly (readonly [name: string, value: string])[] {
  return labels.map(({ name, value }) => [name, value])
}

function unpackLabels(pairs: readonly [string, string][]): Labels {
  return pairs.map(([name, value]) => ({ name, value }))
}

// biome-ignore lint/suspicious/noExplicitAny: the text is from packIncident
function unpackIncident(packed: any): Incident {
  // Earlier versions had no recent events and no history.
  const { labels, query, logGroup, closedMs, changedBy, quietAtMs, recentEvents = [], ...rest } = packed
  const history = rest.history ?? [{ ms: rest.openedMs, what: 'opened' }]
  return {
    ...rest,
    labels: unpackLabels(labels),
    query,
    logGroup,
    closedMs,
    changedBy,
    quietAtMs,
    recentEvents,
    history,
  }
}
