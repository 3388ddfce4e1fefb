/** Decodes snappy blocks. */

import { GatewayError } from '../../domain/errors.ts'
import { decodeElementsByKernel } from '../../kernel/kernel-snappy.ts'
import { finishSlices, type Slices } from '../../kit/slices.ts'

/** From this length on a native copy is faster than a loop. */
const RUN_BYTES_MIN = 24
/** The densest element: a copy of 64 bytes in 3 bytes. */
const BYTES_PER_ELEMENT_MAX = 64
const ELEMENT_BYTES = 3
/** Output that is decoded between two yields. */
const STRETCH_BYTES = 512 * 1024

/**
 * Decodes one snappy block (not the framed stream format): a varint with the length of the output, then literals and
 * copies. The output has exactly that length, in memory from `allocate`.
 *
 * Throws body_too_large if the declared length exceeds `bytesMax`, body_malformed if it is not a block; both before
 * allocating if the length shows it.
 *
 * See format_description.txt of the snappy project.
 */
export function* sliceSnappy(
  body: Uint8Array,
  bytesMax: number,
  allocate: (bytes: number) => Buffer = Buffer.allocUnsafeSlow,
): Slices<Buffer> {
  const { length, at } = readDeclaredLength(body)
  if (length > bytesMax) {
    throw new GatewayError(
      'body_too_large',
      `request body too large: ${body.length} bytes of snappy declare ${length}, the limit is ${bytesMax} bytes; send smaller batches`,
    )
  }
  if (length * ELEMENT_BYTES > (body.length - at) * BYTES_PER_ELEMENT_MAX) {
    throw malformed(`${body.length} bytes cannot hold the ${length} they declare`)
  }
  // Every byte is written below, or the buffer is dropped with the error.
  const output = allocate(length)
  // What WebAssembly does not decode is decoded again, for the error that says why.
  if (!decodeElementsByKernel(body, at, output)) yield* sliceElements(body, at, output)
  return output
}

/** The same at once. */
export function decodeSnappy(body: Uint8Array, bytesMax: number, allocate?: (bytes: number) => Buffer): Buffer {
  return finishSlices(sliceSnappy(body, bytesMax, allocate))
}

/** The declared length: at most 5 bytes, below 2^32. */
function readDeclaredLength(body: Uint8Array): { length: number; at: number } {
  let length = 0
  for (let at = 0; at < 5 && at < body.length; at++) {
    const byte = body[at] as number
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) {
      if (length > 0xffffffff) break
      return { length, at: at + 1 }
    }
  }
  throw malformed('it does not begin with a length')
}

/** Decodes the elements body[start, …) to `output`, which they must fill. */
export function decodeElements(body: Uint8Array, start: number, output: Buffer): void {
  finishSlices(sliceElements(body, start, output))
}

function* sliceElements(body: Uint8Array, start: number, output: Buffer): Slices<void> {
  const place = { at: start, to: 0 }
  for (decodeSome(body, output, place); place.at < body.length; decodeSome(body, output, place)) yield
  if (place.to !== output.length) throw malformed('it holds less than it declares')
}

/**
 * Decodes about STRETCH_BYTES of output from `place` on, and moves it. One loop over all elements, because a call for each
 * would cost more than the copying. All its numbers remain 32-bit integers (a length or offset of 2^31 or more becomes
 * negative, and is rejected): doubles would take twice the time.
 */
function decodeSome(body: Uint8Array, output: Buffer, place: { at: number; to: number }): void {
  const bodyEnd = body.length
  const outputEnd = output.length
  let { at, to } = place
  const stop = Math.min(to + STRETCH_BYTES, outputEnd)
  while (at < bodyEnd && (to < stop || to === outputEnd)) {
    const tag = body[at++] as number
    const kind = tag & 3
    if (kind === 0) {
      let length = tag >> 2
      if (length >= 60) {
        const bytes = length - 59
        if (bodyEnd - at < bytes) throw malformed('it ends within an element')
        length = 0
        for (let i = 0; i < bytes; i++) length |= (body[at + i] as number) << (8 * i)
        at += bytes
      }
      length++
      if (length <= 0 || length > bodyEnd - at) throw malformed('it ends within a literal')
      if (length > outputEnd - to) throw malformed('it holds more than it declares')
      if (length >= RUN_BYTES_MIN) output.set(body.subarray(at, at + length), to)
      else for (let i = 0; i < length; i++) output[to + i] = body[at + i] as number
      at += length
      to += length
      continue
    }
    let length: number
    let offset: number
    if (kind === 1) {
      if (at >= bodyEnd) throw malformed('it ends within an element')
      length = ((tag >> 2) & 7) + 4
      offset = ((tag >> 5) << 8) | (body[at] as number)
      at += 1
    } else if (kind === 2) {
      if (bodyEnd - at < 2) throw malformed('it ends within an element')
      length = (tag >> 2) + 1
      offset = (body[at] as number) | ((body[at + 1] as number) << 8)
      at += 2
    } else {
      if (bodyEnd - at < 4) throw malformed('it ends within an element')
      length = (tag >> 2) + 1
      offset =
        (body[at] as number) |
        ((body[at + 1] as number) << 8) |
        ((body[at + 2] as number) << 16) |
        ((body[at + 3] as number) << 24)
      at += 4
    }
    if (offset <= 0 || offset > to) throw malformed('a copy begins before the output')
    if (length > outputEnd - to) throw malformed('it holds more than it declares')
    if (length >= RUN_BYTES_MIN && offset >= length) output.copyWithin(to, to - offset, to - offset + length)
    else for (let from = to - offset, end = from + length, i = to; from < end; ) output[i++] = output[from++] as number
    to += length
  }
  place.at = at
  place.to = to
}

function malformed(fault: string): GatewayError {
  return new GatewayError(
    'body_malformed',
    `body is not valid snappy: ${fault}; send one snappy block (not the framed format)`,
  )
}
