/** Writes a push of one stream directly as protobuf, without an object per line, for clients that push many lines. */

import snappy from 'snappyjs'
import { NS_PER_SECOND } from '../../domain/time.ts'

/**
 * Maximum size of an entry without its line: two tags, two lengths, a timestamp of at most 22 bytes, the line's tag and
 * length.
 */
const ENTRY_BYTES_MAX = 48
const FIRST_BYTES = 64 * 1024

/**
 * Entries of logproto.PushRequest (proto/push.proto), in memory that is reused after `clear`. Each entry is
 * self-contained, so any range of them can be a body.
 */
export class PushWriter {
  readonly #labels: Uint8Array
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  /** The end of each entry. */
  readonly #ends: number[] = []
  #end = 0

  /** `labels` is the text of the stream's label set. */
  constructor(labels: string) {
    this.#labels = Buffer.from(labels)
  }

  get count(): number {
    return this.#ends.length
  }

  /** Total size of the entries. */
  get byteLength(): number {
    return this.#end
  }

  /** Adds an entry; `ns` since the epoch, from 1970 on. */
  add(ns: bigint, line: Uint8Array): void {
    this.#reserve(line.length + ENTRY_BYTES_MAX)
    const seconds = Number(ns / NS_PER_SECOND)
    const nanos = Number(ns % NS_PER_SECOND)
    const timeBytes = 2 + varintBytes(seconds) + varintBytes(nanos)
    const entryBytes = 2 + timeBytes + 1 + varintBytes(line.length) + line.length
    this.#key(2)
    this.#varint(entryBytes)
    this.#key(1)
    this.#varint(timeBytes)
    this.#bytes[this.#end++] = 0x08
    this.#varint(seconds)
    this.#bytes[this.#end++] = 0x10
    this.#varint(nanos)
    this.#key(2)
    this.#varint(line.length)
    this.#bytes.set(line, this.#end)
    this.#end += line.length
    this.#ends.push(this.#end)
  }

  /** The entries [from, to) as a snappy-compressed body of `/loki/api/v1/push`. */
  body(from: number, to: number): Uint8Array<ArrayBuffer> {
    const start = from === 0 ? 0 : (this.#ends[from - 1] as number)
    const entries = this.#bytes.subarray(start, this.#ends[to - 1])
    const labels = Buffer.concat([Uint8Array.of(0x0a), varint(this.#labels.length), this.#labels])
    const stream = Buffer.concat([Uint8Array.of(0x0a), varint(labels.length + entries.length), labels])
    return new Uint8Array(snappy.compress(Buffer.concat([stream, entries])))
  }

  /** Removes the entries and keeps the memory. */
  clear(): void {
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

  #varint(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.#bytes[this.#end++] = (rest % 128) | 0x80
    this.#bytes[this.#end++] = rest
  }
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
