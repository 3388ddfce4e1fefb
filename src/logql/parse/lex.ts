/** Splits LogQL into tokens. Keywords are not recognised here, because they depend on the position (parse-*.ts). */

import { GatewayError } from '../../domain/errors.ts'
import { unescapeGoBytes } from '../../domain/labels.ts'
import { parseGoFloat } from '../pipeline/convert.ts'
import { parseDuration, parseSize } from './literal.ts'

interface Place {
  /** Counted from 1, columns in characters; both 0 for an empty text. */
  readonly line: number
  readonly column: number
}

export type Token = Place &
  (
    | { readonly kind: 'word'; readonly text: string }
    /** The text without quotes and escapes. */
    | { readonly kind: 'string'; readonly text: string }
    | { readonly kind: 'number'; readonly text: string; readonly value: number }
    | { readonly kind: 'duration'; readonly text: string; readonly ns: bigint }
    | { readonly kind: 'size'; readonly text: string; readonly bytes: number }
    /** `[5m]` */
    | { readonly kind: 'range'; readonly text: string; readonly ns: bigint }
    /** `--strict` */
    | { readonly kind: 'flag'; readonly text: string }
    | { readonly kind: 'symbol'; readonly text: string }
    | { readonly kind: 'end'; readonly text: '' }
  )

const WORD = /[\p{L}_][\p{L}\p{Nd}_]*/uy
/** Go's digits, with underscores between them. */
const DIGITS = String.raw`\d+(?:_\d+)*`
const HEX_DIGITS = String.raw`_?[\da-fA-F]+(?:_[\da-fA-F]+)*`
const POWER = new RegExp(`(?:${DIGITS}(?:\\.(?:${DIGITS})?)?|\\.${DIGITS})[eE][+-]?\\d+(?![\\da-zA-Z.])`, 'y')
const NUMBER = new RegExp(`${DIGITS}(?:\\.(?:${DIGITS})?)?|\\.${DIGITS}`, 'y')
/** `0x1.8p3`, hexadecimal with a power of two. */
const HEX_POWER = new RegExp(`0[xX](?:${HEX_DIGITS}(?:\\.(?:${HEX_DIGITS})?)?|\\.${HEX_DIGITS})[pP][+-]?\\d+`, 'y')
/** Go's integers of other bases, which are not LogQL numbers. */
const OTHER_BASE = /0[xXbBoO][\da-fA-F_]+/y
/** A number with its suffix: a duration, a size or neither. */
const WITH_UNIT = /(?:\d+(?:\.\d*)?|\.\d+)[a-zA-Zµμ][\da-zA-Zµμ.]*/y
const FLAG = /--[a-z-]+/y
const SYMBOLS = ['|=', '|~', '|>', '!=', '!~', '!>', '=~', '==', '>=', '<='] as const

/** All tokens, the last of kind `end`. Throws query_malformed. */
export function tokenize(text: string): Token[] {
  const lexer = new Lexer(text)
  const tokens: Token[] = []
  for (;;) {
    const token = lexer.next()
    tokens.push(token)
    if (token.kind === 'end') return tokens
  }
}

/** Loki's text for a malformed query, with the position if known. */
export function parseError(message: string, place?: Place, cause?: unknown): GatewayError {
  const where = place === undefined || place.line === 0 ? ' ' : ` at line ${place.line}, col ${place.column}`
  return new GatewayError('query_malformed', `parse error${where}: ${message}`, { cause })
}

class Lexer {
  readonly #text: string
  #at = 0
  #line = 1
  #lineStart = 0
  /** Code units of the current line beyond its characters: pairs that count as one column. */
  #pairs = 0

  constructor(text: string) {
    this.#text = text
  }

  next(): Token {
    this.#skipSpace()
    const place = this.#place()
    const char = this.#text[this.#at]
    if (char === undefined) return { ...this.#endPlace(), kind: 'end', text: '' }
    if (char === '"' || char === "'" || char === '`') return { ...place, kind: 'string', text: this.#readString(char) }
    if (char === '[') return { ...place, kind: 'range', ...this.#readRange(place) }
    const word = this.#take(WORD)
    if (word !== undefined) return { ...place, kind: 'word', text: word }
    return this.#readNumber(place) ?? this.#readSymbol(place)
  }

  #readNumber(place: Place): Token | undefined {
    const start = this.#at
    const power = this.#take(HEX_POWER) ?? this.#take(POWER)
    if (power !== undefined) return { ...place, kind: 'number', text: power, value: numberOf(power) }
    const other = this.#take(OTHER_BASE)
    if (other !== undefined) {
      throw parseError(
        `unable to parse literal as a float: strconv.ParseFloat: parsing "${shown(other)}": invalid syntax`,
      )
    }
    const united = this.#take(WITH_UNIT)
    if (united !== undefined) {
      const ns = parseDuration(united)
      if (ns !== undefined) return { ...place, kind: 'duration', text: united, ns }
      const bytes = parseSize(united)
      if (bytes !== undefined) return { ...place, kind: 'size', text: united, bytes }
      this.#at = start
    }
    const text = this.#take(NUMBER)
    if (text === undefined) return undefined
    return { ...place, kind: 'number', text, value: numberOf(text) }
  }

  #readSymbol(place: Place): Token {
    const flag = this.#take(FLAG)
    if (flag !== undefined) return { ...place, kind: 'flag', text: flag }
    const double = SYMBOLS.find((symbol) => this.#text.startsWith(symbol, this.#at))
    const text = double ?? String.fromCodePoint(this.#text.codePointAt(this.#at) as number)
    this.#advance(text.length)
    return { ...place, kind: 'symbol', text }
  }

  #readString(quote: string): string {
    const place = this.#place()
    const start = this.#at + 1
    let end = start
    for (let char = this.#text[end]; char !== quote; char = this.#text[end]) {
      if (char === undefined || (char === '\n' && quote !== '`')) throw parseError('literal not terminated', place)
      end += char === '\\' && quote !== '`' ? 2 : 1
    }
    const raw = this.#text.slice(start, end)
    this.#advance(end + 1 - this.#at)
    // Go's raw strings have no carriage returns.
    const text = quote === '`' ? raw.replaceAll('\r', '') : unescapeGoBytes(raw, quote)
    if (text === undefined) throw parseError('invalid char escape', place)
    return text
  }

  #readRange(place: Place): { text: string; ns: bigint } {
    const close = this.#text.indexOf(']', this.#at)
    if (close < 0) throw parseError("missing closing ']' in duration", place)
    const inside = this.#text.slice(this.#at + 1, close).trim()
    const ns = parseDuration(inside)
    if (ns === undefined) throw parseError(`not a valid duration string: ${JSON.stringify(shown(inside))}`, place)
    if (ns <= 0n) throw parseError('duration must be greater than 0', place)
    this.#advance(close + 1 - this.#at)
    return { text: inside, ns }
  }

  #skipSpace(): void {
    for (;;) {
      const char = this.#text[this.#at]
      if (char === '#') {
        const end = this.#text.indexOf('\n', this.#at)
        this.#advance((end < 0 ? this.#text.length : end) - this.#at)
      } else if (char === ' ' || char === '\t' || char === '\r' || char === '\n') this.#advance(1)
      else return
    }
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const text = pattern.exec(this.#text)?.[0]
    if (text !== undefined) this.#advance(text.length)
    return text
  }

  #advance(units: number): void {
    const end = this.#at + units
    for (; this.#at < end; this.#at++) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === 0x0a) {
        this.#line++
        this.#lineStart = this.#at + 1
        this.#pairs = 0
      } else if (code >= 0xdc00 && code <= 0xdfff) this.#pairs++
    }
  }

  #place(): Place {
    return { line: this.#line, column: this.#at - this.#lineStart - this.#pairs + 1 }
  }

  /** Like Loki's scanner, which places the end of an empty text, or of one that ends with a newline, after it. */
  #endPlace(): Place {
    if (this.#text.length === 0) return { line: 0, column: 0 }
    if (this.#text[this.#at - 1] !== '\n') return this.#place()
    const before = this.#at < 2 ? -1 : this.#text.lastIndexOf('\n', this.#at - 2)
    return { line: this.#line - 1, column: [...this.#text.slice(before + 1, this.#at)].length }
  }
}

/** Parses a number in Go's syntax; too large a number is infinite. */
function numberOf(text: string): number {
  const plain = text.replaceAll('_', '')
  return parseGoFloat(plain) ?? Number(plain)
}

const SHOWN_CHARS_MAX = 100

function shown(text: string): string {
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}...`
}
