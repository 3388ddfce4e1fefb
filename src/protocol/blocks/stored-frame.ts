/**
 * zstd frames that hold tiny contents uncompressed. They are written and read without zstd, because a call of it costs
 * more than the bytes it would save; any zstd decoder reads them.
 *
 * See RFC 8878, sections 3.1.1.1 (frame header) and 3.1.1.2 (blocks).
 */

/** Contents of this size and more are worth compressing. */
export const STORED_BYTES_LIMIT = 512

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const
/** One segment without checksum or dictionary; the content size has one byte. */
const ONE_BYTE_SIZE = 0x20
/** The same with a content size of two bytes, from which 256 is subtracted. */
const TWO_BYTE_SIZE = 0x60
const TWO_BYTE_SIZE_MIN = 256
const BLOCK_HEADER_BYTES = 3

/** The frame of `raw`, which is shorter than STORED_BYTES_LIMIT. */
export function storeFrame(raw: Uint8Array): Uint8Array {
  const head = headBytes(raw.length)
  const frame = new Uint8Array(head + raw.length)
  writeHead(frame, raw.length)
  frame.set(raw, head)
  return frame
}

/** The contents of a frame of storeFrame with `length` bytes, in place; undefined for any other frame. */
export function storedContents(frame: Uint8Array, length: number): Uint8Array | undefined {
  if (length >= STORED_BYTES_LIMIT) return undefined
  const head = headBytes(length)
  if (frame.length !== head + length) return undefined
  writeHead(EXPECTED, length)
  for (let i = 0; i < head; i++) if (frame[i] !== EXPECTED[i]) return undefined
  return frame.subarray(head)
}

const EXPECTED = new Uint8Array(MAGIC.length + 1 + 2 + BLOCK_HEADER_BYTES)

function headBytes(length: number): number {
  return MAGIC.length + 1 + (length < TWO_BYTE_SIZE_MIN ? 1 : 2) + BLOCK_HEADER_BYTES
}

function writeHead(bytes: Uint8Array, length: number): void {
  bytes.set(MAGIC)
  let at: number = MAGIC.length
  if (length < TWO_BYTE_SIZE_MIN) {
    bytes[at++] = ONE_BYTE_SIZE
    bytes[at++] = length
  } else {
    bytes[at++] = TWO_BYTE_SIZE
    bytes[at++] = length & 0xff
    bytes[at++] = (length - TWO_BYTE_SIZE_MIN) >> 8
  }
  // The last block (bit 0), raw (bits 1 and 2 are 0), its size from bit 3 on.
  const block = (length << 3) | 1
  bytes[at++] = block & 0xff
  bytes[at++] = (block >> 8) & 0xff
  bytes[at] = 0
}
