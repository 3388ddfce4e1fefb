/** Writes a push directly as protobuf, without an object per line, for clients that push many lines. */

import snappy from 'snappyjs'
import type { Label } from '../../domain/labels.ts'
import { NS_PER_SECOND } from '../../domain/time.ts'

/**
 * Maximum size of an entry without its line and metadata: two tags, two lengths, a timestamp of at most 22 bytes, the line's tag and
 * length.
 */
const ENTRY_BYTES_MAX = 48
const FIRST_BYTES = 64 * 1024
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER)

/** The label set of the entries from `first` on. */
interface WrittenStream {
  readonly labels: Uint8Array
  readonly first: number
}

/**
 * Entries of logproto.PushRequest (proto/push.proto), in memory that is reused after `clear`. Each entry is
 * self-contained, so any range of them can be a body.
 */
export class PushWriter {
  #streams: WrittenStream[] = []
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  /** The end of each entry. */
  readonly #ends: number[] = []
  #end = 0

  /** `labels` is the text of the first stream's label set. */
  constructor(labels: string) {
    this.beginStream(labels)
  }

  /** The entries that follow are of this stream. */
  beginStream(labels: string): void {
    this.#streams.push({ labels: Buffer.from(labels), first: this.count })
  }

  get count(): number {
    return this.#ends.length
  }

  /** Total size of the entries. */
  get byteLength(): number {
    return this.#end
  }

  /** Adds an entry; `ns` since the epoch. */
  add(ns: bigint, line: Uint8Array, metadata: readonly Label[] = []): void {
    const pairs = metadata.map(encodePair)
    const pairBytes = pairs.reduce((sum, { length }) => sum + length, 0)
    this.#reserve(line.length + pairBytes + ENTRY_BYTES_MAX)
    const nanos = Number(((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND)
    // int64: a negative one has the bits of its two's complement.
    const seconds = BigInt.asUintN(64, (ns - BigInt(nanos)) / NS_PER_SECOND)
    const timeBytes = 2 + varintBytes(Number(seconds)) + varintBytes(nanos)
    const entryBytes = 2 + timeBytes + 1 + varintBytes(line.length) + line.length + pairBytes
    this.#key(2)
    this.#varint(entryBytes)
    this.#key(1)
    this.#varint(timeBytes)
    this.#bytes[this.#end++] = 0x08
    if (seconds < SAFE_MAX) this.#varint(Number(seconds))
    else this.#wideVarint(seconds)
    this.#bytes[this.#end++] = 0x10
    this.#varint(nanos)
    this.#key(2)
    this.#varint(line.length)
    this.#bytes.set(line, this.#end)
    this.#end += line.length
    for (const pair of pairs) {
      this.#bytes.set(pair, this.#end)
      this.#end += pair.length
    }
    this.#ends.push(this.#end)
  }

  /** The entries [from, to) as a snappy-compressed body of `/loki/api/v1/push`. */
  body(from: number, to: number): Uint8Array<ArrayBuffer> {
    const parts: Uint8Array[] = []
    for (const [i, { labels, first }] of this.#streams.entries()) {
      const start = Math.max(from, first)
      const end = Math.min(to, this.#streams[i + 1]?.first ?? to)
      if (start >= end) continue
      const entries = this.#bytes.subarray(start === 0 ? 0 : this.#ends[start - 1], this.#ends[end - 1])
      const head = field(1, labels)
      parts.push(Uint8Array.of(0x0a), varint(head.length + entries.length), head, entries)
    }
    return new Uint8Array(snappy.compress(Buffer.concat(parts)))
  }

  /** Removes the entries and keeps the memory; the stream stays the same. */
  clear(): void {
    this.#streams = this.#streams.slice(-1).map(({ labels }) => ({ labels, first: 0 }))
    this.#ends.length = 0
    this.#end = 0
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#end + bytes))
    this.#bytes.copy(larger, 0, 0, this.#end)
    this.#bytes = larger
  }

  /** The tag of a length-delimited field. */
  #key(field: number): void {
    this.#bytes[this.#end++] = (field << 3) | 2
  }

  #wideVarint(value: bigint): void {
    let rest = value
    for (; rest > 0x7fn; rest >>= 7n) this.#bytes[this.#end++] = Number(rest & 0x7fn) | 0x80
    this.#bytes[this.#end++] = Number(rest)
  }

  #varint(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.#bytes[this.#end++] = (rest % 128) | 0x80
    this.#bytes[this.#end++] = rest
  }
}

/** A LabelPairAdapter as the third field of an entry. */
function encodePair({ name, value }: Label): Uint8Array {
  return field(3, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(value))]))
}

/** A length-delimited field. */
function field(number: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of((number << 3) | 2), varint(content.length), content])
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return Uint8Array.from([...bytes, rest])
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
