/** The rows of the field's scoreboard as one table of text. */

import type { FieldRow } from './harness.ts'

/** Columns are as wide as their longest cell; skipped rows say why. */
export function formatTable(rows: readonly FieldRow[]): string {
  const cells = [['area', 'comparison', 'passed', 'of', 'note'], ...rows.map(cellsOf)]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 2 || i === 3 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join('  ')
  return cells.map((row) => line(row).trimEnd()).join('\n')
}

function cellsOf({ area, name, outcome }: FieldRow): string[] {
  if ('skipped' in outcome) return [area, name, '-', '-', `skipped: ${outcome.skipped}`]
  if ('failed' in outcome) return [area, name, '-', '-', `failed: ${outcome.failed}`]
  return [area, name, String(outcome.passed), String(outcome.total), outcome.note]
}

/** False if something failed or did not pass completely. */
export function isClean(rows: readonly FieldRow[]): boolean {
  return rows.every(({ outcome }) => 'skipped' in outcome || ('passed' in outcome && outcome.passed === outcome.total))
}
