/** Small bodies that would exhaust memory if decompressed without a limit. */

import { once } from 'node:events'
import { createDeflate, createGzip, createZstdCompress, gzipSync } from 'node:zlib'

export interface Bomb {
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array<ArrayBuffer>
  /** The expected status: 413 beyond the limit, otherwise that of the contents. */
  readonly status: number
}

const GIB = 2 ** 30
const MIB = 2 ** 20
const PROTOBUF = 'application/x-protobuf'
const JSON_TYPE = 'application/json'

export async function makeBombs(): Promise<Bomb[]> {
  const empty = Buffer.from('{"streams":[]}')
  const gzipped = await packed(createGzip({ level: 1 }), GIB)
  return [
    bomb('1 GiB in gzip', JSON_TYPE, 'gzip', gzipped, 413),
    bomb('1 GiB in deflate', JSON_TYPE, 'deflate', await packed(createDeflate({ level: 1 }), GIB), 413),
    bomb('1 GiB in zstd', JSON_TYPE, 'zstd', await packed(createZstdCompress(), GIB), 413),
    bomb('1 GiB in snappy in gzip', PROTOBUF, 'gzip', gzipSync(snappyZeros(GIB), { level: 1 }), 413),
    bomb('1 GiB in gzip in gzip', JSON_TYPE, 'gzip, gzip', gzipSync(gzipped), 413),
    bomb(
      '250 MiB in snappy in gzip, no protobuf',
      PROTOBUF,
      'gzip',
      gzipSync(snappyZeros(250 * MIB), { level: 1 }),
      400,
    ),
    bomb(
      '250 MiB of blanks in gzip',
      JSON_TYPE,
      'gzip',
      await packed(createGzip({ level: 1 }), 250 * MIB, 0x20, empty),
      422,
    ),
  ]
}

function bomb(name: string, contentType: string, encoding: string, body: Uint8Array, status: number): Bomb {
  const headers = { 'content-type': contentType, 'content-encoding': encoding }
  return { name, headers, body: new Uint8Array(body), status }
}

type Packer = ReturnType<typeof createGzip> | ReturnType<typeof createZstdCompress>

/** `bytes` times one byte, followed by `rest`, compressed. */
async function packed(packer: Packer, bytes: number, fill = 0, rest = Buffer.alloc(0)): Promise<Buffer> {
  const chunks: Buffer[] = []
  packer.on('data', (chunk: Buffer) => chunks.push(chunk))
  const piece = Buffer.alloc(8 * MIB, fill)
  for (let left = bytes; left > 0; left -= piece.length) {
    if (!packer.write(piece.subarray(0, Math.min(left, piece.length)))) await once(packer, 'drain')
  }
  packer.end(rest)
  await once(packer, 'end')
  return Buffer.concat(chunks)
}

/**
 * A snappy block of zeros: the length, a literal of one byte, then copies of 64 bytes from one byte back. See
 * format_description.txt of google/snappy.
 */
function snappyZeros(bytes: number): Buffer {
  const length: number[] = []
  for (let rest = bytes; rest > 0 || length.length === 0; rest >>>= 7)
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
  const copies = Buffer.alloc(Math.floor((bytes - 1) / 64) * 3, Buffer.of(63 * 4 + 2, 1, 0))
  const tail = (bytes - 1) % 64
  const last = tail === 0 ? Buffer.alloc(0) : Buffer.of((tail - 1) * 4 + 2, 1, 0)
  return Buffer.concat([Buffer.from(length), Buffer.of(0, 0), copies, last])
}
