/** Formats results of metric queries as tables. */

import { GatewayError } from '../../domain/errors.ts'
import { formatLabels } from '../../domain/labels.ts'
import { formatLabelObject } from '../../protocol/loki/loki-result.ts'
import type { QueryAnswer, ShownSeries } from '../client-answer.ts'
import { escapeControls, withoutControls } from '../controls.ts'
import { formatLocal, type Output } from './query-output.ts'

export type MetricAnswer = Exclude<QueryAnswer, { readonly kind: 'lines' }>

/** The result as lines: a table, one JSON series per line, or only the values. Throws parameter_invalid for bulk and template. */
export function formatSeriesAnswer({ kind, series }: MetricAnswer, output: Output): string {
  switch (output) {
    case 'text':
    case 'wide':
    case 'table':
      return kind === 'instant' ? formatInstant(series) : series.map(formatRange).join('\n')
    case 'json':
      return series.map((each) => `${formatJson(each)}\n`).join('')
    case 'raw':
      return series.flatMap(({ points }) => points.map(({ value }) => `${value}\n`)).join('')
    case 'bulk':
    case 'template':
      throw new GatewayError('parameter_invalid', `--output ${output} is for log queries; use json for a metric query`)
  }
}

/** One row per series. */
function formatInstant(series: readonly ShownSeries[]): string {
  const rows = series.map(({ labels, points }) => [points[0]?.value ?? '', withoutControls(formatLabels(labels))])
  const width = widest(rows.map(([value = '']) => value))
  return rows.map(([value = '', labels]) => `${value.padStart(width)}  ${labels}\n`).join('')
}

/** The labels, followed by one row per point. */
function formatRange({ labels, points }: ShownSeries): string {
  const width = widest(points.map(({ value }) => value))
  const rows = points.map(({ seconds, value }) => {
    const ms = Math.round(seconds * 1000)
    return `  ${formatLocal(BigInt(ms) * 1_000_000n)}  ${value.padStart(width)}\n`
  })
  return `${withoutControls(formatLabels(labels))}\n${rows.join('')}`
}

function widest(texts: readonly string[]): number {
  return texts.reduce((width, text) => Math.max(width, text.length), 0)
}

function formatJson({ labels, points }: ShownSeries): string {
  const values = points.map(({ seconds, value }) => `[${seconds},${JSON.stringify(value)}]`)
  return escapeControls(`{"metric":${formatLabelObject(labels)},"values":[${values.join(',')}]}`)
}
