/** The frames of Loki's live tails, sent over a WebSocket or, one per line, over HTTP. */

import type { Labels } from '../../domain/labels.ts'
import type { ResultEntry } from '../../domain/query-result.ts'
import { finishSlices } from '../../kit/slices.ts'
import { formatLabelObject, formatStream, mergeLabels } from './loki-result.ts'

export interface ShownFrame {
  readonly entries: readonly (ResultEntry & { readonly labels: Labels })[]
  readonly dropped: readonly { readonly ns: bigint; readonly labels: Labels }[]
}

/**
 * One stream object per entry, in the order of the frame. `encodingFlags` follows the streams, unlike in the response
 * to a query. See pkg/loghttp/tail.go of grafana/loki.
 */
export function formatTailFrame({ entries, dropped }: ShownFrame, categorized: boolean): string {
  const streams = entries.map((entry) => {
    const stream = { labels: entry.labels, entries: [entry] }
    return (categorized ? [stream] : finishSlices(mergeLabels([stream])))
      .map((each) => formatStream(each, categorized))
      .join(',')
  })
  const items = dropped.map(({ ns, labels }) => `{"timestamp":"${ns}","labels":${formatLabelObject(labels)}}`)
  const droppedPart = items.length === 0 ? '' : `,"dropped_entries":[${items.join(',')}]`
  const flags = categorized ? ',"encodingFlags":["categorize-labels"]' : ''
  return `{"streams":[${streams.join(',')}]${droppedPart}${flags}}`
}
