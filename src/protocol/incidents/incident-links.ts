/** Links to the lines behind an incident. */

import type { GroupSearch, Incident } from '../../domain/incidents/incident.ts'
import { msToNs } from '../../domain/time.ts'

export interface LinkSettings {
  /** The URL of this gateway; undefined: links are paths. */
  readonly publicUrl: string | undefined
  readonly grafanaUrl: string | undefined
  /** The UID of Grafana's data source. */
  readonly grafanaDataSource: string
  /** The AWS region of watched log groups; undefined: the console uses the one last visited. */
  readonly region: string | undefined
}

export interface IncidentLinks {
  readonly incident: string
  /** Where the lines are: a query of this gateway, or the events of a log group in CloudWatch's console. */
  readonly query: string | undefined
  /** The query in Grafana's Explore. */
  readonly explore: string | undefined
}

/** Before the first occurrence, to include what led to it. */
const BEFORE_MS = 5 * 60_000
const AFTER_MS = 60_000
/** An incident may last for months; the range covers its newest lines. */
const RANGE_MS_MAX = 24 * 3600_000

export function linksOf(incident: Incident, settings: LinkSettings): IncidentLinks {
  const base = trimSlash(settings.publicUrl ?? '')
  const { query, logGroup, firstSeenMs, lastSeenMs } = incident
  const toMs = lastSeenMs + AFTER_MS
  const range = { fromMs: Math.max(firstSeenMs - BEFORE_MS, toMs - RANGE_MS_MAX), toMs }
  return {
    incident: `${base}/incidents/${incident.id}`,
    query: logGroup ? consoleUrl(logGroup, settings.region, range) : query && `${base}${queryPath(query, range)}`,
    explore: query && settings.grafanaUrl && exploreUrl(settings, query, range),
  }
}

/** ms since the epoch. */
interface TimeRange {
  readonly fromMs: number
  readonly toMs: number
}

function queryPath(query: string, { fromMs, toMs }: TimeRange): string {
  const range = { start: String(msToNs(fromMs)), end: String(msToNs(toMs)) }
  return `/loki/api/v1/query_range?${new URLSearchParams({ query, ...range, limit: '100', direction: 'backward' })}`
}

/** Grafana's format since 10.3: see "Generate Explore URLs" in its documentation. */
function exploreUrl(settings: LinkSettings, query: string, { fromMs, toMs }: TimeRange): string {
  const { grafanaUrl = '', grafanaDataSource: uid } = settings
  const queries = [{ refId: 'A', expr: query, queryType: 'range', datasource: { type: 'loki', uid } }]
  const pane = { datasource: uid, queries, range: { from: String(fromMs), to: String(toMs) } }
  const params = new URLSearchParams({ schemaVersion: '1', orgId: '1', panes: JSON.stringify({ millrace: pane }) })
  return `${trimSlash(grafanaUrl)}/explore?${params}`
}

/**
 * The filtered log events of a group in CloudWatch's console. Format: the text after `#logsV2:` is encoded twice, with
 * `$` for the percent sign.
 */
function consoleUrl({ name, text }: GroupSearch, region: string | undefined, { fromMs, toMs }: TimeRange): string {
  // A phrase in quotes; within it, quotes and backslashes are escaped.
  const pattern = text === undefined ? [] : [['filterPattern', `"${text.replace(/["\\]/g, '\\$&')}"`]]
  const times = [fromMs, toMs].map((ms) => String(Math.max(0, ms)))
  const params = [...pattern, ['start', times[0]], ['end', times[1]]]
  const query = params.map(([key, value]) => `${key}=${encodeURIComponent(value as string)}`).join('&')
  const place = encodeURIComponent(`${encodeURIComponent(name)}/log-events?${query}`).replaceAll('%', '$')
  const where = region === undefined ? '' : `?region=${region}`
  return `https://${consoleHost(region)}/cloudwatch/home${where}#logsV2:log-groups/log-group/${place.replaceAll('$2F', '/')}`
}

function consoleHost(region = ''): string {
  if (region.startsWith('cn-')) return 'console.amazonaws.cn'
  if (region.startsWith('us-gov-')) return 'console.amazonaws-us-gov.com'
  return 'console.aws.amazon.com'
}

function trimSlash(url: string): string {
  return url.replace(/\/+$/, '')
}
