/** Scans JSON text step by step, without creating values that are not needed. */

const QUOTE = 34
const BACKSLASH = 92
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|([\s\S]?))/g
const TOKEN = /[^ \n\r\t,}\]]*/y
const SHORT_ESCAPES = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/** The error texts of Loki's parser, which `__error_details__` shows. */
export const JSON_FAULTS = {
  malformed: 'Malformed JSON error',
  string: "Value is string, but can't find closing '\"' symbol",
  array: "Value is array, but can't find closing ']' symbol",
  object: "Value looks like object, but can't find closing '}' symbol",
  unknown: 'Unknown value type',
  escape: 'Encountered an invalid escape sequence in a string',
} as const

export type JsonValueKind = 'string' | 'number' | 'boolean' | 'null' | 'array' | 'object'

/**
 * A position in a text, or in a part of it that ends at `end`. A method starts at the first character of what it reads,
 * and ends after the last; undefined or false means that the text is invalid there, and `fault` is the reason.
 *
 * As lenient as Loki's parser: it accepts control characters in strings, any characters after a digit up to a
 * separator, a comma after the last member, and text after the outermost value. In skipped objects and arrays it only
 * counts brackets of their own kind.
 */
export class JsonScanner {
  text = ''
  at = 0
  end = 0
  fault = ''
  /** The kind of the value that skipValue passed. */
  kind: JsonValueKind = 'null'

  begin(text: string): void {
    this.text = text
    this.at = 0
    this.end = text.length
    this.fault = ''
  }

  /** Skips white space; returns the next character's code, NaN at the end. */
  next(): number {
    for (; this.at < this.end; this.at++) {
      const code = this.text.charCodeAt(this.at)
      if (code > 32 || (code !== 32 && code !== 10 && code !== 13 && code !== 9)) return code
    }
    return Number.NaN
  }

  skipString(): boolean {
    const start = this.at + 1
    for (let end = this.text.indexOf('"', start); end >= 0 && end < this.end; end = this.text.indexOf('"', end + 1)) {
      let first = end
      while (first > start && this.text.charCodeAt(first - 1) === BACKSLASH) first--
      if ((end - first) % 2 === 1) continue
      this.at = end + 1
      return true
    }
    return false
  }

  /** Skips any value and sets `kind`. */
  skipValue(): boolean {
    const first = this.next()
    if (Number.isNaN(first)) return this.#fail(JSON_FAULTS.malformed)
    if (first === QUOTE) {
      this.kind = 'string'
      return this.skipString() || this.#fail(JSON_FAULTS.string)
    }
    if (first === 91) {
      this.kind = 'array'
      return this.skipBlock(91, 93) || this.#fail(JSON_FAULTS.array)
    }
    if (first === 123) {
      this.kind = 'object'
      return this.skipBlock(123, 125) || this.#fail(JSON_FAULTS.object)
    }
    return this.#skipToken(first)
  }

  /** Skips a value that starts with this opening bracket. */
  skipBlock(open: number, close: number): boolean {
    const start = this.at
    for (let depth = 0; this.at < this.end; this.at++) {
      const code = this.text.charCodeAt(this.at)
      if (code === QUOTE) {
        if (!this.skipString()) break
        this.at--
      } else if (code === open) depth++
      else if (code === close && --depth === 0) {
        this.at++
        return true
      }
    }
    this.at = start
    return false
  }

  #skipToken(first: number): boolean {
    TOKEN.lastIndex = this.at
    const end = Math.min(this.end, this.at + (TOKEN.exec(this.text) as RegExpExecArray)[0].length)
    if (first === 45 || (first >= 48 && first <= 57)) this.kind = 'number'
    else {
      const word = this.text.slice(this.at, end)
      if (word === 'true' || word === 'false') this.kind = 'boolean'
      else if (word === 'null') this.kind = 'null'
      else return this.#fail(JSON_FAULTS.unknown)
    }
    this.at = end
    return true
  }

  /** Reads the key of a member and its colon, up to the value. */
  readKey(): string | undefined {
    const start = this.at + 1
    if (!this.skipString()) return this.#missing(JSON_FAULTS.malformed)
    const raw = this.text.slice(start, this.at - 1)
    const key = raw.includes('\\') ? unescapeJson(raw) : raw
    if (key === undefined) return this.#missing(JSON_FAULTS.escape)
    if (this.next() !== 58) return this.#missing(JSON_FAULTS.malformed)
    this.at++
    return key
  }

  /**
   * Reads the members of the object that starts here. `onValue` gets each key with the position of its value, which has
   * been skipped; it returns false to stop. False at a fault, and if it was stopped.
   */
  readMembers(onValue: (key: string, start: number) => boolean): boolean {
    if (this.next() !== 123) return this.#fail(JSON_FAULTS.object)
    this.at++
    if (Number.isNaN(this.next())) return this.#fail(JSON_FAULTS.malformed)
    for (;;) {
      const code = this.next()
      if (code === 125) {
        this.at++
        return true
      }
      if (code !== QUOTE) return this.#fail(Number.isNaN(code) ? JSON_FAULTS.array : JSON_FAULTS.object)
      const key = this.readKey()
      if (key === undefined) return false
      this.next()
      const start = this.at
      if (!this.skipValue() || !onValue(key, start)) return false
      const separator = this.next()
      if (separator === 44) this.at++
      else if (separator !== 125) return this.#fail(Number.isNaN(separator) ? JSON_FAULTS.array : JSON_FAULTS.object)
    }
  }

  #fail(fault: string): false {
    this.fault = fault
    return false
  }

  #missing(fault: string): undefined {
    this.fault = fault
    return undefined
  }
}

/** The contents of a string as a label value: empty if an escape is invalid, a space for each invalid character. */
export function textOfJson(raw: string): string {
  const text = raw.includes('\\') ? unescapeJson(raw) : raw
  return text === undefined ? '' : text.replaceAll('\ufffd', ' ')
}

/** Decodes the escapes of a JSON string; undefined for invalid escapes and for a lone surrogate. */
export function unescapeJson(raw: string): string | undefined {
  const text = undoEscapes(raw, false)
  return text?.isWellFormed() === true ? text : undefined
}

/** The same without checking surrogates; `takesApostrophe` also accepts `\'`, like Go's decoder. */
export function undoEscapes(raw: string, takesApostrophe: boolean): string | undefined {
  let isValid = true
  const text = raw.replace(ESCAPE, (_, hex: string | undefined, char: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    if (takesApostrophe && char === "'") return char
    const plain = SHORT_ESCAPES.get(char as string)
    if (plain === undefined) isValid = false
    return plain ?? ''
  })
  return isValid ? text : undefined
}
