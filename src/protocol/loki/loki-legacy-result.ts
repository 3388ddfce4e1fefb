/** The answers of Loki's API before version 1, `/api/prom`: labels as text, times as RFC 3339. */

import { formatLabels } from '../../domain/labels.ts'
import type { QueryStats, ResultEntry, ResultStream } from '../../domain/query-result.ts'
import { formatRfc3339 } from '../../domain/time.ts'
import { formatStats, mergeLabels } from './loki-result.ts'
import type { ShownFrame } from './loki-tail-result.ts'

/** /api/prom/query */
export function formatLegacyStreams(streams: readonly ResultStream[], stats: QueryStats): string {
  return `{"streams":[${mergeLabels(streams).map(formatLegacyStream).join(',')}],"stats":${formatStats(stats)}}\n`
}

/** /api/prom/label and /api/prom/label/{name}/values */
export function formatLegacyNames(values: readonly string[]): string {
  return `${JSON.stringify({ values })}\n`
}

/** A frame of /api/prom/tail; `dropped_entries` is null where there are none, as Go prints a nil list. */
export function formatLegacyTailFrame({ entries, dropped }: ShownFrame): string {
  const streams = entries.flatMap((entry) => mergeLabels([{ labels: entry.labels, entries: [entry] }]))
  const told = dropped.map(({ ns, labels }) =>
    JSON.stringify({ Timestamp: formatRfc3339(ns), Labels: formatLabels(labels) }),
  )
  const droppedList = told.length === 0 ? 'null' : `[${told.join(',')}]`
  return `{"streams":[${streams.map(formatLegacyStream).join(',')}],"dropped_entries":${droppedList}}`
}

function formatLegacyStream({ labels, entries }: ResultStream): string {
  const shown = entries.map(({ ns, line }: ResultEntry) => JSON.stringify({ ts: formatRfc3339(ns), line }))
  return `{"labels":${JSON.stringify(formatLabels(labels))},"entries":[${shown.join(',')}]}`
}
