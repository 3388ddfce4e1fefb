/** `| unpack`: reverses Promtail's pack stage. */

import { labelNameOf } from '../label-name.ts'
import type { EntryParser } from './json-parser.ts'
import { JSON_FAULTS, JsonScanner, textOfJson, unescapeJson } from './json-scanner.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

/** The member with the original line. */
const ENTRY_MEMBER = '_entry'
const NO_OBJECT = 'expecting json object(6), but it is not'

/**
 * String members become labels (of duplicate names the last is kept), and `_entry` becomes the line; other members are
 * skipped. An object without `_entry` was not packed and changes nothing. The line changes even if no labels are
 * needed.
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
    const names = new Set<string>()
    for (const [key, raw] of members) {
      const name = labelNameOf(key)
      if (key === ENTRY_MEMBER || name === '' || !hint.wants(name)) continue
      if (names.has(name)) labels.replaceParsed(name, textOfJson(raw))
      else if (labels.setParsed(name, textOfJson(raw))) names.add(name)
    }
  }
}

/** Adds the string members; returns the fault of the text, or an empty text. */
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
