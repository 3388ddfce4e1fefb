/**
 * The archive's lines: each entry is one complete JSON object, readable by zcat, DuckDB and Athena.
 *
 *     {"time":"2026-11-21T10:00:00.000000001Z","tenant":"fake","labels":{"app":"a"},"metadata":{"k":"v"},"line":"…","id":"…"}
 *
 * Times are UTC with nine fraction digits. `metadata` includes detected_level, and is omitted if empty. A line that is not
 * UTF-8 is in `line` with U+FFFD for invalid bytes, and exactly in `bytes`, as base64. `id` is the first 64 bits, in
 * hexadecimal, of the SHA-256 of everything before `,"id"`: entries with equal times and ids are the same entry.
 */

import type { PushSink } from '../../domain/entries/push-sink.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { Label } from '../../domain/labels.ts'
import { NS_PER_SECOND, parseRfc3339 } from '../../domain/time.ts'
import { BRACE, BRACE_END, JsonCursor, QUOTE, unescapeJson } from '../bytes/json-cursor.ts'

/** The outcome of decoding a text. */
export interface DecodedLines {
  readonly entries: number
  /** Number of invalid lines; empty lines are not counted. */
  readonly refused: number
}

/** Returns the sink of a tenant; undefined to skip its entries. Called once for each tenant of a text. */
export type SinkOf = (tenant: string) => PushSink | undefined

/**
 * Passes the entries of `text`, complete lines, to the sinks of their tenants, with their original bytes, times and
 * metadata. Keys may come in any order; unknown ones are skipped. Invalid lines are counted, and the others are still read.
 * Levels are passed as metadata: a BatchBuilder without level detection restores them.
 *
 * `text` becomes the text of the sinks and is overwritten. Never throws because of its content.
 */
export function decodeArchiveLines(text: Uint8Array, sinkOf: SinkOf): DecodedLines {
  return new LineDecoder(text, sinkOf).decode()
}

const NEWLINE = 0x0a
const LABELS_KNOWN_MAX = 10_000

/** The sink of a tenant, and its current stream. */
interface TenantSink {
  readonly sink: PushSink | undefined
  /** The position of the labels' JSON of that stream. */
  labelsStart: number
  labelsEnd: number
}

class LineDecoder {
  readonly #bytes: Buffer
  readonly #cursor: JsonCursor
  readonly #sinkOf: SinkOf
  readonly #sinks = new Map<string, TenantSink>()
  readonly #labels = new Map<string, readonly Label[]>()
  readonly #time = new TimeReader()
  // Positions of the parts of the current line: -1 if missing; ends are inverted if there are escapes.
  #timeStart = -1
  #timeEnd = 0
  #tenantAt = -1
  #labelsAt = -1
  #labelsEnd = 0
  #metadataAt = -1
  #lineStart = -1
  #lineEnd = 0
  #bytesStart = -1
  #bytesEnd = 0

  constructor(text: Uint8Array, sinkOf: SinkOf) {
    this.#bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength)
    this.#cursor = new JsonCursor(text)
    this.#sinkOf = sinkOf
  }

  decode(): DecodedLines {
    const bytes = this.#bytes
    const cursor = this.#cursor
    let entries = 0
    let refused = 0
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, start)
      const end = newline < 0 ? bytes.length : newline
      // A NUL ends the JSON, even of an unclosed line.
      if (newline >= 0) bytes[newline] = 0
      cursor.at = start
      cursor.peek()
      if (cursor.at < end) {
        if (this.#takeLine(end)) entries++
        else refused++
      }
      start = end + 1
    }
    return { entries, refused }
  }

  #takeLine(end: number): boolean {
    try {
      this.#passLine(end)
      return this.#giveEntry()
    } catch (error) {
      if (error instanceof GatewayError) return false
      throw error
    }
  }

  #passLine(end: number): void {
    const cursor = this.#cursor
    this.#timeStart = this.#tenantAt = this.#labelsAt = this.#metadataAt = this.#lineStart = this.#bytesStart = -1
    for (let more = cursor.enter(BRACE, BRACE_END); more; more = cursor.continues(BRACE_END)) this.#passMember()
    cursor.peek()
    if (cursor.at < end) throw cursor.malformed('the end of the line')
  }

  #passMember(): void {
    const cursor = this.#cursor
    const key = cursor.readKey()
    const first = cursor.peek()
    const at = cursor.at
    switch (key) {
      case 'time':
        cursor.passString()
        this.#timeStart = cursor.start
        this.#timeEnd = cursor.end
        break
      case 'tenant':
        this.#tenantAt = at
        cursor.passString()
        break
      case 'labels':
        if (first !== BRACE) throw cursor.malformed('an object of labels')
        this.#labelsAt = at
        cursor.passValue(1)
        this.#labelsEnd = cursor.at
        break
      case 'metadata':
        if (first !== BRACE) throw cursor.malformed('an object of metadata')
        this.#metadataAt = at
        cursor.passValue(1)
        break
      case 'line':
        cursor.passString()
        this.#lineStart = cursor.start
        this.#lineEnd = cursor.hasEscapes ? ~cursor.end : cursor.end
        break
      case 'bytes':
        cursor.passString()
        this.#bytesStart = cursor.start
        this.#bytesEnd = cursor.end
        break
      default:
        cursor.passValue(1)
    }
  }

  /** Passes on the parsed line; false if a part of it is missing or invalid. */
  #giveEntry(): boolean {
    if (this.#timeStart < 0 || this.#tenantAt < 0 || this.#labelsAt < 0 || this.#lineStart < 0) return false
    const time = this.#time
    if (!time.read(this.#bytes, this.#timeStart, this.#timeEnd)) return false
    const tenant = this.#openTenant()
    if (tenant.sink === undefined) return true
    // Parsed before the sink is called, because a fault rejects the whole line.
    const pairs = this.#metadataAt < 0 ? undefined : readPairs(this.#cursor, this.#metadataAt)
    this.#openStream(tenant, tenant.sink)
    if (pairs !== undefined) for (const { name, value } of pairs) tenant.sink.addMetadata(name, value)
    const end = this.#settleLine()
    tenant.sink.addEntry(time.seconds, time.nanos, this.#lineStart, end)
    return true
  }

  #openTenant(): TenantSink {
    this.#cursor.at = this.#tenantAt
    this.#cursor.passString()
    const name = this.#cursor.readString()
    let tenant = this.#sinks.get(name)
    if (tenant === undefined) {
      tenant = { sink: this.#sinkOf(name), labelsStart: 0, labelsEnd: 0 }
      tenant.sink?.useText(this.#bytes)
      this.#sinks.set(name, tenant)
    }
    return tenant
  }

  /** Lines of a stream are usually consecutive: only the first costs more than a comparison. */
  #openStream(tenant: TenantSink, sink: PushSink): void {
    const [start, end] = [this.#labelsAt, this.#labelsEnd]
    const { labelsStart, labelsEnd } = tenant
    const isSame = end - start === labelsEnd - labelsStart
    if (isSame && this.#bytes.compare(this.#bytes, labelsStart, labelsEnd, start, end) === 0) return
    const stream = this.#bytes.toString('latin1', start, end)
    let labels = this.#labels.get(stream)
    if (labels === undefined) {
      labels = readPairs(this.#cursor, this.#labelsAt)
      if (this.#labels.size < LABELS_KNOWN_MAX) this.#labels.set(stream, labels)
    }
    sink.beginStream(labels)
    tenant.labelsStart = start
    tenant.labelsEnd = end
  }

  /** Restores the bytes of the line in place, as escapes and base64 are never shorter. Returns their end. */
  #settleLine(): number {
    const bytes = this.#bytes
    if (this.#bytesStart >= 0) {
      const decoded = Buffer.from(bytes.toString('latin1', this.#bytesStart, this.#bytesEnd), 'base64')
      this.#lineStart = this.#bytesStart
      bytes.set(decoded, this.#bytesStart)
      return this.#bytesStart + decoded.length
    }
    return this.#lineEnd < 0 ? unescapeJson(bytes, this.#lineStart, ~this.#lineEnd) : this.#lineEnd
  }
}

/** The members of an object of strings; of duplicate names the last. Throws body_malformed for other values. */
function readPairs(cursor: JsonCursor, at: number): readonly Label[] {
  const values = new Map<string, string>()
  cursor.at = at
  for (let more = cursor.enter(BRACE, BRACE_END); more; more = cursor.continues(BRACE_END)) {
    const name = cursor.readKey()
    if (cursor.peek() !== QUOTE) throw cursor.malformed('a string')
    cursor.passString()
    values.set(name, cursor.readString())
  }
  return Array.from(values, ([name, value]) => ({ name, value }))
}

const DATE_BYTES = 10
/** `2026-11-21T10:00:00.000000001Z` */
const TIME_BYTES = 30
/** Maximum length of an RFC 3339 text. */
const TIME_BYTES_MAX = 64

/** Parses times in the written format by arithmetic, with a cached date; others as text. */
class TimeReader {
  seconds = 0
  nanos = 0
  #date = new Uint8Array(DATE_BYTES)
  #dateSeconds = Number.NaN

  /** False if it is not a time. */
  read(bytes: Buffer, start: number, end: number): boolean {
    if (end - start === TIME_BYTES && this.#isKnownDate(bytes, start)) {
      const hour = digits(bytes, start + 11, start + 13)
      const minute = digits(bytes, start + 14, start + 16)
      const second = digits(bytes, start + 17, start + 19)
      const nanos = digits(bytes, start + 20, start + 29)
      // Separators are not checked as digits; the slow path handles anything unusual.
      const isUsual =
        bytes[start + 10] === 0x54 &&
        bytes[start + 13] === 0x3a &&
        bytes[start + 16] === 0x3a &&
        bytes[start + 19] === 0x2e &&
        bytes[start + 29] === 0x5a
      if (isUsual && hour < 24 && minute < 60 && second < 60 && nanos >= 0) {
        this.seconds = this.#dateSeconds + hour * 3600 + minute * 60 + second
        this.nanos = nanos
        return true
      }
    }
    return this.#readText(bytes, start, end)
  }

  #isKnownDate(bytes: Buffer, start: number): boolean {
    for (let i = 0; i < DATE_BYTES; i++) if (bytes[start + i] !== this.#date[i]) return false
    return true
  }

  #readText(bytes: Buffer, start: number, end: number): boolean {
    const ns = end - start > TIME_BYTES_MAX ? undefined : parseRfc3339(bytes.toString('latin1', start, end))
    if (ns === undefined) return false
    this.nanos = Number(((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND)
    this.seconds = Number((ns - BigInt(this.nanos)) / NS_PER_SECOND)
    const date = bytes.subarray(start, start + DATE_BYTES)
    const dateNs = parseRfc3339(`${date.toString('latin1')}T00:00:00Z`)
    if (dateNs !== undefined) {
      this.#date.set(date)
      this.#dateSeconds = Number(dateNs / NS_PER_SECOND)
    }
    return true
  }
}

/** Parses decimal digits; NaN for other characters. */
function digits(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return value
}
