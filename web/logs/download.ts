/** All lines of a question as a file, page by page, up to a bound. */

import { askLines, nsOf, type Range } from '../api/loki.ts'
import { jsonOf, saveFile } from '../lines/copy.ts'
import { csvHead, csvOf } from '../lines/csv.ts'
import type { Entry } from '../lines/entry.ts'
import { countText } from '../words.ts'
import { LINES_MAX, pageAfter } from './use-lines.ts'

const PAGE = 5000
const CHARS_MAX = 200_000_000

export interface Wanted {
  readonly query: string
  readonly range: Range
  readonly direction: 'forward' | 'backward'
  readonly form: 'ndjson' | 'csv'
  /** The chosen columns, which CSV has beside its own. */
  readonly columns: readonly string[]
}

/** Says how far it is; gives the words of the end. Rejects with the abort's own error. */
export async function download(
  { query, range, direction, form, columns }: Wanted,
  onCount: (count: number) => void,
  signal: AbortSignal,
): Promise<string> {
  const parts: string[] = form === 'csv' ? [csvHead(columns)] : []
  const write = (entry: Entry): string => (form === 'csv' ? csvOf(entry, columns) : `${jsonOf(entry)}\n`)
  let count = 0
  let chars = 0
  const take = (entries: readonly Entry[]): void => {
    const text = entries.map(write).join('')
    parts.push(text)
    count += entries.length
    chars += text.length
    onCount(count)
  }
  const edges = { start: nsOf(range.start), end: nsOf(range.end) }
  let page: readonly Entry[] = (await askLines({ query, ...edges, limit: PAGE, direction }, { signal })).entries
  let hasMore = page.length >= PAGE
  take(page)
  while (hasMore && count < LINES_MAX && chars < CHARS_MAX && page.length > 0) {
    const next = await pageAfter(query, range, direction, page, PAGE, signal)
    hasMore = next.hasMore
    page = next.fresh
    take(page)
  }
  saveFile(fileName(range, form), form === 'csv' ? 'text/csv' : 'application/x-ndjson', parts)
  return hasMore
    ? `${countText(count)} lines were saved; there are more. Narrow the time.`
    : `${countText(count)} lines were saved.`
}

/** `millrace-2026-11-29T134600.csv`, by the end of the range. */
export const fileName = ({ end }: Range, form: string): string =>
  `millrace-${new Date(end).toISOString().slice(0, 19).replaceAll(':', '')}.${form}`
