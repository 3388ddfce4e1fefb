/** `| json label="path", …`: values at selected paths of a JSON document as labels. */

import type { LabelExtraction } from '../../parse/syntax.ts'
import type { EntryParser } from './json-parser.ts'
import { parseJsonPath } from './json-path.ts'
import { findPlaces } from './json-places.ts'
import { textOfJson } from './json-scanner.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

/**
 * Strings are unquoted, objects and arrays are their source text, null is the empty string; so is every label that is
 * not set and whose path is missing in the document. An empty line is skipped; a line that does not start like JSON
 * gets an error and no labels. Throws query_malformed for an invalid path.
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
    let count = 0
    findPlaces(line, paths, (path, place) => {
      if (place.kind === 'fault') {
        labels.setError('JSONParserErr', place.fault)
        return
      }
      const value = place.kind === 'null' ? '' : place.kind === 'object' ? place.raw : textOfJson(place.raw)
      labels.replaceParsed(names[path] as string, value)
      count++
    })
    if (count === names.length) return
    for (const name of names) if (labels.get(name) === undefined) labels.setFormatted(name, '')
  }
}
