/** Walks over JSON bytes without creating values: checks the grammar, and reports the positions of strings. */

import { GatewayError } from '../../domain/errors.ts'

export const BRACE = 0x7b
export const BRACE_END = 0x7d
export const BRACKET = 0x5b
export const BRACKET_END = 0x5d
export const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const LETTER_U = 0x75
/** Maximum nesting of arrays and objects; clients nest only a few levels. */
const DEPTH_MAX = 128

/** How a byte in a string is handled: 0 is skipped, others are inspected. */
const STRING_BYTES = new Uint8Array(256)
STRING_BYTES.fill(1, 0, 0x20)
STRING_BYTES[QUOTE] = 1
STRING_BYTES[BACKSLASH] = 1

/** The byte for a character after a backslash; 0 if invalid. */
const ESCAPED = new Uint8Array(256)
for (const pair of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'])
  ESCAPED[pair.charCodeAt(0)] = pair.charCodeAt(1)

/**
 * A position in JSON bytes: RFC 8259, except that UTF-8 is not validated (a line keeps its bytes). Every method first
 * skips white space; `pass…` methods validate a value and move past it. All throw body_malformed with the position but
 * not the text.
 */
export class JsonCursor {
  at = 0
  /** The contents of the last string passed, and whether they contain escapes. */
  start = 0
  end = 0
  hasEscapes = false
  readonly #bytes: Buffer
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    // A byte order mark, which some Windows clients send.
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.at = 3
  }

  /** The first byte of the next token; 0 at the end. */
  peek(): number {
    const bytes = this.#bytes
    while (this.at < bytes.length) {
      const byte = bytes[this.at] as number
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return byte
      this.at++
    }
    return 0
  }

  /** Enters an array or object that starts with `open`; if it is empty, leaves it and returns false. */
  enter(open: number, close: number): boolean {
    this.#expect(open)
    if (this.peek() !== close) return true
    this.at++
    return false
  }

  /** After a value of an array or object: true if another follows; otherwise leaves it and returns false. */
  continues(close: number): boolean {
    const byte = this.peek()
    if (byte !== COMMA && byte !== close) throw this.malformed(`"," or "${String.fromCharCode(close)}"`)
    this.at++
    return byte === COMMA
  }

  /** Passes a key and its colon, and returns the key. */
  readKey(): string {
    this.passKey()
    return this.readString()
  }

  /** Passes a key and its colon. */
  passKey(): void {
    this.passString()
    this.#expect(COLON)
  }

  passString(): void {
    this.#expect(QUOTE)
    const bytes = this.#bytes
    this.start = this.at
    this.hasEscapes = false
    let at = this.at
    for (;;) {
      // Escapes tend to come close together: eight bytes at a time would cost more than it saves.
      if (!this.hasEscapes) at = passPlain(this.#view, at)
      while (at < bytes.length && STRING_BYTES[bytes[at] as number] === 0) at++
      const byte = at < bytes.length ? bytes[at] : 0
      if (byte === QUOTE) break
      if (byte === BACKSLASH && at + 1 < bytes.length && ESCAPED[bytes[at + 1] as number] !== 0) {
        this.hasEscapes = true
        at += 2
        continue
      }
      if (byte !== BACKSLASH) {
        this.at = at
        throw this.malformed(at < bytes.length ? 'an escape for a control character' : 'a closing quote')
      }
      this.hasEscapes = true
      at = this.#passUnicodeEscape(at)
    }
    this.end = at
    this.at = at + 1
  }

  /** The last string passed, decoded. */
  readString(): string {
    if (!this.hasEscapes) return this.#bytes.toString('utf8', this.start, this.end)
    const copy = Buffer.from(this.#bytes.subarray(this.start, this.end))
    return copy.toString('utf8', 0, unescapeJson(copy, 0, copy.length))
  }

  /** The raw text between two positions. */
  readRaw(start: number, end: number): string {
    return this.#bytes.toString('utf8', start, end)
  }

  /** Skips null; returns whether it was there. */
  takeNull(): boolean {
    if (this.peek() !== 0x6e) return false
    this.#passWord('null')
    return true
  }

  passValue(depth = 0): void {
    const byte = this.peek()
    if (byte === QUOTE) this.passString()
    else if (byte === BRACE || byte === BRACKET) this.#passNested(byte, depth)
    else if (byte === 0x74) this.#passWord('true')
    else if (byte === 0x66) this.#passWord('false')
    else if (byte === 0x6e) this.#passWord('null')
    else this.#passNumber()
  }

  /** Whether only white space follows. */
  isAtEnd(): boolean {
    this.peek()
    return this.at >= this.#bytes.length
  }

  /** The type of the next value, for error texts; undefined if there is no value. */
  kind(): string | undefined {
    const byte = this.peek()
    switch (byte) {
      case QUOTE:
        return 'a string'
      case BRACE:
        return 'an object'
      case BRACKET:
        return 'an array'
      case 0x74:
      case 0x66:
        return 'a boolean'
      case 0x6e:
        return 'null'
      default:
        return byte === MINUS || isDigit(byte) ? 'a number' : undefined
    }
  }

  malformed(wanted: string): GatewayError {
    const hint = this.at < this.#bytes.length ? '' : ', where the body ends'
    return new GatewayError('body_malformed', `body is not valid JSON: expected ${wanted} at byte ${this.at}${hint}`)
  }

  #expect(byte: number): void {
    if (this.peek() !== byte) throw this.malformed(`'${String.fromCharCode(byte)}'`)
    this.at++
  }

  /** Validates the escape at a backslash, and returns the position after it. */
  #passUnicodeEscape(at: number): number {
    const bytes = this.#bytes
    if (at + 6 <= bytes.length && bytes[at + 1] === LETTER_U && hexValue(bytes, at + 2) >= 0) return at + 6
    this.at = at
    throw this.malformed('a valid escape')
  }

  #passNested(open: number, depth: number): void {
    if (depth >= DEPTH_MAX) throw this.malformed(`at most ${DEPTH_MAX} levels of nesting`)
    const close = open === BRACE ? BRACE_END : BRACKET_END
    for (let more = this.enter(open, close); more; more = this.continues(close)) {
      if (open === BRACE) this.passKey()
      this.passValue(depth + 1)
    }
  }

  #passWord(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.#byteAt(this.at + i) !== word.charCodeAt(i)) throw this.malformed('a value')
    }
    this.at += word.length
  }

  #passNumber(): void {
    const start = this.at
    if (this.#byteAt(this.at) === MINUS) this.at++
    if (this.#byteAt(this.at) === ZERO) this.at++
    else this.#passDigits(start)
    if (this.#byteAt(this.at) === DOT) {
      this.at++
      this.#passDigits(start)
    }
    if ((this.#byteAt(this.at) | 0x20) === 0x65) {
      const sign = this.#byteAt(++this.at)
      if (sign === MINUS || sign === 0x2b) this.at++
      this.#passDigits(start)
    }
  }

  #passDigits(start: number): void {
    const first = this.at
    while (isDigit(this.#byteAt(this.at))) this.at++
    if (this.at > first) return
    this.at = start
    throw this.malformed('a value')
  }

  #byteAt(at: number): number {
    return at < this.#bytes.length ? (this.#bytes[at] as number) : 0
  }
}

/**
 * Advances while the next eight bytes are plain: no quote, no backslash, none below 0x20. Twice as fast as byte by
 * byte: for each byte b of a word, (b - n) & ~b has the high bit set if b is below n, and possibly if a lower byte is.
 */
function passPlain(view: DataView, start: number): number {
  const last = view.byteLength - 8
  let at = start
  while (at <= last) {
    const a = view.getInt32(at, true)
    const b = view.getInt32(at + 4, true)
    const quoteA = a ^ 0x22222222
    const quoteB = b ^ 0x22222222
    const slashA = a ^ 0x5c5c5c5c
    const slashB = b ^ 0x5c5c5c5c
    const low = ((a - 0x20202020) & ~a) | ((b - 0x20202020) & ~b)
    const quote = ((quoteA - 0x01010101) & ~quoteA) | ((quoteB - 0x01010101) & ~quoteB)
    const slash = ((slashA - 0x01010101) & ~slashA) | ((slashB - 0x01010101) & ~slashB)
    if (((low | quote | slash) & 0x80808080) !== 0) break
    at += 8
  }
  return at
}

/**
 * Decodes the escapes of a validated string's contents [start, end) in place, because an escape is never shorter than
 * its bytes. A lone surrogate becomes U+FFFD. Returns the new end.
 */
export function unescapeJson(bytes: Uint8Array, start: number, end: number): number {
  let to = bytes.indexOf(BACKSLASH, start)
  if (to < 0 || to >= end) return end
  let from = to
  while (from < end) {
    while (from < end && bytes[from] !== BACKSLASH) bytes[to++] = bytes[from++] as number
    if (from === end) break
    const letter = bytes[from + 1] as number
    if (letter !== LETTER_U) {
      bytes[to++] = ESCAPED[letter] as number
      from += 2
      continue
    }
    let code = hexValue(bytes, from + 2)
    from += 6
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code < 0xdc00 && isUnicodeEscape(bytes, from, end) ? hexValue(bytes, from + 2) : 0
      const isPair = low >= 0xdc00 && low <= 0xdfff
      code = isPair ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd
      if (isPair) from += 6
    }
    to = writeUtf8(bytes, to, code)
  }
  return to
}

function isUnicodeEscape(bytes: Uint8Array, at: number, end: number): boolean {
  return at + 6 <= end && bytes[at] === BACKSLASH && bytes[at + 1] === LETTER_U
}

function writeUtf8(bytes: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    bytes[at++] = code
    return at
  }
  if (code < 0x800) bytes[at++] = 0xc0 | (code >> 6)
  else {
    if (code < 0x10000) bytes[at++] = 0xe0 | (code >> 12)
    else {
      bytes[at++] = 0xf0 | (code >> 18)
      bytes[at++] = 0x80 | ((code >> 12) & 0x3f)
    }
    bytes[at++] = 0x80 | ((code >> 6) & 0x3f)
  }
  bytes[at++] = 0x80 | (code & 0x3f)
  return at
}

/** The value of four hexadecimal digits; negative if they are invalid. */
function hexValue(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i] as number
    const letter = (byte | 0x20) - 0x61
    const digit = isDigit(byte) ? byte - ZERO : letter >= 0 && letter < 6 ? letter + 10 : -1
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  return value
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39
}
