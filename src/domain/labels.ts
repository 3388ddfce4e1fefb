/** Label sets: formatting, parsing, sorting. */

import { GatewayError } from './errors.ts'

export interface Label {
  readonly name: string
  readonly value: string
}

/** The labels of a stream: sorted by name, without duplicate names or empty values. */
export type Labels = readonly Label[]

const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/
/**
 * Everything except what Go's strconv.IsPrint accepts: letters, marks, numbers, punctuation, symbols and the ASCII
 * space.
 */
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu
const NEEDS_QUOTING = /["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

export function isLabelName(name: string): boolean {
  return LABEL_NAME.test(name)
}

/**
 * Compares texts by UTF-16 units, which for label names and almost all values is also the order of their UTF-8 bytes.
 */
export function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

/** Sorts by name and drops empty values; keeps duplicate names, which the caller rejects. */
export function sortLabels(labels: readonly Label[]): Labels {
  return labels.filter((label) => label.value !== '').sort((a, b) => compareText(a.name, b.name))
}

/** The first duplicate name in sorted labels, or undefined. */
export function duplicateName(labels: Labels): string | undefined {
  for (let i = 1; i < labels.length; i++) {
    const name = (labels[i] as Label).name
    if (name === (labels[i - 1] as Label).name) return name
  }
  return undefined
}

/** The value of `name`; the empty string for a missing label, as everywhere in Loki. */
export function labelValue(labels: Labels, name: string): string {
  for (const label of labels) if (label.name === name) return label.value
  return ''
}

/** Adds a label in order; `labels` must not contain the name. */
export function withLabel(labels: Labels, name: string, value: string): Labels {
  return sortLabels([...labels, { name, value }])
}

/** Quotes like Go's strconv.Quote. */
export function quoteGo(text: string): string {
  if (!NEEDS_QUOTING.test(text)) return `"${text}"`
  return `"${text.replace(/["\\]/g, '\\$&').replace(UNPRINTABLE, escapeGo)}"`
}

function escapeGo(char: string): string {
  const short = SHORT_ESCAPES[char]
  if (short !== undefined) return short
  const code = char.codePointAt(0) as number
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  // UTF-8 cannot encode a lone surrogate: Go would see the replacement character.
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd'
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}

/** Loki's text of a label set, `{a="b", c="d"}`: the identity of a stream, also shown in error messages. */
export function formatLabels(labels: Labels): string {
  let text = '{'
  for (const { name, value } of labels) {
    if (text.length > 1) text += ', '
    text += `${isLabelName(name) ? name : quoteGo(name)}=${quoteGo(value)}`
  }
  return `${text}}`
}

/**
 * Parses a label string as clients send it, `{name="value", other='value', raw=\`value\`}`: any white space between
 * tokens, a trailing comma, Go escapes (`\xHH` and octal are UTF-8 bytes), quoted names. Empty values are dropped.
 *
 * See the Prometheus text parser (ParseMetric), which Loki calls. Throws body_malformed with Loki's error text.
 */
export function parseLabels(text: string): Labels {
  const reader = new LabelReader(text)
  const labels = reader.readSet()
  return sortLabels(labels)
}

class LabelReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  readSet(): Label[] {
    const labels: Label[] = []
    this.#skipSpace()
    this.#expect('{')
    for (;;) {
      this.#skipSpace()
      if (this.#text[this.#at] === '}') break
      const name = this.#readName()
      this.#skipSpace()
      if (this.#text[this.#at] !== '=') this.#failWithin('"="')
      this.#at++
      this.#skipSpace()
      labels.push({ name, value: this.#readQuoted() })
      this.#skipSpace()
      if (this.#text[this.#at] === ',') this.#at++
      else if (this.#text[this.#at] !== '}') this.#failWithin('"," or "}"')
    }
    this.#at++
    this.#skipSpace()
    if (this.#at < this.#text.length) this.#fail('the end')
    return labels
  }

  #readName(): string {
    const first = this.#text[this.#at]
    if (first === '"' || first === "'" || first === '`') {
      const name = this.#readQuoted()
      if (name === '') this.#fail('a label name')
      return name
    }
    const start = this.#at
    while (/[a-zA-Z0-9_]/.test(this.#text[this.#at] ?? '')) this.#at++
    const name = this.#text.slice(start, this.#at)
    if (!isLabelName(name)) {
      this.#at = start
      this.#failWithin('a label name')
    }
    return name
  }

  #readQuoted(): string {
    const quote = this.#text[this.#at]
    if (quote !== '"' && quote !== "'" && quote !== '`') this.#fail('a quoted value')
    const start = ++this.#at
    if (quote === '`') {
      const end = this.#text.indexOf('`', start)
      if (end < 0) this.#fail('a closing "`"')
      this.#at = end + 1
      return this.#text.slice(start, end)
    }
    while (this.#at < this.#text.length && this.#text[this.#at] !== quote) {
      if (this.#text[this.#at] === '\n') this.#fail('a closing quote before the end of the line')
      this.#at += this.#text[this.#at] === '\\' ? 2 : 1
    }
    if (this.#at >= this.#text.length) this.#fail('a closing quote')
    const raw = this.#text.slice(start, this.#at++)
    const value = unescapeGo(raw, quote as string)
    if (value === undefined) this.#fail('valid escapes')
    return value as string
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
  }

  #expect(char: string): void {
    if (this.#text[this.#at] !== char) this.#fail(`"${char}"`)
    this.#at++
  }

  /** Throws for an unexpected character, with the error text of Prometheus' lexer. */
  #failWithin(wanted: string): never {
    const code = this.#text.codePointAt(this.#at)
    if (code === undefined) this.#fail(wanted)
    this.#fail(wanted, `unexpected character inside braces: '${String.fromCodePoint(code as number)}', `)
  }

  #fail(wanted: string, found = ''): never {
    const column = this.#at + 1
    throw new GatewayError('body_malformed', `1:${column}: parse error: ${found}expected ${wanted} at column ${column}`)
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
}
const ESCAPE = /\\(?:([abfnrtv\\"'])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|)/g
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const UTF8 = new TextEncoder()

/**
 * Undoes Go's escapes in the inside of a quoted string; undefined where Go's strconv.Unquote would refuse it or
 * the bytes are not UTF-8. `quote` is the quote that surrounded it: the other one may not be escaped in Go.
 */
export function unescapeGo(raw: string, quote: string): string | undefined {
  if (!raw.includes('\\')) return raw
  const bytes = unescapedBytes(raw, quote)
  if (bytes === undefined) return undefined
  try {
    return STRICT_UTF8.decode(bytes)
  } catch {
    return undefined // bytes that are no UTF-8: the one thing that decode refuses
  }
}

/**
 * The same for text whose bytes need not be UTF-8, as a Go string may have any: each byte that is not part of a character
 * becomes the lone surrogate U+DC00 + byte, which no text in UTF-8 has. See bytesOfText for the way back.
 */
export function unescapeGoBytes(raw: string, quote: string): string | undefined {
  const text = unescapeGo(raw, quote)
  const bytes = text === undefined ? unescapedBytes(raw, quote) : undefined
  if (bytes === undefined) return text
  let decoded = ''
  for (let at = 0; at < bytes.length; ) {
    const character = characterAt(bytes, at)
    decoded += character?.text ?? String.fromCharCode(LONE_BYTE + (bytes[at] as number))
    at += character?.length ?? 1
  }
  return decoded
}

/** The bytes of a text of unescapeGoBytes: UTF-8, but for its lone bytes. */
export function bytesOfText(text: string): Uint8Array {
  if (text.isWellFormed()) return UTF8.encode(text)
  const bytes: number[] = []
  for (const character of text) {
    const byte = character.charCodeAt(0) - LONE_BYTE
    if (character.length === 1 && byte >= 0x80 && byte <= 0xff) bytes.push(byte)
    else pushUtf8(bytes, character)
  }
  return Uint8Array.from(bytes)
}

const LONE_BYTE = 0xdc00
const CHARACTER_BYTES_MAX = 4

/** The character that begins there; undefined if none does. */
function characterAt(bytes: Uint8Array, at: number): { readonly text: string; readonly length: number } | undefined {
  for (let length = 1; length <= CHARACTER_BYTES_MAX && at + length <= bytes.length; length++) {
    try {
      return { text: STRICT_UTF8.decode(bytes.subarray(at, at + length)), length }
    } catch {
      // Not a whole character yet, or none.
    }
  }
  return undefined
}

/** Undefined for an escape that Go refuses. */
function unescapedBytes(raw: string, quote: string): Uint8Array | undefined {
  const bytes: number[] = []
  let last = 0
  for (const match of raw.matchAll(ESCAPE)) {
    pushUtf8(bytes, raw.slice(last, match.index))
    last = match.index + match[0].length
    const [, simple, hex, octal, short, long] = match
    if (simple !== undefined) {
      if ((simple === '"' || simple === "'") && simple !== quote) return undefined
      pushUtf8(bytes, SIMPLE_ESCAPES[simple] as string)
    } else if (hex !== undefined) bytes.push(Number.parseInt(hex, 16))
    else if (octal !== undefined) {
      const byte = Number.parseInt(octal, 8)
      if (byte > 255) return undefined
      bytes.push(byte)
    } else {
      const code = Number.parseInt(short ?? long ?? '', 16)
      if (Number.isNaN(code) || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined
      pushUtf8(bytes, String.fromCodePoint(code))
    }
  }
  pushUtf8(bytes, raw.slice(last))
  return Uint8Array.from(bytes)
}

function pushUtf8(bytes: number[], text: string): void {
  for (const byte of UTF8.encode(text)) bytes.push(byte)
}
