/** What leaves the page: lines or numbers as a file, and the query in forms to paste. */

import type { Range } from '../api/loki.ts'
import { isAbort, wordsOf } from '../api/request.ts'
import type { Series } from '../api/series.ts'
import { copy, curlOf, logcliOf, saveFile } from '../lines/copy.ts'
import { seriesCsv } from '../lines/csv.ts'
import { timeParams } from '../range.ts'
import { hrefOf, place } from '../router.ts'
import { Menu, say } from '../ui/parts.tsx'
import { countText } from '../words.ts'
import { download, fileName } from './download.ts'
import { logs } from './state.ts'

const COPIES: readonly (readonly [words: string, make: (query: string, range: Range) => string])[] = [
  ['Copy a link', (_, range) => linkOf(range)],
  ['Copy as curl', curlOf],
  ['Copy as logcli', logcliOf],
  ['Copy the query', (query) => query],
]

/** Without series the lines of the query are saved. */
export function SaveMenu({ range, series }: { range: Range; series?: readonly Series[] | undefined }) {
  const { query } = logs.value
  return (
    <Menu label="Save" name="Download, or copy the query" icon="download" class="small">
      {(close) => (
        <>
          {series === undefined ? (
            (['ndjson', 'csv'] as const).map((form) => (
              <button
                key={form}
                type="button"
                onClick={() => {
                  close()
                  void saveLines(range, form)
                }}
              >
                Download as {form === 'csv' ? 'CSV' : 'NDJSON'}
              </button>
            ))
          ) : (
            <button
              type="button"
              onClick={() => {
                close()
                saveFile(fileName(range, 'csv'), 'text/csv', [seriesCsv(series)])
              }}
            >
              Download as CSV
            </button>
          )}
          {COPIES.map(([words, make]) => (
            <button
              key={words}
              type="button"
              onClick={async () => {
                close()
                say((await copy(make(query, range))) ? 'Copied.' : 'The browser does not let this page copy.')
              }}
            >
              {words}
            </button>
          ))}
        </>
      )}
    </Menu>
  )
}

async function saveLines(range: Range, form: 'ndjson' | 'csv'): Promise<void> {
  const { query, direction, columns } = logs.value
  const abort = new AbortController()
  const cancel = { words: 'Cancel', act: () => abort.abort() }
  const onCount = (count: number): void => say(`${countText(count)} lines …`, cancel)
  try {
    say(await download({ query, range, direction, form, columns }, onCount, abort.signal))
  } catch (error) {
    say(isAbort(error) ? 'The download was cancelled. No file was saved.' : wordsOf(error))
  }
}

/** With absolute times, so that it shows the same tomorrow. */
function linkOf(range: Range): string {
  const params = { ...Object.fromEntries(place.value.params), ...timeParams(range), live: undefined }
  return location.origin + location.pathname + hrefOf('logs', params)
}
