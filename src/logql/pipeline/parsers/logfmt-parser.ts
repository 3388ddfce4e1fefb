/** `| logfmt`: `key=value key="quoted value"` as labels. */

import type { LabelExtraction, LogfmtStage } from '../../parse/syntax.ts'
import { labelNameOf, NAME_CHARS_MAX } from '../label-name.ts'
import type { LabelSet } from '../label-set.ts'
import type { EntryParser } from './json-parser.ts'
import { undoEscapes } from './json-scanner.ts'
import { ALL_LABELS, type ParserHint } from './parser-hint.ts'

const QUOTE = 34
const EQUALS = 61
const SPACE = 32
/** The texts of Loki's decoder, which `__error_details__` shows. */
const UNEXPECTED_QUOTE = "unexpected '\"'"
const UNEXPECTED_EQUALS = "unexpected '='"
const INVALID_QUOTED = 'invalid quoted value'
const UTF8 = new TextEncoder()

/**
 * Pairs without a value are skipped unless `keepsEmpty`; an invalid pair is skipped, or, if `isStrict`, ends the line
 * with an error; of duplicate keys the first is kept.
 */
export function compileLogfmtParser(
  stage: Pick<LogfmtStage, 'isStrict' | 'keepsEmpty' | 'extractions'>,
  hint: ParserHint = ALL_LABELS,
): EntryParser {
  const { isStrict, keepsEmpty, extractions } = stage
  if (extractions.length > 0) return compileExtractions(extractions, isStrict, hint)
  const scanner = new LogfmtScanner(isStrict)
  return ({ line }, labels) => {
    // A strict parser must check the rest for errors.
    const open = isStrict ? Number.POSITIVE_INFINITY : hint.openIn(labels)
    if (open === 0) return
    scanner.begin(line)
    let count = 0
    while (scanner.readPair()) {
      const name = wantedName(scanner, hint)
      if (name === undefined || (scanner.isEmpty && !keepsEmpty)) continue
      // Invalid characters become spaces, as in JSON.
      if (labels.setParsed(name, scanner.value.replaceAll('\ufffd', ' ')) && (isStrict || !labels.isTaken(name)))
        count++
      if (count >= open || hint.isSatisfied(count)) return
    }
    setFault(scanner, labels)
  }
}

/** The label name of the last pair; undefined if it is not needed or has none. */
function wantedName(scanner: LogfmtScanner, hint: ParserHint): string | undefined {
  if (scanner.hasPlainKey && !hint.wantsAll) return scanner.keyIn(hint)
  const name = labelNameOf(scanner.key)
  return name === '' || name.length > NAME_CHARS_MAX || !hint.wants(name) ? undefined : name
}

/**
 * With expressions, labels that no source with higher precedence has are initially empty, and each matching pair
 * replaces the previous value; beside such a source the first pair counts. A pair whose key no expression names, and
 * that is called like a label, sets that label. Of two expressions for one label the last counts.
 */
function compileExtractions(extractions: readonly LabelExtraction[], isStrict: boolean, hint: ParserHint): EntryParser {
  const scanner = new LogfmtScanner(isStrict)
  const expressions = new Map(extractions.map(({ label, expression }) => [label, expression]))
  const byKey = new Map<string, string[]>([...expressions.keys()].map((label) => [label, [label]]))
  for (const expression of expressions.values()) byKey.set(expression, [])
  for (const [label, expression] of expressions) byKey.get(expression)?.push(label)
  return ({ line }, labels) => {
    scanner.begin(line)
    for (const label of expressions.keys()) if (!labels.isTaken(label)) labels.replaceParsed(label, '')
    const labelsSet = new Set<string>()
    while (!hint.isSatisfied(labelsSet.size) && scanner.readPair()) {
      const key = labelNameOf(scanner.key)
      const value = scanner.value.includes('\ufffd') ? '' : scanner.value
      for (const label of byKey.get(key) ?? byKey.get(scanner.key) ?? []) {
        if (!labels.isTaken(label)) labels.replaceParsed(label, value)
        else labels.setParsed(label, value)
        labelsSet.add(label)
      }
    }
    setFault(scanner, labels)
  }
}

function setFault(scanner: LogfmtScanner, labels: LabelSet): void {
  if (scanner.fault !== '') labels.setError('LogfmtParserErr', scanner.fault)
}

/** 1 for the characters of label names. */
const PLAIN = Uint8Array.from({ length: 128 }, (_, code) => (/\w/.test(String.fromCharCode(code)) ? 1 : 0))

/**
 * Reads pairs one by one, separated by white space and control characters. Texts are only sliced from the line on
 * request.
 */
class LogfmtScanner {
  /** True if the key is a valid label name. */
  hasPlainKey = false
  /** The fault of a pair; only kept by a strict scanner. */
  fault = ''
  readonly #isStrict: boolean
  #line = ''
  #at = 0
  #keyStart = 0
  #keyEnd = 0
  #valueStart = 0
  #valueEnd = 0
  /** The value if it is not a part of the line. */
  #unescaped: string | undefined

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict
  }

  begin(line: string): void {
    this.#line = line
    this.#at = 0
    this.fault = ''
  }

  get key(): string {
    return this.#line.slice(this.#keyStart, this.#keyEnd)
  }

  get value(): string {
    return this.#unescaped ?? this.#line.slice(this.#valueStart, this.#valueEnd)
  }

  get isEmpty(): boolean {
    return this.#unescaped === undefined ? this.#valueStart === this.#valueEnd : this.#unescaped === ''
  }

  /** The key as one of the hint's names, without slicing it. */
  keyIn(hint: ParserHint): string | undefined {
    return hint.nameAt(this.#line, this.#keyStart, this.#keyEnd)
  }

  /** Reads the next valid pair into key and value; false if there is none, or a strict scanner found an invalid one. */
  readPair(): boolean {
    const line = this.#line
    for (;;) {
      while (this.#at < line.length && line.charCodeAt(this.#at) <= SPACE) this.#at++
      if (this.#at >= line.length) return false
      const wrong = this.#tryPair()
      if (wrong === '') return true
      if (this.#isStrict) {
        this.fault = `logfmt syntax error at pos ${this.#position()} : ${wrong}`
        return false
      }
      if (wrong !== INVALID_QUOTED) this.#at = this.#wordEnd(this.#at)
    }
  }

  /** The position in bytes, from 1. */
  #position(): number {
    return UTF8.encode(this.#line.slice(0, this.#at)).length + 1
  }

  /** Returns the fault at the position, or an empty text. */
  #tryPair(): string {
    const line = this.#line
    const start = this.#at
    let at = start
    let code = line.charCodeAt(at)
    // A name does not start with a digit.
    let isPlain = code < 48 || code > 57
    let isText = true
    while (code > SPACE && code !== EQUALS && code !== QUOTE) {
      if (code >= 128 || PLAIN[code] === 0) isPlain = false
      if (code === 0xfffd) isText = false
      code = line.charCodeAt(++at)
    }
    this.#at = at
    if (code === QUOTE) return UNEXPECTED_QUOTE
    if (at === start) return UNEXPECTED_EQUALS
    if (!isText) return 'invalid key'
    this.hasPlainKey = isPlain && at - start <= NAME_CHARS_MAX
    this.#keyStart = start
    this.#keyEnd = at
    this.#unescaped = undefined
    this.#valueStart = at
    this.#valueEnd = at
    if (code !== EQUALS) return ''
    this.#at = ++at
    const valueStart = at
    if (line.charCodeAt(at) === QUOTE) return this.#readQuoted()
    code = line.charCodeAt(at)
    while (code > SPACE && code !== EQUALS && code !== QUOTE) code = line.charCodeAt(++at)
    this.#at = at
    if (code === EQUALS) return UNEXPECTED_EQUALS
    if (code === QUOTE) return UNEXPECTED_QUOTE
    this.#valueStart = valueStart
    this.#valueEnd = at
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
    this.#valueStart = start
    this.#valueEnd = at
    if (!hasEscape) return ''
    // As in Go's decoder of JSON strings, a lone surrogate becomes the replacement character.
    this.#unescaped = undoEscapes(line.slice(start, at), true)?.toWellFormed()
    return this.#unescaped === undefined ? INVALID_QUOTED : ''
  }

  #wordEnd(from: number): number {
    let at = from
    while (at < this.#line.length && this.#line.charCodeAt(at) > SPACE) at++
    return at
  }
}
