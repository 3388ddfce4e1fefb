/** A cursor over protobuf bytes without a schema: tags, varints, lengths, skipping. */

import { GatewayError } from '../../domain/errors.ts'

/** Wire types; 3 and 4 (groups) are rejected, 6 and 7 do not exist. */
export const WIRE_VARINT = 0
export const WIRE_64_BIT = 1
export const WIRE_BYTES = 2
export const WIRE_32_BIT = 5

/**
 * A position in protobuf bytes. Methods take the end of the message that they read, and throw body_malformed beyond it.
 * A tag is `field << 3 | wire type`, so that a known field with another wire type never equals the expected tag.
 *
 * See protobuf.dev/programming-guides/encoding.
 */
export class ProtobufCursor {
  at = 0
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  readTag(end: number): number {
    const bytes = this.#bytes
    let tag = 0
    if (this.at < end && (bytes[this.at] as number) < 0x80) tag = bytes[this.at++] as number
    else tag = this.#readSmallVarint(end)
    if (tag >>> 3 === 0) throw this.malformed('a field has number 0')
    return tag
  }

  /** Reads the length of a string, bytes or a message; returns its end, which is at most `end`. */
  readEnd(end: number): number {
    const bytes = this.#bytes
    let length = 0
    if (this.at < end && (bytes[this.at] as number) < 0x80) length = bytes[this.at++] as number
    else length = this.#readSmallVarint(end)
    if (length < 0 || length > end - this.at) throw this.malformed('a field passes the end of its message')
    return this.at + length
  }

  /** A signed 64-bit varint; approximate beyond 2^53. */
  readInt64(end: number): number {
    const start = this.at
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#readByte(end)
      if (shift < 28) low |= (byte & 0x7f) << shift
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28
        high = (byte & 0x7f) >> 4
      } else if (shift < 63) high |= (byte & 0x7f) << (shift - 32)
      else high |= (byte & 1) << 31
      if (byte < 0x80) return high * 4294967296 + (low >>> 0)
    }
    this.at = start
    throw this.malformed('a varint has more than 10 bytes')
  }

  /** A signed 32-bit varint: the low half of a 64-bit one. */
  readInt32(end: number): number {
    const start = this.at
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#readByte(end)
      if (shift < 35) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    this.at = start
    throw this.malformed('a varint has more than 10 bytes')
  }

  /** Skips the value of a field with this tag. */
  skip(tag: number, end: number): void {
    switch (tag & 7) {
      case WIRE_VARINT:
        this.readInt32(end)
        return
      case WIRE_64_BIT:
        this.#pass(8, end)
        return
      case WIRE_BYTES:
        this.at = this.readEnd(end)
        return
      case WIRE_32_BIT:
        this.#pass(4, end)
        return
      default:
        throw this.malformed(`field ${tag >>> 3} has wire type ${tag & 7}`)
    }
  }

  /** Rejects a known field with another wire type; skips any other field. */
  skipUnknown(tag: number, end: number, fieldsKnown: number): void {
    if (tag >>> 3 <= fieldsKnown) throw this.malformed(`field ${tag >>> 3} has wire type ${tag & 7}`)
    this.skip(tag, end)
  }

  malformed(fault: string): GatewayError {
    return new GatewayError(
      'body_malformed',
      `body is not valid protobuf: ${fault} (byte ${this.at} of ${this.#bytes.length}); send the message of this route`,
    )
  }

  #pass(bytes: number, end: number): void {
    if (bytes > end - this.at) throw this.malformed('a field passes the end of its message')
    this.at += bytes
  }

  #readByte(end: number): number {
    if (this.at >= end) throw this.malformed('it ends within a field')
    return this.#bytes[this.at++] as number
  }

  /** A varint of at most 5 bytes; negative from 2^31. */
  #readSmallVarint(end: number): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#readByte(end)
      if (shift === 28 && byte > 0x0f) break
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw this.malformed('a tag or length passes 32 bits')
  }
}
