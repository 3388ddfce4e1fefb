/** Incidents as JSON, for GET /incidents and webhooks. */

import type { Incident } from '../../domain/incidents/incident.ts'
import { type LinkSettings, linksOf } from './incident-links.ts'

/** One incident. Label names come from clients and are written literally, never used as keys of an object. */
export function formatIncident(incident: Incident, links: LinkSettings): string {
  const { id, tenant, kind, state, severity, title, labels, count, query, changedBy } = incident
  const { firstSeenMs, lastSeenMs, openedMs, updatedMs, closedMs, samples, history } = incident
  const pairs = labels.map(({ name, value }) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const head = JSON.stringify({ id, tenant, kind, state, severity, title })
  const rest = JSON.stringify({
    count,
    firstSeen: formatTime(firstSeenMs),
    lastSeen: formatTime(lastSeenMs),
    openedAt: formatTime(openedMs),
    updatedAt: formatTime(updatedMs),
    closedAt: closedMs === undefined ? undefined : formatTime(closedMs),
    changedBy,
    query,
    links: linksOf(incident, links),
    history: history.map(({ ms, what, by }) => ({ at: formatTime(ms), what, by })),
    samples: samples.map(({ eventId, ms, line }) => ({ eventId, timestamp: formatTime(ms), line })),
  })
  return `${head.slice(0, -1)},"labels":{${pairs.join(',')}},${rest.slice(1)}`
}

/** ISO 8601 in UTC. Clients choose the times of their lines: one outside the range of a Date is shown as its limit. */
export function formatTime(ms: number): string {
  return new Date(Math.min(Math.max(ms, -MS_MAX), MS_MAX)).toISOString()
}

const MS_MAX = 8.64e15
