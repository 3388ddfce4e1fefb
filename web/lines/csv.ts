/** Lines and numbers as CSV. */

import { type Series, seriesName } from '../api/series.ts'
import { columnOf, type Entry, isoOf, serviceOf } from './entry.ts'
import { readLine } from './message.ts'

/** A cell of CSV by RFC 4180; one that a spreadsheet would take for a formula begins with a quote. */
export function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

const csvRow = (cells: readonly string[]): string => `${cells.map(cell).join(',')}\r\n`

export const csvHead = (columns: readonly string[]): string =>
  csvRow(['timestamp', 'ns', 'level', 'service', ...columns, 'line', 'labels', 'metadata'])

export function csvOf(entry: Entry, columns: readonly string[]): string {
  const { fields } = columns.length === 0 ? { fields: [] } : readLine(entry.line)
  const chosen = columns.map((name) => columnOf(entry, fields, name) ?? '')
  const pairs = [entry.stream, entry.metadata].map((each) => JSON.stringify(each))
  return csvRow([isoOf(entry.ns), entry.ns, entry.level, serviceOf(entry), ...chosen, entry.line, ...pairs])
}

/** Series as CSV: a row for each time, a column for each series. */
export function seriesCsv(series: readonly Series[]): string {
  const times = [...new Set(series.flatMap(({ values }) => values.map(([at]) => at)))].sort((a, b) => a - b)
  const columns = series.map(({ values }) => new Map(values))
  const rows = times.map((at) => [new Date(at * 1000).toISOString(), ...columns.map((column) => column.get(at) ?? '')])
  return [['timestamp', ...series.map(({ metric }) => seriesName(metric))], ...rows].map(csvRow).join('')
}
