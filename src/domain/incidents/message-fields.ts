/** Finds the message and the error of a structured line, over its bytes. */

import { CLASS, endOf, isOf, KEY_END, SPACE } from './byte-classes.ts'

/** Names of message fields, in order of precedence. */
const MESSAGE_FIELDS = ['message', 'msg', '@message', 'event', 'body', 'log', 'errorMessage'] as const
/** Names of fields that distinguish errors with the same message. */
const ERROR_FIELDS = ['error', 'err', 'exception', 'errorType', 'exception.type', 'error.type', 'code'] as const
/** Names of fields in an object that is an error or a message. */
const NESTED_FIELDS = ['type', 'name', 'message'] as const
/** Starts and ends of the field names that represent a line without a message: 20 names. */
const NAMES_MAX = 40

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COLON = 0x3a
const COMMA = 0x2c
const EQUALS = 0x3d

const bytesOf = (name: string): Uint8Array => new TextEncoder().encode(name)

/** A field name and its role. */
interface Field {
  readonly bytes: Uint8Array
  /** Its rank as a message and as an error; the lowest wins. */
  readonly message: number
  readonly error: number
}

const NO_RANK = 99
/** Grouped by length, so that few names are compared. */
const FIELDS_BY_LENGTH: readonly (readonly Field[] | undefined)[] = byLength(
  [...new Set([...MESSAGE_FIELDS, ...ERROR_FIELDS])].map((name) => ({
    bytes: bytesOf(name),
    message: rankIn(MESSAGE_FIELDS, name),
    error: rankIn(ERROR_FIELDS, name),
  })),
)
const NESTED_BYTES: readonly Uint8Array[] = NESTED_FIELDS.map(bytesOf)
const MESSAGE_KEY = bytesOf('message')
const MSG_KEY = bytesOf('msg')
const ERROR_KEY = bytesOf('error')
const ERR_KEY = bytesOf('err')

/** A part of the text. */
interface Span {
  start: number
  end: number
}

/** Describes the last line read; reused for every line. */
export class MessageFields {
  readonly message: Span = { start: 0, end: 0 }
  readonly error: Span = { start: 0, end: 0 }
  /** Starts and ends of the field names of an object without a message, alternating. */
  readonly names: Uint32Array = new Uint32Array(NAMES_MAX)
  /** Number of valid positions in `names`. */
  namePlaces = 0
  hasMessage = false
  hasError = false
  #messageRank = NO_RANK
  #errorRank = NO_RANK

  /** Reads text[start, end), which starts with a brace, as JSON without validating it. */
  readJson(text: Uint8Array, start: number, end: number): void {
    this.#clear()
    let i = startOfKey(text, start + 1, end)
    while (i < end && text[i] === QUOTE) {
      const keyEnd = endOfString(text, i + 1, end)
      const valueStart = startOfValue(text, keyEnd, end)
      let next = keyEnd + 1
      if (valueStart > keyEnd) {
        const valueEnd = endOfValue(text, valueStart, end)
        this.#member(text, i + 1, keyEnd, valueStart, valueEnd)
        next = valueEnd > valueStart ? valueEnd : valueStart + 1
      }
      i = startOfKey(text, next, end)
    }
  }

  #member(text: Uint8Array, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    if (!this.hasMessage && this.namePlaces < NAMES_MAX) {
      this.names[this.namePlaces++] = keyStart
      this.names[this.namePlaces++] = keyEnd
    }
    const field = findField(text, keyStart, keyEnd)
    if (field === undefined) return
    if (field.message < this.#messageRank && setSpan(this.message, text, valueStart, valueEnd)) {
      this.#messageRank = field.message
      this.hasMessage = true
    }
    if (field.error < this.#errorRank && setSpan(this.error, text, valueStart, valueEnd)) {
      this.#errorRank = field.error
      this.hasError = true
    }
  }

  /** Reads the first line of text[start, end) as logfmt and looks for `msg=` and `err=`, or their long names. */
  readLogfmt(text: Uint8Array, start: number, end: number): void {
    this.#clear()
    for (let i = keyEndAfter(text, start, end); i < end; i = keyEndAfter(text, i + 1, end)) {
      if (text[i] !== EQUALS) break
      const last = text[i - 1]
      if (last === 0x67) {
        if (isKey(text, start, i, MSG_KEY)) i = this.#setLogfmt(true, 1, text, i + 1, end)
      } else if (last === 0x65) {
        if (isKey(text, start, i, MESSAGE_KEY)) i = this.#setLogfmt(true, 0, text, i + 1, end)
      } else if (last === 0x72) {
        if (isKey(text, start, i, ERROR_KEY)) i = this.#setLogfmt(false, 0, text, i + 1, end)
        else if (isKey(text, start, i, ERR_KEY)) i = this.#setLogfmt(false, 1, text, i + 1, end)
      }
    }
    if (!this.hasMessage || this.error.start === this.error.end) this.hasError = false
  }

  /** Records a value that starts at `at`, and returns its last byte. */
  #setLogfmt(isMessage: boolean, rank: number, text: Uint8Array, at: number, end: number): number {
    const isQuoted = text[at] === QUOTE
    const start = isQuoted ? at + 1 : at
    let valueEnd = start
    if (isQuoted) {
      valueEnd = endOfString(text, start, end)
      // An unclosed quote is not a value.
      if (valueEnd >= end) return at
    } else while (valueEnd < end && !isOf(text, valueEnd, SPACE) && text[valueEnd] !== QUOTE) valueEnd++
    if (!isQuoted && valueEnd === start) return at - 1
    if (rank < (isMessage ? this.#messageRank : this.#errorRank)) {
      const span = isMessage ? this.message : this.error
      span.start = start
      span.end = valueEnd
      if (isMessage) {
        this.#messageRank = rank
        this.hasMessage = true
      } else {
        this.#errorRank = rank
        this.hasError = true
      }
    }
    return isQuoted ? valueEnd : valueEnd - 1
  }

  #clear(): void {
    this.namePlaces = 0
    this.hasMessage = false
    this.hasError = false
    this.#messageRank = NO_RANK
    this.#errorRank = NO_RANK
  }
}

/** The next sign after a key, or the end of the line. A tight loop of its own, for speed. */
function keyEndAfter(text: Uint8Array, at: number, end: number): number {
  let i = at
  while (i < end && ((CLASS[text[i] as number] as number) & KEY_END) === 0) i++
  return i
}

/** True if the bytes before `at` are the key, at the start or after white space. */
function isKey(text: Uint8Array, start: number, at: number, key: Uint8Array): boolean {
  const from = at - key.length
  return from >= start && (from === start || isOf(text, from - 1, SPACE)) && isAt(text, from, key)
}

/** Sets the span to a visible string, or to one inside an object; false if there is none. */
function setSpan(span: Span, text: Uint8Array, start: number, end: number): boolean {
  if (text[start] === QUOTE) return setString(span, text, start, end)
  if (text[start] !== OPEN_BRACE) return false
  return NESTED_BYTES.some((name) => {
    const value = findMember(text, start, end, name)
    return value !== undefined && text[value] === QUOTE && setString(span, text, value, end)
  })
}

function setString(span: Span, text: Uint8Array, start: number, end: number): boolean {
  const valueEnd = endOfString(text, start + 1, end)
  if (endOf(text, start + 1, valueEnd, SPACE) >= valueEnd) return false
  span.start = start + 1
  span.end = valueEnd
  return true
}

/** The start of the value of the member `name` of the object at `start`; undefined if there is none. */
function findMember(text: Uint8Array, start: number, end: number, name: Uint8Array): number | undefined {
  let i = start + 1
  while (i < end && text[i] !== CLOSE_BRACE) {
    if (text[i] !== QUOTE) {
      i++
      continue
    }
    const keyEnd = endOfString(text, i + 1, end)
    const valueStart = startOfValue(text, keyEnd, end)
    if (valueStart === keyEnd) {
      i = keyEnd + 1
      continue
    }
    if (keyEnd - i - 1 === name.length && isAt(text, i + 1, name)) return valueStart
    i = Math.max(endOfValue(text, valueStart, end), valueStart + 1)
  }
  return undefined
}

/** The next quote, or the brace that closes the object, or the end. */
function startOfKey(text: Uint8Array, at: number, end: number): number {
  let i = at
  while (i < end && text[i] !== QUOTE && text[i] !== CLOSE_BRACE) i++
  return i
}

/** The start of the value after the key that ends at `keyEnd`; `keyEnd` if it is not a key. */
function startOfValue(text: Uint8Array, keyEnd: number, end: number): number {
  let i = keyEnd + 1
  while (i < end && isOf(text, i, SPACE)) i++
  if (i >= end || text[i] !== COLON) return keyEnd
  i++
  while (i < end && isOf(text, i, SPACE)) i++
  return i
}

function endOfValue(text: Uint8Array, start: number, end: number): number {
  const first = text[start]
  if (first === QUOTE) return Math.min(endOfString(text, start + 1, end) + 1, end)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfNested(text, start, end)
  let i = start
  while (i < end && text[i] !== COMMA && text[i] !== CLOSE_BRACE) i++
  return i
}

function endOfNested(text: Uint8Array, start: number, end: number): number {
  let depth = 0
  let i = start
  while (i < end) {
    const byte = text[i] as number
    if (byte === QUOTE) i = endOfString(text, i + 1, end)
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return i + 1
    i++
  }
  return end
}

/** The index of the closing quote of a string whose text starts at `start`, or `end`. */
export function endOfString(text: Uint8Array, start: number, end: number): number {
  let i = start
  for (;;) {
    while (i < end && text[i] !== QUOTE && text[i] !== BACKSLASH) i++
    if (i >= end) return end
    if (text[i] === QUOTE) return i
    i += 2
  }
}

function findField(text: Uint8Array, start: number, end: number): Field | undefined {
  const fields = FIELDS_BY_LENGTH[end - start]
  if (fields === undefined) return undefined
  for (const field of fields) if (isAt(text, start, field.bytes)) return field
  return undefined
}

function isAt(text: Uint8Array, start: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (text[start + i] !== bytes[i]) return false
  return true
}

function rankIn(names: readonly string[], name: string): number {
  const rank = names.indexOf(name)
  return rank < 0 ? NO_RANK : rank
}

function byLength(fields: readonly Field[]): Field[][] {
  const table: Field[][] = []
  for (const field of fields) table[field.bytes.length] = [...(table[field.bytes.length] ?? []), field]
  return table
}
