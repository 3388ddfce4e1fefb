/** Decodes LZ4 frames, as sent by OpenTelemetry exporters. */

import { GatewayError } from '../../domain/errors.ts'

const FRAME_MAGIC = 0x184d2204
/** A skippable frame: 16 magic numbers, followed by a length. */
const SKIPPABLE_MAGIC = 0x184d2a50
const MIN_MATCH = 4
/** From this length on a native copy is faster than a loop. */
const RUN_BYTES_MIN = 24

/**
 * Decodes all frames of `body`: linked or independent blocks, with or without checksums and content size; no
 * dictionaries. Throws body_malformed, or body_too_large if the output would exceed `bytesMax`.
 *
 * See lz4_Frame_format.md and lz4_Block_format.md of the lz4 project.
 */
export function decodeLz4Frames(body: Uint8Array, bytesMax: number): Uint8Array {
  const decoder = new Lz4Decoder(body, bytesMax)
  decoder.decodeFrames()
  return decoder.output.subarray(0, decoder.length)
}

class Lz4Decoder {
  output: Uint8Array
  length = 0
  readonly #body: Uint8Array
  readonly #view: DataView
  readonly #bytesMax: number
  #at = 0

  constructor(body: Uint8Array, bytesMax: number) {
    this.#body = body
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength)
    this.#bytesMax = bytesMax
    this.output = new Uint8Array(Math.min(bytesMax, body.length * 4))
  }

  decodeFrames(): void {
    do {
      const magic = this.#readUint32()
      if (magic === FRAME_MAGIC) this.#decodeFrame()
      else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) this.#skip(this.#readUint32())
      else throw malformed('no frame begins here', this.#at - 4)
    } while (this.#at < this.#body.length)
  }

  #decodeFrame(): void {
    const header = this.#at
    const flags = this.#readByte()
    this.#readByte() // the maximum block size, which is not needed because the output is bounded
    if (flags >> 6 !== 1) throw malformed('the frame is of an unknown version', header)
    if ((flags & 1) !== 0) throw malformed('the frame needs a dictionary', header)
    const hasBlockSums = (flags & 0x10) !== 0
    const frameStart = this.length
    if ((flags & 8) !== 0) this.#skip(8)
    const headerSum = (xxHash32(this.#body, header, this.#at) >>> 8) & 0xff
    if (this.#readByte() !== headerSum) throw malformed("the frame header's checksum differs", header)
    // Blocks may only refer to previous ones if the frame declares them as linked.
    const isIndependent = (flags & 0x20) !== 0
    for (;;) {
      const size = this.#readUint32()
      if (size === 0) break
      const start = this.#at
      this.#skip(size & 0x7fffffff)
      if (size >>> 31 === 1) this.#copyLiterals(start, this.#at - start)
      else this.#decodeBlock(start, this.#at, isIndependent ? this.length : frameStart)
      if (hasBlockSums) this.#checkSum(this.#body, start, this.#at)
    }
    if ((flags & 4) !== 0) this.#checkSum(this.output, frameStart, this.length)
  }

  #copyLiterals(start: number, length: number): void {
    this.#reserve(length)
    const { output } = this
    const body = this.#body
    const to = this.length
    if (length > RUN_BYTES_MIN) output.set(body.subarray(start, start + length), to)
    else for (let i = 0; i < length; i++) output[to + i] = body[start + i] as number
    this.length += length
  }

  /** A compressed block; matches may not reach before `windowStart`. */
  #decodeBlock(start: number, end: number, windowStart: number): void {
    const body = this.#body
    let at = start
    while (at < end) {
      const token = body[at++] as number
      let literals = token >> 4
      if (literals === 15) [literals, at] = this.#readLength(literals, at, end)
      if (literals > end - at) throw malformed('a literal passes the end of its block', at)
      this.#copyLiterals(at, literals)
      at += literals
      if (at === end) return
      if (end - at < 2) throw malformed('a match passes the end of its block', at)
      const offset = (body[at] as number) | ((body[at + 1] as number) << 8)
      at += 2
      let length = token & 15
      if (length === 15) [length, at] = this.#readLength(length, at, end)
      if (offset === 0 || offset > this.length - windowStart) throw malformed('a match begins before its frame', at)
      this.#copyMatch(offset, length + MIN_MATCH)
    }
    throw malformed('a block ends without its last literals', at)
  }

  #copyMatch(offset: number, length: number): void {
    this.#reserve(length)
    const output = this.output
    const to = this.length
    if (offset >= length && length > RUN_BYTES_MIN) output.copyWithin(to, to - offset, to - offset + length)
    else for (let i = to; i < to + length; i++) output[i] = output[i - offset] as number
    this.length += length
  }

  #readLength(first: number, start: number, end: number): [length: number, at: number] {
    let length = first
    let at = start
    for (;;) {
      if (at >= end) throw malformed('a length passes the end of its block', at)
      const byte = this.#body[at++] as number
      length += byte
      if (byte !== 255) return [length, at]
    }
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes
    if (needed <= this.output.length) return
    if (needed > this.#bytesMax) {
      throw new GatewayError(
        'body_too_large',
        `request body too large: ${this.#body.length} bytes of lz4 inflate to more, the limit is ${this.#bytesMax} bytes; send smaller batches`,
      )
    }
    const output = new Uint8Array(Math.min(this.#bytesMax, Math.max(needed, this.output.length * 2)))
    output.set(this.output.subarray(0, this.length))
    this.output = output
  }

  #checkSum(bytes: Uint8Array, start: number, end: number): void {
    if (this.#readUint32() !== xxHash32(bytes, start, end)) throw malformed('a checksum differs', this.#at - 4)
  }

  #readByte(): number {
    this.#skip(1)
    return this.#body[this.#at - 1] as number
  }

  #readUint32(): number {
    this.#skip(4)
    return this.#view.getUint32(this.#at - 4, true)
  }

  #skip(bytes: number): void {
    if (bytes > this.#body.length - this.#at) throw malformed('it ends within a frame', this.#body.length)
    this.#at += bytes
  }
}

function malformed(fault: string, at: number): GatewayError {
  return new GatewayError('body_malformed', `body is not valid lz4: ${fault} (byte ${at}); send lz4 frames`)
}

const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1

/** xxHash32 with seed 0, as an unsigned number. See xxhash_spec.md of the xxHash project. */
function xxHash32(bytes: Uint8Array, start: number, end: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = start
  let hash = PRIME_5
  if (end - start >= 16) {
    let a = (PRIME_1 + PRIME_2) | 0
    let b = PRIME_2 | 0
    let c = 0
    let d = -PRIME_1 | 0
    for (; end - at >= 16; at += 16) {
      a = mixLane(a, view.getUint32(at, true))
      b = mixLane(b, view.getUint32(at + 4, true))
      c = mixLane(c, view.getUint32(at + 8, true))
      d = mixLane(d, view.getUint32(at + 12, true))
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
  }
  hash = (hash + end - start) | 0
  for (; end - at >= 4; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(view.getUint32(at, true), PRIME_3)) | 0, 17), PRIME_4)
  }
  for (; at < end; at++) hash = Math.imul(rotate((hash + Math.imul(bytes[at] as number, PRIME_5)) | 0, 11), PRIME_1)
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mixLane(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
