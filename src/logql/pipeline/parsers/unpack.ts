/** `| unpack`: undoes Promtail's pack stage. */

import { labelNameOf } from '../label-name.ts'
import type { EntryParser } from './json-parser.ts'
import { JSON_FAULTS, JsonScanner, textOfJson, unescapeJson } from './json-scanner.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

/** The member that holds the original line. */
const ENTRY_MEMBER = '_entry'
const NO_OBJECT = 'expecting json object(6), but it is not'

/**
 * Members that are strings become labels, the last of a name, and `_entry` becomes the line; members of other kinds are passed over. An
 * object without `_entry` was not packed: it changes nothing. The line changes even where no label is wanted.
 */
export function compileUnpack(hint: ParserHint = ALL_LABELS): EntryParser {
  const scanner = new JsonScanner()
  return (entry, labels) => {
    if (entry.line === '') return
    const members: [key: string, raw: string][] = []
    const fault = entry.line.startsWith('{') ? readStrings(scanner, entry.line, members) : NO_OBJECT
    if (fault !== '') {
      if (!hint.isIdle) labels.setError('JSONParserErr', fault)
      return
    }
    const packed = members.findLast(([key]) => key === ENTRY_MEMBER)
    if (packed === undefined) return
    entry.line = unescapeJson(packed[1]) as string
    const found = new Set<string>()
    for (const [key, raw] of members) {
      const name = labelNameOf(key)
      if (key === ENTRY_MEMBER || name === '' || !hint.wants(name)) continue
      if (found.has(name)) labels.replaceParsed(name, textOfJson(raw))
      else if (labels.setParsed(name, textOfJson(raw))) found.add(name)
    }
  }
}

/** Adds the members that are strings; what is wrong with the text, empty for nothing. */
function readStrings(scanner: JsonScanner, text: string, members: [key: string, raw: string][]): string {
  scanner.begin(text)
  let isEscapeWrong = false
  scanner.readMembers((key, start) => {
    if (scanner.kind !== 'string') return true
    const raw = text.slice(start + 1, scanner.at - 1)
    isEscapeWrong = key === ENTRY_MEMBER && unescapeJson(raw) === undefined
    members.push([key, raw])
    return !isEscapeWrong
  })
  return isEscapeWrong ? JSON_FAULTS.escape : scanner.fault
}
