/** `| json` without expressions: every field of a JSON object as a label. */

import type { PipelineEntry } from '../../stage.ts'
import { labelNameOf, labelNamePart, NAME_CHARS_MAX } from '../label-name.ts'
import type { LabelSet } from '../label-set.ts'
import { JsonScanner } from './json-scanner.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

/** Reads an entry's line and sets labels, or an error; never throws for what is in the line. */
export type EntryParser = (entry: PipelineEntry, labels: LabelSet) => void

/** Objects in objects that are looked into; deeper ones are passed over. */
const DEPTH_MAX = 64
const OPEN = 123
const CLOSE = 125

/**
 * Members of objects are joined with `_`, names sanitised, numbers kept as they are written; arrays, nulls and empty
 * names are left out; of a name that comes twice the first stays. What was found before a fault stays, too.
 */
export function compileJsonParser(hint: ParserHint = ALL_LABELS): EntryParser {
  const parser = new JsonParser(hint)
  return (entry, labels) => parser.parse(entry.line, labels)
}

class JsonParser {
  readonly #hint: ParserHint
  readonly #scanner = new JsonScanner()
  #labels: LabelSet | undefined
  #found = 0

  constructor(hint: ParserHint) {
    this.#hint = hint
  }

  parse(line: string, labels: LabelSet): void {
    const scanner = this.#scanner
    scanner.begin(line)
    if (scanner.next() !== OPEN) {
      labels.setError('JSONParserErr', 'the line is not a JSON object')
      return
    }
    this.#labels = labels
    this.#found = 0
    if (!this.#readObject('', 0) && !this.#isSatisfied()) {
      labels.setError('JSONParserErr', `malformed JSON near character ${scanner.at + 1} of the line`)
    }
  }

  /** False at a fault, and when nothing more is wanted. */
  #readObject(prefix: string, depth: number): boolean {
    const scanner = this.#scanner
    scanner.at++
    if (scanner.next() === CLOSE) {
      scanner.at++
      return true
    }
    for (;;) {
      const key = scanner.readKey()
      if (key === undefined || !this.#readMember(prefix, key, depth)) return false
      const goesOn = scanner.readSeparator(CLOSE)
      if (goesOn === undefined) return false
      if (!goesOn) return true
    }
  }

  #readMember(prefix: string, key: string, depth: number): boolean {
    const scanner = this.#scanner
    const first = scanner.text.charCodeAt(scanner.at)
    const name = prefix === '' ? labelNameOf(key) : `${prefix}_${labelNamePart(key)}`
    if (name === '' || name.length > NAME_CHARS_MAX) return scanner.skipValue()
    if (first === OPEN) {
      if (depth < DEPTH_MAX && this.#hint.wantsBelow(`${name}_`)) return this.#readObject(name, depth + 1)
      return scanner.skipValue()
    }
    if (first === 91 || !this.#hint.wants(name)) return scanner.skipValue()
    const value = first === 34 ? scanner.readText() : scanner.readWord()
    if (value === undefined) return false
    if (first === 110) return true
    if ((this.#labels as LabelSet).setParsed(name, value)) this.#found++
    return !this.#isSatisfied()
  }

  #isSatisfied(): boolean {
    return this.#hint.isSatisfied(this.#found)
  }
}
