/** All lines of a question as a file, page by page, up to a bound. */

import { askLines, nsOf, type Range } from '../api/loki.ts'
import { CSV_HEAD, csvOf, jsonOf, saveFile } from '../lines/copy.ts'
import type { Entry } from '../lines/entry.ts'
import { countText } from '../words.ts'
import { LINES_MAX, pageAfter } from './use-lines.ts'

const PAGE = 5000
const CHARS_MAX = 200_000_000

/** Says how far it is; gives the words of the end. */
export async function download(
  query: string,
  range: Range,
  direction: 'forward' | 'backward',
  form: 'ndjson' | 'csv',
  onCount: (count: number) => void,
): Promise<string> {
  const parts: string[] = form === 'csv' ? [CSV_HEAD] : []
  const write = form === 'csv' ? csvOf : (entry: Entry) => `${jsonOf(entry)}\n`
  let count = 0
  let chars = 0
  const take = (entries: readonly Entry[]): void => {
    const text = entries.map(write).join('')
    parts.push(text)
    count += entries.length
    chars += text.length
    onCount(count)
  }
  let page: readonly Entry[] = (
    await askLines({ query, start: nsOf(range.start), end: nsOf(range.end), limit: PAGE, direction })
  ).entries
  let hasMore = page.length >= PAGE
  take(page)
  while (hasMore && count < LINES_MAX && chars < CHARS_MAX && page.length > 0) {
    const next = await pageAfter(query, range, direction, page, PAGE)
    hasMore = next.hasMore
    page = next.fresh
    take(page)
  }
  const stamp = new Date(range.end).toISOString().slice(0, 19).replaceAll(':', '')
  saveFile(`millrace-${stamp}.${form}`, form === 'csv' ? 'text/csv' : 'application/x-ndjson', parts)
  return hasMore
    ? `${countText(count)} lines were saved; there are more. Narrow the time.`
    : `${countText(count)} lines were saved.`
}
