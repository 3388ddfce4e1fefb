/** Writes archive lines (see archive-lines.ts) as bytes, directly from the bytes of a batch. */

import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import type { Batch } from '../../domain/entries/batch.ts'
import { startOf } from '../../domain/entries/block.ts'
import type { Labels } from '../../domain/labels.ts'
import { LEVELS } from '../../domain/levels/level.ts'
import type { NsColumn } from '../../domain/time.ts'

/** The part of a line that all entries of a stream share: `","tenant":…,"labels":{…}`. */
export function streamHead(tenant: string, labels: Labels): Uint8Array {
  // Written pair by pair, because names come from clients and must not become keys of an object.
  const pairs = labels.map(({ name, value }) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  return Buffer.from(`","tenant":${JSON.stringify(tenant)},"labels":{${pairs.join(',')}}`)
}

const FIRST_BYTES = 64 * 1024
/** A buffer that grew larger for unusual lines is released. */
const KEPT_BYTES_MAX = 8 * 2 ** 20
/** Size of a line without its stream, its metadata and its text. */
const FRAME_BYTES = 256
/** Maximum length of a byte in JSON: `\u0000`. */
const ESCAPED_BYTES = 6

/** The escape of each byte, without its backslash: 0 for none, 1 for `u00XX`. */
const ESCAPES = new Uint8Array(256)
ESCAPES.fill(1, 0, 0x20)
for (const pair of ['""', '\\\\', '\bb', '\ff', '\nn', '\rr', '\tt']) ESCAPES[pair.charCodeAt(0)] = pair.charCodeAt(1)
const HEX_DIGITS = Buffer.from('0123456789abcdef')

const TIME = Buffer.from('{"time":"')
const METADATA = Buffer.from(',"metadata":{')
const LINE = Buffer.from(',"line":"')
const BYTES = Buffer.from('","bytes":"')
const ID = Buffer.from(',"id":"')
const END = Buffer.from('"}\n')
const LEVEL_PAIRS = LEVELS.map((level) => Buffer.from(level === '' ? '' : `"detected_level":"${level}"`))
/** 64 bits, in addition to the nanosecond: hashes do not compress, and 128 bits would be a quarter of the archive. */
const ID_DIGITS = 16
const DAY_SECONDS = 86_400
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** A growing text of lines, whose memory is reused after `clear`. */
export class ArchiveLineWriter {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #at = 0
  #day = Number.NaN
  #date = Buffer.alloc(10)

  get length(): number {
    return this.#at
  }

  /** All lines so far; valid until the next write or clear. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#at)
  }

  get isWorthKeeping(): boolean {
    return this.#buffer.length <= KEPT_BYTES_MAX
  }

  clear(): void {
    this.#at = 0
  }

  /** Appends the line of one entry; `head` is streamHead of its stream. */
  write(batch: Batch, entry: number, head: Uint8Array): void {
    const lineStart = batch.starts[entry] as number
    const lineEnd = batch.ends[entry] as number
    const metadataStart = startOf(batch.metadataEnds, entry)
    const metadataEnd = batch.metadataEnds[entry] as number
    const contentBytes = lineEnd - lineStart + metadataEnd - metadataStart
    this.#reserve(FRAME_BYTES + head.length + contentBytes * ESCAPED_BYTES)
    const start = this.#at
    this.#put(TIME)
    this.#putTime(batch.timestamps, entry)
    this.#put(head)
    this.#putMetadata(batch.metadata, metadataStart, metadataEnd, batch.levels[entry] as number)
    this.#put(LINE)
    this.#putLine(batch.text, lineStart, lineEnd)
    this.#buffer[this.#at++] = 0x22
    const id = hash('sha256', this.#buffer.subarray(start, this.#at), 'hex')
    this.#put(ID)
    this.#at += this.#buffer.write(id.slice(0, ID_DIGITS), this.#at, 'latin1')
    this.#put(END)
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    larger.set(this.#buffer.subarray(0, this.#at))
    this.#buffer = larger
  }

  /** Short pieces, for which a loop is faster than a native copy. */
  #put(piece: Uint8Array): void {
    const buffer = this.#buffer
    let at = this.#at
    for (let i = 0; i < piece.length; i++) buffer[at++] = piece[i] as number
    this.#at = at
  }

  /** RFC 3339 in UTC with nine fraction digits, without a bigint. */
  #putTime({ words }: NsColumn, entry: number): void {
    const low = words[2 * entry] as number
    const high = (words[2 * entry + 1] as number) | 0
    // Exact to a second; the low 32 bits of the rest, which are exact, show by how much it is off.
    let seconds = Math.floor((high * 4294967296 + low) / 1e9)
    let nanos = (low - Math.imul(seconds | 0, 1e9)) | 0
    if (nanos < 0) {
      seconds--
      nanos += 1e9
    } else if (nanos >= 1e9) {
      seconds++
      nanos -= 1e9
    }
    const day = Math.floor(seconds / DAY_SECONDS)
    if (day !== this.#day) {
      this.#day = day
      this.#date = Buffer.from(new Date(day * DAY_SECONDS * 1000).toISOString().slice(0, 10))
    }
    this.#put(this.#date)
    const second = seconds - day * DAY_SECONDS
    this.#putDigits(0x54, Math.floor(second / 3600), 2)
    this.#putDigits(0x3a, Math.floor(second / 60) % 60, 2)
    this.#putDigits(0x3a, second % 60, 2)
    this.#putDigits(0x2e, nanos, 9)
    this.#buffer[this.#at++] = 0x5a
  }

  /** A separator and a number with a fixed number of digits. */
  #putDigits(separator: number, value: number, count: number): void {
    const buffer = this.#buffer
    buffer[this.#at] = separator
    let rest = value
    for (let at = this.#at + count; at > this.#at; at--) {
      const next = Math.floor(rest / 10)
      buffer[at] = 0x30 + rest - next * 10
      rest = next
    }
    this.#at += count + 1
  }

  /** `,"metadata":{…}`, with the level first, then the pairs of the batch; nothing if both are missing. */
  #putMetadata(bytes: Uint8Array, start: number, end: number, level: number): void {
    if (start === end && level === 0) return
    this.#put(METADATA)
    this.#put(LEVEL_PAIRS[level] as Buffer)
    let at = start
    // Each pair is two texts with varint lengths, see readMetadata.
    for (let i = 0; at < end; i++) {
      if (i > 0 || level > 0) this.#buffer[this.#at++] = i % 2 === 0 ? 0x2c : 0x3a
      let length = 0
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++] as number
        length |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      this.#buffer[this.#at++] = 0x22
      this.#putEscaped(bytes, at, at + length)
      this.#buffer[this.#at++] = 0x22
      at += length
    }
    this.#buffer[this.#at++] = 0x7d
  }

  #putLine(text: Uint8Array, start: number, end: number): void {
    const from = this.#at
    if (this.#putEscaped(text, start, end)) return
    const line = text.subarray(start, end)
    if (isUtf8(line)) return
    const readable = Buffer.from(UTF8.decode(line))
    this.#at = from
    this.#putEscaped(readable, 0, readable.length)
    this.#put(BYTES)
    this.#at += this.#buffer.write(Buffer.from(line).toString('base64'), this.#at, 'latin1')
  }

  /** Writes the inside of a JSON string; true if all of it was ASCII. */
  #putEscaped(bytes: Uint8Array, start: number, end: number): boolean {
    const buffer = this.#buffer
    let at = this.#at
    let seen = 0
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number
      const letter = ESCAPES[byte] as number
      seen |= byte
      if (letter === 0) {
        buffer[at++] = byte
        continue
      }
      buffer[at++] = 0x5c
      if (letter !== 1) {
        buffer[at++] = letter
        continue
      }
      at += buffer.write('u00', at, 'latin1')
      buffer[at++] = HEX_DIGITS[byte >> 4] as number
      buffer[at++] = HEX_DIGITS[byte & 15] as number
    }
    this.#at = at
    return seen < 0x80
  }
}
