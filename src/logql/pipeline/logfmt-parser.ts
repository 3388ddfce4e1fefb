/** `| logfmt`: `key=value key="quoted value"` as labels. */

import type { LabelExtraction, LogfmtStage } from '../syntax.ts'
import type { EntryParser } from './json-parser.ts'
import { unescapeJson } from './json-scanner.ts'
import { labelNameOf, NAME_CHARS_MAX } from './label-name.ts'
import type { LabelSet } from './label-set.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

const QUOTE = 34
const EQUALS = 61
const SPACE = 32

/**
 * Pairs without a value are left out unless `keepsEmpty`; a bad pair is passed over, or ends the line with an error
 * when `isStrict`; the first of a repeated key stays.
 */
export function compileLogfmtParser(
  stage: Pick<LogfmtStage, 'isStrict' | 'keepsEmpty' | 'extractions'>,
  hint: ParserHint = ALL_LABELS,
): EntryParser {
  const { isStrict, keepsEmpty, extractions } = stage
  if (extractions.length > 0) return compileExtractions(extractions, isStrict)
  const scanner = new LogfmtScanner(isStrict)
  return ({ line }, labels) => {
    scanner.begin(line)
    let found = 0
    while (scanner.readPair()) {
      const { key, value } = scanner
      if (value === '' && !keepsEmpty) continue
      const name = labelNameOf(key)
      if (name === '' || name.length > NAME_CHARS_MAX || !hint.wants(name)) continue
      if (labels.setParsed(name, value)) found++
      if (hint.isSatisfied(found)) return
    }
    setFault(scanner, labels)
  }
}

/** With expressions, labels whose key the line has not are empty. */
function compileExtractions(extractions: readonly LabelExtraction[], isStrict: boolean): EntryParser {
  const scanner = new LogfmtScanner(isStrict)
  return ({ line }, labels) => {
    scanner.begin(line)
    const found = new Set<string>()
    while (found.size < extractions.length && scanner.readPair()) {
      for (const { label, expression } of extractions) {
        if (found.has(label) || (expression !== scanner.key && expression !== labelNameOf(scanner.key))) continue
        found.add(label)
        labels.setParsed(label, scanner.value)
      }
    }
    setFault(scanner, labels)
    for (const { label } of extractions) if (!found.has(label)) labels.setParsed(label, '')
  }
}

function setFault(scanner: LogfmtScanner, labels: LabelSet): void {
  if (scanner.fault !== '') labels.setError('LogfmtParserErr', scanner.fault)
}

/** Reads pairs one after the other; white space and control characters stand between them. */
class LogfmtScanner {
  key = ''
  value = ''
  /** What was wrong with a pair; only a strict scanner keeps it. */
  fault = ''
  readonly #isStrict: boolean
  #line = ''
  #at = 0

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict
  }

  begin(line: string): void {
    this.#line = line
    this.#at = 0
    this.fault = ''
  }

  /** The next good pair in key and value; false when there is none, or a strict scanner met a bad one. */
  readPair(): boolean {
    const line = this.#line
    for (;;) {
      while (this.#at < line.length && line.charCodeAt(this.#at) <= SPACE) this.#at++
      if (this.#at >= line.length) return false
      const wrong = this.#tryPair()
      if (wrong === '') return true
      if (this.#isStrict) {
        this.fault = `${wrong} at character ${this.#at + 1} of the line`
        return false
      }
      this.#at = this.#wordEnd(this.#at)
    }
  }

  /** Empty, or what is wrong where the position stands. */
  #tryPair(): string {
    const line = this.#line
    const start = this.#at
    let at = start
    let code = line.charCodeAt(at)
    while (code > SPACE && code !== EQUALS && code !== QUOTE) code = line.charCodeAt(++at)
    this.#at = at
    if (code === QUOTE) return "unexpected '\"' in a key"
    if (at === start) return "unexpected '=' without a key"
    this.key = line.slice(start, at)
    this.value = ''
    if (code !== EQUALS) return ''
    this.#at = ++at
    if (line.charCodeAt(at) === QUOTE) return this.#readQuoted()
    code = line.charCodeAt(at)
    while (code > SPACE && code !== EQUALS && code !== QUOTE) code = line.charCodeAt(++at)
    this.#at = at
    if (code === EQUALS) return "unexpected '=' in a value"
    if (code === QUOTE) return "unexpected '\"' in a value"
    this.value = line.slice(start + this.key.length + 1, at)
    return ''
  }

  #readQuoted(): string {
    const line = this.#line
    const start = this.#at + 1
    let hasEscape = false
    let at = start
    for (let code = line.charCodeAt(at); code !== QUOTE; code = line.charCodeAt(at)) {
      if (at >= line.length) {
        this.#at = line.length
        return 'unterminated quoted value'
      }
      if (code === 92) {
        hasEscape = true
        at++
      }
      at++
    }
    this.#at = at + 1
    const raw = line.slice(start, at)
    const value = hasEscape ? unescapeJson(raw) : raw
    if (value === undefined) return 'invalid escape in a quoted value'
    this.value = value
    return ''
  }

  #wordEnd(from: number): number {
    let at = from
    while (at < this.#line.length && this.#line.charCodeAt(at) > SPACE) at++
    return at
  }
}
