/** Reading JSON text step by step, without making values of what nobody asked for. */

const QUOTE = 34
const BACKSLASH = 92
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|([\s\S]?))/g
const NUMBER = /[-+0-9.eE]*/y
const SHORT_ESCAPES = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ["'", "'"], // no JSON, but Go's decoder and logfmt writers have it
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/**
 * A position in a text. A reading method stands at its first character, and leaves the position behind the last one;
 * undefined or false means that the text is not what it should be there.
 *
 * Lenient as Loki's scanner is: control characters in strings and text behind the outermost value are not looked at.
 */
export class JsonScanner {
  text = ''
  at = 0

  begin(text: string): void {
    this.text = text
    this.at = 0
  }

  /** Skips white space; the next character's code, NaN at the end. */
  next(): number {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code > 32 || (code !== 32 && code !== 10 && code !== 13 && code !== 9)) return code
      this.at++
    }
  }

  readString(): string | undefined {
    const start = this.at + 1
    if (!this.skipString()) return undefined
    const raw = this.text.slice(start, this.at - 1)
    return raw.includes('\\') ? unescapeJson(raw) : raw
  }

  /** A string that becomes a label's value: empty where it holds an escape that JSON has not, or what was no UTF-8. */
  readText(): string | undefined {
    const start = this.at + 1
    if (!this.skipString()) return undefined
    const raw = this.text.slice(start, this.at - 1)
    const text = raw.includes('\\') ? unescapeJson(raw) : raw
    return text === undefined || text.includes('\ufffd') ? '' : text
  }

  skipString(): boolean {
    const start = this.at + 1
    for (let end = this.text.indexOf('"', start); end >= 0; end = this.text.indexOf('"', end + 1)) {
      let first = end
      while (first > start && this.text.charCodeAt(first - 1) === BACKSLASH) first--
      if ((end - first) % 2 === 1) continue
      this.at = end + 1
      return true
    }
    return false
  }

  /** A number, `true`, `false` or `null` as its source text. */
  readWord(): string | undefined {
    const { text, at } = this
    const first = text.charCodeAt(at)
    let word: string | undefined
    if (first === 116) word = 'true'
    else if (first === 102) word = 'false'
    else if (first === 110) word = 'null'
    if (word !== undefined) {
      if (!text.startsWith(word, at)) return undefined
      this.at += word.length
      return word
    }
    if (first !== 45 && !(first >= 48 && first <= 57)) return undefined
    NUMBER.lastIndex = at
    word = (NUMBER.exec(text) as RegExpExecArray)[0]
    if (Number.isNaN(Number(word))) return undefined
    this.at += word.length
    return word
  }

  /** Any value; of objects and arrays only the brackets are counted. */
  skipValue(): boolean {
    const first = this.text.charCodeAt(this.at)
    if (first === QUOTE) return this.skipString()
    if (first !== 123 && first !== 91) return this.readWord() !== undefined
    for (let depth = 0; this.at < this.text.length; ) {
      const code = this.text.charCodeAt(this.at)
      if (code === QUOTE) {
        if (!this.skipString()) return false
        continue
      }
      this.at++
      if (code === 123 || code === 91) depth++
      else if ((code === 125 || code === 93) && --depth === 0) return true
    }
    return false
  }

  /** The key of a member and its colon, up to the value. */
  readKey(): string | undefined {
    if (this.next() !== QUOTE) return undefined
    const key = this.readString()
    if (key === undefined || this.next() !== 58) return undefined
    this.at++
    this.next()
    return key
  }

  /** What follows a member or element: true for a comma (which it passes), false for `close` (likewise). */
  readSeparator(close: number): boolean | undefined {
    const code = this.next()
    if (code !== 44 && code !== close) return undefined
    this.at++
    return code === 44
  }
}

/** Undoes the escapes of a JSON string; undefined for one that JSON does not have. */
export function unescapeJson(raw: string): string | undefined {
  let isValid = true
  const text = raw.replace(ESCAPE, (_, hex: string | undefined, char: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    const plain = SHORT_ESCAPES.get(char as string)
    if (plain === undefined) isValid = false
    return plain ?? ''
  })
  return isValid ? text.toWellFormed() : undefined
}
