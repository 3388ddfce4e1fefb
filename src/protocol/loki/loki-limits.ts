/** The gateway's limits under the names of Loki's configuration. */

import { formatDuration } from '../../domain/duration.ts'
import { LEVEL_FIELDS } from '../../domain/levels/level.ts'
import type { PushLimits, QueryLimits } from '../../domain/limits.ts'

export interface ShownLimits {
  readonly push: PushLimits
  readonly query: QueryLimits
  readonly discoverServiceName: boolean
  readonly discoverLevels: boolean
  readonly serviceLabels: readonly string[]
  readonly retentionMs: number | undefined
  readonly tailsMax: number
}

type LimitValue = string | number | boolean | readonly string[]

/** The limits that Logs Drilldown reads, in addition to the version. */
const DRILLDOWN_NAMES: readonly string[] = [
  'discover_log_levels',
  'discover_service_name',
  'log_level_fields',
  'max_entries_limit_per_query',
  'max_line_size_truncate',
  'max_query_length',
  'max_query_series',
  'query_timeout',
  'retention_period',
  'volume_enabled',
]

/** /drilldown-limits: a JSON object. */
export function formatDrilldownLimits(limits: ShownLimits, version: string): string {
  const shown = listLimits(limits).filter(([name]) => DRILLDOWN_NAMES.includes(name))
  const answer = { limits: Object.fromEntries(shown), pattern_ingester_enabled: true, version }
  return `${JSON.stringify(answer)}\n`
}

/** /config/tenant/v1/limits: YAML. */
export function formatTenantLimits(limits: ShownLimits): string {
  return formatYaml(listLimits(limits), '')
}

/** /config: the supported part of Loki's configuration, YAML. */
export function formatConfig(limits: ShownLimits): string {
  return `limits_config:\n${formatYaml(listLimits(limits), '  ')}`
}

/** Limits that are off are omitted if Loki cannot express that. */
function listLimits(limits: ShownLimits): (readonly [name: string, value: LimitValue])[] {
  const { push, query } = limits
  return [
    ['ingestion_rate_strategy', 'local'],
    ...rateLimits(push),
    ['max_label_name_length', push.labelNameBytesMax],
    ['max_label_value_length', push.labelValueBytesMax],
    ['max_label_names_per_series', push.labelCountMax],
    ['reject_old_samples', push.ageMsMax !== undefined],
    ...(push.ageMsMax === undefined ? [] : [['reject_old_samples_max_age', goDuration(push.ageMsMax)] as const]),
    ['creation_grace_period', goDuration(push.futureMsMax)],
    ['max_line_size', `${push.lineBytesMax}B`],
    ['max_line_size_truncate', push.lineTruncated],
    ['max_global_streams_per_user', push.activeStreamsMax],
    ['discover_service_name', limits.discoverServiceName ? limits.serviceLabels : []],
    ['discover_log_levels', limits.discoverLevels],
    ['log_level_fields', LEVEL_FIELDS],
    ['allow_structured_metadata', push.metadataAllowed],
    ['max_structured_metadata_size', `${push.metadataBytesMax}B`],
    ['max_structured_metadata_entries_count', push.metadataCountMax],
    ['max_entries_limit_per_query', query.entriesMax],
    ['max_query_length', goDuration(query.rangeMsMax)],
    ['max_query_series', query.seriesMax],
    ['query_timeout', goDuration(query.timeoutMs)],
    ['max_concurrent_tail_requests', limits.tailsMax],
    ['retention_period', limits.retentionMs === undefined ? '0s' : goDuration(limits.retentionMs)],
    ['volume_enabled', true],
    ['deletion_mode', 'filter-and-delete'],
  ]
}

function rateLimits({ tenantRate, streamRate }: PushLimits): (readonly [string, LimitValue])[] {
  const rates: (readonly [string, LimitValue])[] = []
  if (tenantRate !== undefined) {
    rates.push(['ingestion_rate_mb', tenantRate.bytesPerSecond / 2 ** 20])
    rates.push(['ingestion_burst_size_mb', tenantRate.burstBytes / 2 ** 20])
  }
  if (streamRate !== undefined) {
    rates.push(['per_stream_rate_limit', `${streamRate.bytesPerSecond}B`])
    rates.push(['per_stream_rate_limit_burst', `${streamRate.burstBytes}B`])
  }
  return rates
}

function goDuration(ms: number): string {
  return ms === 0 ? '0s' : formatDuration(ms)
}

/** Names and values are ours, so none needs quoting. */
function formatYaml(pairs: readonly (readonly [name: string, value: LimitValue])[], margin: string): string {
  const lines = pairs.map(([name, value]) => {
    if (typeof value !== 'object') return `${margin}${name}: ${value}\n`
    if (value.length === 0) return `${margin}${name}: []\n`
    return `${margin}${name}:\n${value.map((each) => `${margin}- ${each}\n`).join('')}`
  })
  return lines.join('')
}
