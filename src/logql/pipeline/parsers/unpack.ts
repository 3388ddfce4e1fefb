/** `| unpack`: undoes Promtail's pack stage. */

import { labelNameOf } from '../label-name.ts'
import type { EntryParser } from './json-parser.ts'
import { JsonScanner } from './json-scanner.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

/** The member that holds the original line. */
const ENTRY_MEMBER = '_entry'

/**
 * Members that are strings become labels and `_entry` becomes the line; members of other kinds are passed over. An
 * object without `_entry` was not packed: it changes nothing. The line changes even where no label is wanted.
 */
export function compileUnpack(hint: ParserHint = ALL_LABELS): EntryParser {
  const scanner = new JsonScanner()
  return (entry, labels) => {
    if (entry.line === '') return
    const members = readStrings(scanner, entry.line)
    if (members === undefined) {
      if (!hint.isIdle) {
        labels.setError(
          'JSONParserErr',
          `malformed JSON near character ${scanner.at + 1} of the line; wanted an object`,
        )
      }
      return
    }
    const packed = members.find(([key]) => key === ENTRY_MEMBER)
    if (packed === undefined) return
    entry.line = packed[1]
    for (const [key, value] of members) {
      const name = labelNameOf(key)
      if (key !== ENTRY_MEMBER && name !== '' && hint.wants(name)) labels.setParsed(name, value)
    }
  }
}

/** The members of an object that are strings; undefined when the text is no object. */
function readStrings(scanner: JsonScanner, text: string): [key: string, value: string][] | undefined {
  scanner.begin(text)
  if (scanner.next() !== 123) return undefined
  scanner.at++
  const members: [string, string][] = []
  if (scanner.next() === 125) return members
  for (;;) {
    const key = scanner.readKey()
    if (key === undefined) return undefined
    if (text.charCodeAt(scanner.at) === 34) {
      const value = key === ENTRY_MEMBER ? scanner.readString() : scanner.readText()
      if (value === undefined) return undefined
      members.push([key, value])
    } else if (!scanner.skipValue()) return undefined
    const goesOn = scanner.readSeparator(125)
    if (goesOn === undefined) return undefined
    if (!goesOn) return members
  }
}
