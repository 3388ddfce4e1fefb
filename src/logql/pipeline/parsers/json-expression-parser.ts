/** `| json label="path", …`: chosen places of a JSON document as labels. */

import type { LabelExtraction } from '../../parse/syntax.ts'
import type { EntryParser } from './json-parser.ts'
import { parseJsonPath } from './json-path.ts'
import { findPlaces } from './json-places.ts'
import { textOfJson } from './json-scanner.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

/**
 * Strings come without quotes, objects and arrays as their source text, null as the empty string, and so does every
 * label that is not there yet and whose path the document has not. An empty line is passed over; one that begins like
 * no JSON has an error and no label. Throws query_malformed for a path that cannot be read.
 */
export function compileJsonExpressions(
  extractions: readonly LabelExtraction[],
  hint: ParserHint = ALL_LABELS,
): EntryParser {
  const names = extractions.map(({ label }) => label)
  const paths = extractions.map(({ expression }) => parseJsonPath(expression))
  return ({ line }, labels) => {
    if (line === '' || hint.isIdle) return
    if (!/^["{[]/.test(line)) {
      labels.setError('JSONParserErr')
      return
    }
    let found = 0
    findPlaces(line, paths, (path, place) => {
      if (place.kind === 'fault') {
        labels.setError('JSONParserErr', place.fault)
        return
      }
      const value = place.kind === 'null' ? '' : place.kind === 'object' ? place.raw : textOfJson(place.raw)
      labels.replaceParsed(names[path] as string, value)
      found++
    })
    if (found === names.length) return
    for (const name of names) if (labels.get(name) === undefined) labels.setFormatted(name, '')
  }
}
