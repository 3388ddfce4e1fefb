/** Reads the protobuf wire format and validates every length. See https://protobuf.dev/programming-guides/encoding/ */

import { GatewayError } from '../../domain/errors.ts'
import { type Slices, Stride } from '../../kit/slices.ts'

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const GROUP = 3
const GROUP_END = 4
const FIXED32 = 5
const GROUP_DEPTH_MAX = 64
/** Number of fields that are read between two yields. */
const STRETCH = 256

/** Tags on the wire: the field's number and its wire type. */
export const varintTag = (field: number): number => field * 8 + VARINT
export const fixed64Tag = (field: number): number => field * 8 + FIXED64
export const lengthTag = (field: number): number => field * 8 + LENGTH
export const fixed32Tag = (field: number): number => field * 8 + FIXED32

/** Reads nested messages. Every method throws body_malformed beyond the end. */
export class WireReader {
  readonly #bytes: Buffer
  #at = 0
  #end: number

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#end = bytes.length
  }

  /**
   * Reads the fields up to the end of the message: `take` gets each tag, and either reads the field's value and returns
   * true, or returns false to skip it. Fields up to number `fieldsKnown` are not skipped: with another wire type they
   * belong to another message, such as a metric.
   */
  readFields(fieldsKnown: number, take: (tag: number) => boolean): void {
    while (this.#at < this.#end) {
      const tag = this.#readTag()
      if (!take(tag)) this.#pass(tag, fieldsKnown)
    }
  }

  /** The same in slices: `take` may also return work that reads the field's value. */
  *sliceFields(fieldsKnown: number, take: (tag: number) => boolean | Slices<void>): Slices<void> {
    const stride = new Stride(STRETCH)
    while (this.#at < this.#end) {
      const tag = this.#readTag()
      const taken = take(tag)
      if (typeof taken === 'object') yield* taken
      else if (!taken) this.#pass(tag, fieldsKnown)
      if (stride.isDue()) yield
    }
  }

  /** Reads the fields of a nested message in slices. */
  *sliceMessage(fieldsKnown: number, take: (tag: number) => boolean | Slices<void>): Slices<void> {
    const outer = this.#end
    this.#end = this.#readEnd()
    yield* this.sliceFields(fieldsKnown, take)
    this.#end = outer
  }

  /** Skips a field that `take` did not read. */
  #pass(tag: number, fieldsKnown: number): void {
    if (tag >>> 3 <= fieldsKnown) {
      this.#fail(`field ${tag >>> 3} has wire type ${tag & 7} (are these metrics or traces?)`)
    }
    this.#skip(tag)
  }

  /** Reads the fields of a nested message. */
  readMessage(fieldsKnown: number, take: (tag: number) => boolean): void {
    const outer = this.#end
    this.#end = this.#readEnd()
    this.readFields(fieldsKnown, take)
    this.#end = outer
  }

  /** The position of a length-delimited value, without reading it. */
  readRange(): { readonly start: number; readonly end: number } {
    const end = this.#readEnd()
    const start = this.#at
    this.#at = end
    return { start, end }
  }

  /** Invalid UTF-8 becomes U+FFFD. */
  readText(): string {
    const { start, end } = this.readRange()
    return this.#bytes.toString('utf8', start, end)
  }

  readBase64(): string {
    const { start, end } = this.readRange()
    return this.#bytes.toString('base64', start, end)
  }

  /** A view of the bytes. */
  readSlice(): Buffer {
    const { start, end } = this.readRange()
    return this.#bytes.subarray(start, end)
  }

  /** The low 32 bits of a varint, unsigned. */
  readUint32(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#readByte()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    return this.#fail('a varint is longer than 10 bytes')
  }

  /** A signed 64-bit varint, in decimal. */
  readInt64(): string {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#readByte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return String(low)
    }
    let value = BigInt(low)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#readByte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return String(BigInt.asIntN(64, value))
    }
    return this.#fail('a varint is longer than 10 bytes')
  }

  readFixed32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4))
  }

  readFixed64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#advance(8))
  }

  readDouble(): number {
    return this.#bytes.readDoubleLE(this.#advance(8))
  }

  #readTag(): number {
    const tag = this.readUint32()
    if (tag < 8) this.#fail('a field has the number 0')
    return tag
  }

  #readEnd(): number {
    const length = this.readUint32()
    if (length > this.#end - this.#at) this.#fail('a length passes the end of its message')
    return this.#at + length
  }

  #readByte(): number {
    return this.#bytes[this.#advance(1)] as number
  }

  /** Moves on and returns the previous position. */
  #advance(count: number): number {
    if (count > this.#end - this.#at) this.#fail('a value passes the end of its message')
    this.#at += count
    return this.#at - count
  }

  /** Groups are the predecessor of nested messages: their fields are skipped up to the same number. */
  #skip(tag: number): void {
    const groups: number[] = []
    for (let next = tag; ; next = this.#readTag()) {
      const wireType = next & 7
      if (wireType === GROUP) groups.push(next >>> 3)
      else if (wireType === GROUP_END) {
        if (groups.pop() !== next >>> 3) this.#fail('a group ends that did not begin')
      } else this.#skipValue(wireType)
      if (groups.length === 0) return
      if (groups.length > GROUP_DEPTH_MAX) this.#fail(`groups are nested deeper than ${GROUP_DEPTH_MAX}`)
    }
  }

  #skipValue(wireType: number): void {
    if (wireType === VARINT) this.readUint32()
    else if (wireType === FIXED64) this.#advance(8)
    else if (wireType === LENGTH) this.readRange()
    else if (wireType === FIXED32) this.#advance(4)
    else this.#fail(`a field has the unknown wire type ${wireType}`)
  }

  #fail(what: string): never {
    throw new GatewayError('body_malformed', `body is not valid OTLP protobuf: ${what} at byte ${this.#at}`)
  }
}
