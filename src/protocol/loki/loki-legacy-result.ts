/** The responses of Loki's API before version 1, `/api/prom`: labels as text, times as RFC 3339. */

import { formatLabels } from '../../domain/labels.ts'
import type { QueryStats, ResultEntry, ResultStream } from '../../domain/query-result.ts'
import { formatRfc3339 } from '../../domain/time.ts'
import { finishSlices, type Slices } from '../../kit/slices.ts'
import { type Body, BodyWriter } from '../bytes/body-writer.ts'
import { formatStats, mergeLabels } from './loki-result.ts'
import type { ShownFrame } from './loki-tail-result.ts'

/** /api/prom/query */
export function* formatLegacyStreams(streams: readonly ResultStream[], stats: QueryStats): Slices<Body> {
  const body = new BodyWriter()
  body.write('{"streams":[')
  for (const [i, { labels, entries }] of (yield* mergeLabels(streams)).entries()) {
    body.write(`${i === 0 ? '' : ','}{"labels":${JSON.stringify(formatLabels(labels))},"entries":[`)
    yield* body.writeList(entries, formatLegacyEntry)
    body.write(']}')
  }
  body.write(`],"stats":${formatStats(stats)}}\n`)
  return body.finish()
}

/** /api/prom/label and /api/prom/label/{name}/values */
export function* formatLegacyNames(values: readonly string[]): Slices<Body> {
  const body = new BodyWriter()
  body.write('{"values":[')
  yield* body.writeList(values, (value) => JSON.stringify(value))
  body.write(']}\n')
  return body.finish()
}

/** A frame of /api/prom/tail; `dropped_entries` is null if there are none, like a nil list in Go. */
export function formatLegacyTailFrame({ entries, dropped }: ShownFrame): string {
  const streams = entries.flatMap((entry) => finishSlices(mergeLabels([{ labels: entry.labels, entries: [entry] }])))
  const items = dropped.map(({ ns, labels }) =>
    JSON.stringify({ Timestamp: formatRfc3339(ns), Labels: formatLabels(labels) }),
  )
  const droppedList = items.length === 0 ? 'null' : `[${items.join(',')}]`
  return `{"streams":[${streams.map(formatLegacyStream).join(',')}],"dropped_entries":${droppedList}}`
}

function formatLegacyStream({ labels, entries }: ResultStream): string {
  return `{"labels":${JSON.stringify(formatLabels(labels))},"entries":[${entries.map(formatLegacyEntry).join(',')}]}`
}

function formatLegacyEntry({ ns, line }: ResultEntry): string {
  return JSON.stringify({ ts: formatRfc3339(ns), line })
}
