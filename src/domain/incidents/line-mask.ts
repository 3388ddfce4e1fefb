/** Masks lines: a line without its numbers, ids, times, addresses and quoted values, which lines of one kind share. */

import { CLASS, DIGIT, endOf, HEX, isOf, LETTER, SPACE, WORD } from './byte-classes.ts'
import { endOfString, MessageFields } from './message-fields.ts'
import {
  endOfAddress4,
  endOfAddress6,
  endOfColour,
  endOfDomain,
  endOfNumber,
  endOfQuery,
  endOfSyslogTime,
  endOfTime,
  endOfUuid,
} from './variable-parts.ts'

/** Bytes of a line that are read; the rest rarely distinguishes kinds. */
const LINE_BYTES_MAX = 4096
const PATTERN_BYTES_MAX = 300
/** The longest word or mark that is written in one step. */
const SLACK_BYTES = LINE_BYTES_MAX
/** Maximum length before the @ of a mail address. */
const MAILBOX_BYTES_MAX = 64
const HEX_BYTES_MIN = 8
const ID_BYTES_MIN = 5

const mark = (name: string): Uint8Array => new TextEncoder().encode(`<${name}>`)
const TIME = mark('time')
const UUID = mark('uuid')
const EMAIL = mark('email')
const ADDRESS = mark('address')
const QUERY = mark('query')
const QUOTED = mark('quoted')
const HEXADECIMAL = mark('hex')
const ID = mark('id')
const NUMBER = mark('n')
const EMPTY = mark('empty')

/** Masks one line after another. The result is valid until the next line. */
export class LineMask {
  /** bytes[0, length) is the pattern: one line of UTF-8, at most 300 bytes. */
  readonly bytes: Uint8Array = new Uint8Array(PATTERN_BYTES_MAX + SLACK_BYTES)
  length = 0
  readonly #fields = new MessageFields()
  #text: Uint8Array = new Uint8Array(0)
  #end = 0
  /** The start in `bytes` of the letters, digits, dots and dashes before the current position; -1 if there are none. */
  #mailbox = -1
  #isOver = false
  #closesDouble = true
  #closesSingle = true

  /** Computes the pattern of the line text[start, end) from its first 4096 bytes, in linear time. */
  read(text: Uint8Array, start: number, end: number): void {
    const first = endOf(text, start, end, SPACE)
    const limit = Math.min(end, first + LINE_BYTES_MAX)
    this.#text = text
    this.length = 0
    this.#readLine(first, limit)
    if (this.length > PATTERN_BYTES_MAX) this.length = PATTERN_BYTES_MAX
    while (this.length > 0 && this.bytes[this.length - 1] === 0x20) this.length--
    if (this.length === 0) this.#write(EMPTY)
  }

  #readLine(first: number, limit: number): void {
    const fields = this.#fields
    const isJson = this.#text[first] === 0x7b && first < limit
    if (isJson) fields.readJson(this.#text, first, limit)
    else fields.readLogfmt(this.#text, first, limit)
    if (fields.hasMessage || fields.hasError) {
      if (fields.hasMessage) this.#maskSpan(fields.message.start, fields.message.end, true)
      if (fields.hasMessage && fields.hasError && this.length > 0) this.#writeText(COLON_SPACE)
      if (fields.hasError) this.#maskSpan(fields.error.start, fields.error.end, true)
    } else if (isJson && fields.namePlaces > 0) this.#writeNames()
    else this.#maskSpan(first, limit, false)
  }

  #writeNames(): void {
    this.bytes[this.length++] = 0x7b
    const { names, namePlaces } = this.#fields
    for (let i = 0; i < namePlaces; i += 2) {
      if (i > 0) this.#writeText(COMMA_SPACE)
      const start = names[i] as number
      this.#copy(start, Math.min(names[i + 1] as number, start + PATTERN_BYTES_MAX))
      if (this.length > PATTERN_BYTES_MAX) return
    }
    this.bytes[this.length++] = 0x7d
  }

  /** Masks the first visible line of text[start, end). `isEscaped`: the text is inside a quoted string. */
  #maskSpan(start: number, end: number, isEscaped: boolean): void {
    this.#end = end
    this.#mailbox = -1
    this.#isOver = false
    this.#closesDouble = true
    this.#closesSingle = true
    const lengthBefore = this.length
    let i = start
    while (i < end && this.length <= PATTERN_BYTES_MAX && !this.#isOver) {
      i = this.#words(i)
      if (i >= end) break
      const classes = CLASS[this.#text[i] as number] as number
      if ((classes & WORD) !== 0) i = this.#word(i)
      else if ((classes & SPACE) !== 0) i = this.#space(i, lengthBefore)
      else i = this.#sign(i, isEscaped, lengthBefore)
    }
    while (this.length > lengthBefore && this.bytes[this.length - 1] === 0x20) this.length--
  }

  /**
   * Copies words of letters separated by single spaces, which make up most of a line; returns their end. Stops before
   * any other word, and before one that may start a time or an address.
   */
  #words(start: number): number {
    const text = this.#text
    const bytes = this.bytes
    const end = this.#end
    let length = this.length
    let i = start
    while (i < end && length <= PATTERN_BYTES_MAX) {
      const wordStart = i
      const wordLength = length
      let byte = text[i] as number
      while ((CLASS[byte] as number) & LETTER) {
        bytes[length++] = byte
        if (++i >= end) break
        byte = text[i] as number
      }
      const letters = i - wordStart
      const isPlain = letters > 4 || (letters > 0 && (i >= end || (byte !== 0x3a && (letters !== 3 || byte !== 0x20))))
      if (!isPlain || (i < end && ((CLASS[byte] as number) & DIGIT) !== 0)) {
        this.length = wordLength
        return wordStart
      }
      if (this.#mailbox < 0) this.#mailbox = wordLength
      if (i >= end || byte !== 0x20) break
      bytes[length++] = byte
      i++
      this.#mailbox = -1
    }
    this.length = length
    return i
  }

  #space(i: number, lengthBefore: number): number {
    const byte = this.#text[i]
    const hasText = this.length > lengthBefore
    if ((byte === 0x0a || byte === 0x0d) && hasText) this.#isOver = true
    else if (hasText && this.bytes[this.length - 1] !== 0x20) this.bytes[this.length++] = 0x20
    this.#mailbox = -1
    return i + 1
  }

  /** Letters and digits. */
  #word(start: number): number {
    const text = this.#text
    const end = this.#end
    let i = start
    let digits = 0
    let others = 0
    let isMixed = false
    let hasLetterAfterDigit = false
    for (; i < end; i++) {
      const classes = CLASS[text[i] as number] as number
      if ((classes & WORD) === 0) break
      if ((classes & DIGIT) !== 0) {
        if (hasLetterAfterDigit) isMixed = true
        digits++
      } else {
        if (digits > 0) hasLetterAfterDigit = true
        if ((classes & HEX) === 0) others++
      }
    }
    if (this.#mailbox < 0) this.#mailbox = this.length
    const length = i - start
    const special = digits > 0 || length <= 4 ? this.#special(start, i, digits, others) : start
    if (special > start) return special
    if (digits === 0) return this.#copy(start, i)
    const isPrefixed =
      text[start] === 0x30 && ((text[start + 1] as number) | 0x20) === 0x78 && others === 1 && length > 2
    if (isPrefixed || (others === 0 && length >= HEX_BYTES_MIN)) return this.#mark(HEXADECIMAL, i)
    if (isMixed && length >= ID_BYTES_MIN) return this.#mark(ID, i)
    return this.#numbers(start, i)
  }

  /** The end of a time, UUID or address that starts with the word [start, wordEnd); `start` if there is none. */
  #special(start: number, wordEnd: number, digits: number, others: number): number {
    const text = this.#text
    const next = wordEnd < this.#end ? text[wordEnd] : 0
    const length = wordEnd - start
    if (digits === 0) {
      if (length === 3 && next === 0x20) {
        const timeEnd = endOfSyslogTime(text, start, this.#end)
        if (timeEnd > start) return this.#mark(TIME, timeEnd)
      }
    } else if (length === 4 || length === 2) {
      const timeEnd = digits === length ? endOfTime(text, start, this.#end) : start
      if (timeEnd > start) return this.#mark(TIME, timeEnd)
    }
    if (others > 0) return start
    if (length === 8 && next === 0x2d) {
      const uuidEnd = endOfUuid(text, start, this.#end)
      if (uuidEnd > start) return this.#mark(UUID, uuidEnd)
    }
    if (length > 4) return start
    const addressEnd =
      next === 0x2e && digits === length
        ? endOfAddress4(text, start, this.#end)
        : next === 0x3a && this.#text[start - 1] !== 0x3a
          ? endOfAddress6(text, start, this.#end)
          : start
    return addressEnd > start ? this.#mark(ADDRESS, addressEnd) : start
  }

  /** A word that contains numbers: `30ms`, `user42`. */
  #numbers(start: number, end: number): number {
    const text = this.#text
    let i = start
    while (i < end) {
      const lettersEnd = endOf(text, i, end, LETTER)
      if (lettersEnd > i) i = this.#copy(i, lettersEnd)
      if (i >= end) break
      const digitsEnd = endOf(text, i, end, DIGIT)
      const numberEnd = endOfNumber(text, digitsEnd, this.#end)
      this.#write(NUMBER)
      i = numberEnd
      if (i >= end) break
    }
    return i
  }

  /** Anything except words and white space. */
  #sign(i: number, isEscaped: boolean, lengthBefore: number): number {
    const text = this.#text
    const byte = text[i] as number
    switch (byte) {
      case 0x22:
        return this.#quoted(i)
      case 0x27:
        return this.#singleQuoted(i)
      case 0x5c:
        return this.#backslash(i, isEscaped, lengthBefore)
      case 0x1b:
        return this.#skipOrCopy(i, endOfColour(text, i + 1, this.#end), i + 1)
      case 0x3f:
        return this.#markOrCopy(i, endOfQuery(text, i, this.#end), QUERY)
      case 0x3a: {
        const isGap = text[i + 1] === 0x3a && !isOf(text, i - 1, WORD) && text[i - 1] !== 0x3a
        return this.#markOrCopy(i, isGap ? endOfAddress6(text, i, this.#end) : i, ADDRESS)
      }
      case 0x40:
        return this.#mail(i)
      case 0x2b:
      case 0x2d:
      case 0x2e:
        return this.#mailboxSign(i, byte)
      default:
        this.#mailbox = -1
        return this.#copy(i, i + 1)
    }
  }

  /** `+`, `-` and `.` may be part of a mailbox; a sign before a number belongs to the number. */
  #mailboxSign(i: number, byte: number): number {
    const isNumber = byte !== 0x2e && isOf(this.#text, i + 1, DIGIT) && !(i > 0 && isOf(this.#text, i - 1, WORD))
    if (this.#mailbox < 0) this.#mailbox = this.length
    return isNumber && i + 1 < this.#end ? i + 1 : this.#copy(i, i + 1)
  }

  #mail(i: number): number {
    const mailbox = this.#mailbox
    this.#mailbox = -1
    const domainEnd = endOfDomain(this.#text, i + 1, this.#end)
    const isMail = mailbox >= 0 && this.length > mailbox && this.length - mailbox <= MAILBOX_BYTES_MAX
    if (!isMail || domainEnd === i + 1) return this.#copy(i, i + 1)
    this.length = mailbox
    return this.#mark(EMAIL, domainEnd)
  }

  #quoted(i: number): number {
    this.#mailbox = -1
    const close = this.#closesDouble ? endOfString(this.#text, i + 1, this.#end) : this.#end
    if (close < this.#end && this.#isOneLine(i, close)) return this.#mark(QUOTED, close + 1)
    this.#closesDouble = false
    return this.#copy(i, i + 1)
  }

  #singleQuoted(i: number): number {
    const text = this.#text
    this.#mailbox = -1
    if (!this.#closesSingle || (i > 0 && (isOf(text, i - 1, WORD) || text[i - 1] === 0x5c))) return this.#copy(i, i + 1)
    let close = i + 1
    while (close < this.#end && text[close] !== 0x27 && text[close] !== 0x0a) close += text[close] === 0x5c ? 2 : 1
    if (close >= this.#end || text[close] !== 0x27) {
      this.#closesSingle = false
      return this.#copy(i, i + 1)
    }
    return close + 1 < this.#end && isOf(text, close + 1, WORD) ? this.#copy(i, i + 1) : this.#mark(QUOTED, close + 1)
  }

  #isOneLine(start: number, end: number): boolean {
    for (let i = start; i < end; i++) if (this.#text[i] === 0x0a || this.#text[i] === 0x0d) return false
    return true
  }

  /** JSON in text has escaped quotes; inside a quoted string, line ends are escaped too. */
  #backslash(i: number, isEscaped: boolean, lengthBefore: number): number {
    const text = this.#text
    const next = i + 1 < this.#end ? text[i + 1] : 0
    this.#mailbox = -1
    if (next === 0x22) {
      let close = i + 2
      while (close < this.#end && text[close] !== 0x22 && text[close] !== 0x5c) close++
      if (close + 1 < this.#end && text[close] === 0x5c && text[close + 1] === 0x22)
        return this.#mark(QUOTED, close + 2)
      return this.#copy(i, i + 2)
    }
    if (!isEscaped) return this.#copy(i, i + 1)
    if (next === 0x6e || next === 0x72) {
      if (this.length > lengthBefore) this.#isOver = true
      return i + 2
    }
    if (next === 0x74) {
      if (this.length > lengthBefore && this.bytes[this.length - 1] !== 0x20) this.bytes[this.length++] = 0x20
      return i + 2
    }
    const isEscape = next === 0x75 && text[i + 2] === 0x30 && text[i + 3] === 0x30 && text[i + 4] === 0x31
    if (isEscape && ((text[i + 5] as number) | 0x20) === 0x62) {
      return this.#skipOrCopy(i, endOfColour(text, i + 6, this.#end), i + 6)
    }
    return this.#copy(i, Math.min(i + 2, this.#end))
  }

  /** Skips a colour code if there is one: then its end is after `after`. */
  #skipOrCopy(i: number, end: number, after: number): number {
    this.#mailbox = -1
    return end > after ? end : this.#copy(i, Math.min(after, this.#end))
  }

  #markOrCopy(i: number, end: number, name: Uint8Array): number {
    this.#mailbox = -1
    return end > i ? this.#mark(name, end) : this.#copy(i, i + 1)
  }

  /** Copies text[start, end) and returns `end`. */
  #copy(start: number, end: number): number {
    for (let i = start; i < end; i++) this.bytes[this.length++] = this.#text[i] as number
    return end
  }

  #writeText(text: Uint8Array): void {
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text[i] as number
  }

  /** Writes a mark for the text that ends at `end`. */
  #mark(name: Uint8Array, end: number): number {
    this.#write(name)
    return end
  }

  /** Writes a mark; repeated marks of a list are written once, so that lists of any length are equal. */
  #write(name: Uint8Array): void {
    let before = this.length
    if (before > 0 && this.bytes[before - 1] === 0x20) before--
    if (before > 0 && this.bytes[before - 1] === 0x2c && this.#endsWith(name, before - 1)) {
      this.length = before - 1
      return
    }
    this.#writeText(name)
  }

  #endsWith(name: Uint8Array, end: number): boolean {
    const start = end - name.length
    if (start < 0) return false
    for (let i = 0; i < name.length; i++) if (this.bytes[start + i] !== name[i]) return false
    return true
  }
}

const COLON_SPACE = new TextEncoder().encode(': ')
const COMMA_SPACE = new TextEncoder().encode(', ')
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** A pattern's bytes as text, without a truncated last character. */
export function patternText(bytes: Uint8Array): string {
  return UTF8.decode(bytes).replace(/\ufffd+$/, '')
}
