/** `| json` without expressions: every field of a JSON object as a label. */

import type { PipelineEntry } from '../../stage.ts'
import { labelNameOf, labelNamePart, NAME_CHARS_MAX } from '../label-name.ts'
import { EXTRACTED_SUFFIX, type LabelSet } from '../label-set.ts'
import { JsonScanner, textOfJson } from './json-scanner.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

/** Reads an entry's line and sets labels, or an error; never throws because of the content of a line. */
export type EntryParser = (entry: PipelineEntry, labels: LabelSet) => void

/** Maximum nesting of objects; deeper ones are skipped. */
const DEPTH_MAX = 64

/**
 * Names of nested members are joined with `_` and sanitised, numbers keep their text; arrays, nulls and empty names are
 * skipped; of duplicate names the first is kept. Labels before a fault are kept too.
 */
export function compileJsonParser(hint: ParserHint = ALL_LABELS): EntryParser {
  const parser = new JsonParser(hint)
  return (entry, labels) => parser.parse(entry.line, labels)
}

class JsonParser {
  readonly #hint: ParserHint
  readonly #scanner = new JsonScanner()
  #labels: LabelSet | undefined
  #count = 0

  constructor(hint: ParserHint) {
    this.#hint = hint
  }

  parse(line: string, labels: LabelSet): void {
    const scanner = this.#scanner
    scanner.begin(line)
    this.#labels = labels
    this.#count = 0
    if (!this.#readObject('', 0) && scanner.fault !== '') labels.setError('JSONParserErr', scanner.fault)
  }

  /** False at a fault, and if no further labels are needed. */
  #readObject(prefix: string, depth: number): boolean {
    return this.#scanner.readMembers((key, start) => this.#readMember(prefix, key, start, depth))
  }

  #readMember(prefix: string, key: string, start: number, depth: number): boolean {
    const { kind } = this.#scanner
    if (kind === 'array' || kind === 'null') return !this.#isSatisfied()
    const joined = joinNames(prefix, key)
    if (kind === 'object') return this.#readBelow(joined, start, depth)
    const name = joined === prefix ? this.#nameOfBlank(prefix, key) : joined
    if (name !== '' && name.length <= NAME_CHARS_MAX && this.#hint.wants(name)) this.#set(name, start)
    return !this.#isSatisfied()
  }

  /** Reads the object that was skipped, which starts at `start`. */
  #readBelow(name: string, start: number, depth: number): boolean {
    if (depth >= DEPTH_MAX || name.length > NAME_CHARS_MAX || !this.#hint.wantsBelow(name)) return true
    const scanner = this.#scanner
    const { at, end } = scanner
    scanner.at = start
    scanner.end = at
    const goesOn = this.#readObject(name, depth + 1)
    scanner.at = at
    scanner.end = end
    return goesOn
  }

  /** The name of a member without one: its object's, or, where that is taken, the object's with a part of its own. */
  #nameOfBlank(prefix: string, key: string): string {
    const isTaken = prefix !== '' && this.#labels?.isTaken(prefix) === true
    return isTaken ? `${prefix}_${labelNamePart(key + EXTRACTED_SUFFIX)}` : prefix
  }

  #set(name: string, start: number): void {
    const { kind, text, at } = this.#scanner
    const value = kind === 'string' ? textOfJson(text.slice(start + 1, at - 1)) : text.slice(start, at)
    if ((this.#labels as LabelSet).setParsed(name, value)) this.#count++
  }

  #isSatisfied(): boolean {
    return this.#hint.isSatisfied(this.#count)
  }
}

/** Blank parts of a path are ignored. */
function joinNames(prefix: string, key: string): string {
  if (prefix === '') return labelNameOf(key)
  const part = labelNamePart(key)
  return part === '' ? prefix : `${prefix}_${part}`
}
