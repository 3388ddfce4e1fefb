/** Parses JSON without loss: numbers keep their text, objects are Maps in document order. */

import { GatewayError } from '../../domain/errors.ts'
import { finishSlices, type Slices } from '../../kit/slices.ts'

/** A JSON number with its text: `9007199254740993`, `1.0` and `1e400` are preserved. */
export class JsonNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Objects are Maps, so that `__proto__` and `constructor` are ordinary keys; of duplicate keys the last is kept. */
export type JsonObject = ReadonlyMap<string, JsonValue>
export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject

/**
 * The number of values that may still be created, shared by all parts of a body: small values need more memory than
 * their text.
 */
export interface JsonBudget {
  left: number
}

/**
 * Maximum nesting of arrays and objects, which prevents a stack overflow; OTLP's JSON uses four levels for one level of
 * an attribute.
 */
export const JSON_DEPTH_MAX = 256
/**
 * Maximum number of values in a body: 20 MB of the densest JSON from clients, which takes a few hundred MB as values.
 */
export const JSON_VALUES_MAX = 2_000_000

/** V8's longest string in UTF-16 units: 2^29 - 24. A body never has more units than bytes. */
const TEXT_BYTES_MAX = 2 ** 29 - 24
const UTF8 = new TextDecoder()

/** Decodes a body: invalid UTF-8 becomes U+FFFD, a byte order mark is removed. Throws body_too_large. */
export function textOfBody(body: Uint8Array): string {
  if (body.length <= TEXT_BYTES_MAX) return UTF8.decode(body)
  throw new GatewayError('body_too_large', `body is ${body.length} bytes; JSON may have at most ${TEXT_BYTES_MAX}`)
}

/** Part of a text: [start, end) in UTF-16 units. */
export interface TextRange {
  readonly start: number
  readonly end: number
}

/**
 * Parses the single JSON value (RFC 8259) of a text or range.
 *
 * For anything else throws body_malformed with line and column, never with the text itself; also for nesting deeper
 * than JSON_DEPTH_MAX. Throws body_too_large if the budget is used up.
 */
export function sliceJson(text: string, budget: JsonBudget, range?: TextRange): Slices<JsonValue> {
  return new JsonReader(text, budget, range ?? { start: 0, end: text.length }).read()
}

/** The same at once. */
export function parseJson(text: string, budget: JsonBudget, range?: TextRange): JsonValue {
  return finishSlices(sliceJson(text, budget, range))
}

/** The value as compact JSON text; numbers keep their text. */
export function formatJson(value: JsonValue): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value === null || typeof value === 'boolean') return String(value)
  if (value instanceof JsonNumber) return value.text
  if (value instanceof Map) return formatJsonObject(value)
  return `[${(value as readonly JsonValue[]).map(formatJson).join(',')}]`
}

/** The pairs as one compact JSON object, in order. */
export function formatJsonObject(pairs: Iterable<readonly [name: string, value: JsonValue]>): string {
  let text = ''
  for (const [name, value] of pairs) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${formatJson(value)}`
  return `{${text}}`
}

export function isJsonObject(value: JsonValue): value is JsonObject {
  return value instanceof Map
}

/** The type of a value, for error texts. */
export function jsonKind(value: JsonValue): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return `a ${typeof value}`
  if (value instanceof JsonNumber) return 'a number'
  return value instanceof Map ? 'an object' : 'an array'
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Number of values that are read between two yields, and of characters, whichever comes first. */
const STRETCH = 2000
const STRETCH_CHARS = 256 * 1024

/** An array or object that is not complete; `name` is the key of its next value. */
type Part = { readonly values: JsonValue[] } | { readonly members: Map<string, JsonValue>; name: string }

class JsonReader {
  readonly #text: string
  readonly #budget: JsonBudget
  readonly #end: number
  #at: number
  /** The arrays and objects around the next value, the outermost first. */
  readonly #outer: Part[] = []
  #root: JsonValue = null

  constructor(text: string, budget: JsonBudget, range: TextRange) {
    this.#text = text
    this.#budget = budget
    this.#at = range.start
    this.#end = range.end
  }

  /** Reads the value, some parts in each slice. */
  *read(): Slices<JsonValue> {
    while (!this.#readSome()) yield
    this.#skipSpace()
    if (this.#at < this.#end) this.#fail('the end')
    return this.#root
  }

  /** Reads a stretch of values; true once the outermost is complete. */
  #readSome(): boolean {
    const stop = this.#at + STRETCH_CHARS
    for (let read = 0; read < STRETCH && this.#at < stop; read++) {
      const value = this.#readValue()
      if (value !== undefined && this.#place(value)) return true
    }
    return false
  }

  /** A value without parts; undefined if an array or object begins, whose parts follow. */
  #readValue(): JsonValue | undefined {
    if (--this.#budget.left < 0) {
      throw new GatewayError('body_too_large', `body holds more than ${JSON_VALUES_MAX} JSON values; send it in parts`)
    }
    this.#skipSpace()
    switch (this.#peek()) {
      case '{':
        return this.#beginObject()
      case '[':
        return this.#beginArray()
      case '"':
        return this.#readString()
      case 't':
        return this.#readWord('true', true)
      case 'f':
        return this.#readWord('false', false)
      case 'n':
        return this.#readWord('null', null)
      default:
        return this.#readNumber()
    }
  }

  #beginObject(): JsonObject | undefined {
    this.#open(this.#outer.length)
    const members = new Map<string, JsonValue>()
    if (this.#take('}')) return members
    this.#outer.push({ members, name: this.#readName() })
    return undefined
  }

  #beginArray(): readonly JsonValue[] | undefined {
    this.#open(this.#outer.length)
    const values: JsonValue[] = []
    if (this.#take(']')) return values
    this.#outer.push({ values })
    return undefined
  }

  /** Adds a complete value to what it is part of, and ends what ends after it; true if it is the outermost. */
  #place(complete: JsonValue): boolean {
    for (let value = complete; ; ) {
      const outer = this.#outer.at(-1)
      if (outer === undefined) {
        this.#root = value
        return true
      }
      if ('values' in outer) {
        outer.values.push(value)
        if (this.#take(',')) return false
        if (!this.#take(']')) this.#fail('"," or "]"')
        value = outer.values
      } else {
        outer.members.set(outer.name, value)
        if (this.#take(',')) {
          outer.name = this.#readName()
          return false
        }
        if (!this.#take('}')) this.#fail('"," or "}"')
        value = outer.members
      }
      this.#outer.pop()
    }
  }

  /** A key and its colon. */
  #readName(): string {
    this.#skipSpace()
    if (this.#peek() !== '"') this.#fail('a key in double quotes')
    const name = this.#readString()
    if (!this.#take(':')) this.#fail('":"')
    return name
  }

  #open(depth: number): void {
    if (depth >= JSON_DEPTH_MAX) this.#fail(`no more than ${JSON_DEPTH_MAX} levels of nesting`)
    this.#at++
  }

  #readString(): string {
    const start = ++this.#at
    for (let i = start; i < this.#end; i++) {
      const code = this.#text.charCodeAt(i)
      if (code === QUOTE) {
        this.#at = i + 1
        return this.#text.slice(start, i)
      }
      if (code === BACKSLASH) return this.#readEscapedString(start, i)
      if (code < 0x20) this.#failAt(i, 'no control character in a string')
    }
    return this.#failAt(this.#end, 'a closing quote')
  }

  #readEscapedString(start: number, firstEscape: number): string {
    let i = firstEscape
    for (let code = BACKSLASH; code !== QUOTE; code = this.#text.charCodeAt(i)) {
      i += code === BACKSLASH ? 2 : 1
      if (i >= this.#end) this.#failAt(this.#end, 'a closing quote')
    }
    this.#at = i + 1
    try {
      return JSON.parse(this.#text.slice(start - 1, i + 1))
    } catch {
      return this.#failAt(start - 1, 'a string with valid escapes and no control character')
    }
  }

  #readNumber(): JsonNumber {
    NUMBER.lastIndex = this.#at
    const end = NUMBER.test(this.#text) ? NUMBER.lastIndex : this.#at
    if (end === this.#at || end > this.#end) this.#fail('a value')
    const text = this.#text.slice(this.#at, end)
    this.#at = end
    return new JsonNumber(text)
  }

  #readWord<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at) || this.#at + word.length > this.#end) this.#fail('a value')
    this.#at += word.length
    return value
  }

  #take(char: string): boolean {
    this.#skipSpace()
    if (this.#peek() !== char) return false
    this.#at++
    return true
  }

  #peek(): string | undefined {
    return this.#at < this.#end ? this.#text[this.#at] : undefined
  }

  #skipSpace(): void {
    while (this.#at < this.#end) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #fail(wanted: string): never {
    return this.#failAt(this.#at, wanted)
  }

  #failAt(at: number, wanted: string): never {
    let line = 1
    let lineStart = 0
    for (let i = this.#text.indexOf('\n'); i >= 0 && i < at; i = this.#text.indexOf('\n', i + 1)) {
      line++
      lineStart = i + 1
    }
    const place = `line ${line}, column ${at - lineStart + 1}`
    throw new GatewayError('body_malformed', `body is not JSON: expected ${wanted} at ${place}`)
  }
}
