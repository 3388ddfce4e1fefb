/** Where people look at the lines behind an incident. */

import type { Incident } from '../../domain/incidents/incident.ts'
import { msToNs } from '../../domain/time.ts'

export interface LinkSettings {
  /** Where this gateway is reached; undefined: links are paths. */
  readonly publicUrl: string | undefined
  readonly grafanaUrl: string | undefined
  /** The UID of Grafana's data source. */
  readonly grafanaDataSource: string
}

export interface IncidentLinks {
  readonly incident: string
  /** Where a query finds the lines. */
  readonly query: string | undefined
  /** The same in Grafana's Explore. */
  readonly explore: string | undefined
}

/** Around the occurrences, so that what led to them is seen as well. */
const BEFORE_MS = 5 * 60_000
const AFTER_MS = 60_000
/** An incident may go on for months: its newest lines are what is looked at. */
const RANGE_MS_MAX = 24 * 3600_000

export function linksOf(incident: Incident, settings: LinkSettings): IncidentLinks {
  const base = trimSlash(settings.publicUrl ?? '')
  const { query, firstSeenMs, lastSeenMs } = incident
  const toMs = lastSeenMs + AFTER_MS
  const fromMs = Math.max(firstSeenMs - BEFORE_MS, toMs - RANGE_MS_MAX)
  return {
    incident: `${base}/incidents/${incident.id}`,
    query: query && `${base}${queryPath(query, fromMs, toMs)}`,
    explore: query && settings.grafanaUrl && exploreUrl(settings, query, fromMs, toMs),
  }
}

function queryPath(query: string, fromMs: number, toMs: number): string {
  const range = { start: String(msToNs(fromMs)), end: String(msToNs(toMs)) }
  return `/loki/api/v1/query_range?${new URLSearchParams({ query, ...range, limit: '100', direction: 'backward' })}`
}

/** Grafana's form since 10.3: see "Generate Explore URLs" in its documentation. */
function exploreUrl(settings: LinkSettings, query: string, fromMs: number, toMs: number): string {
  const { grafanaUrl = '', grafanaDataSource: uid } = settings
  const queries = [{ refId: 'A', expr: query, queryType: 'range', datasource: { type: 'loki', uid } }]
  const pane = { datasource: uid, queries, range: { from: String(fromMs), to: String(toMs) } }
  const params = new URLSearchParams({ schemaVersion: '1', orgId: '1', panes: JSON.stringify({ millrace: pane }) })
  return `${trimSlash(grafanaUrl)}/explore?${params}`
}

function trimSlash(url: string): string {
  return url.replace(/\/+$/, '')
}
