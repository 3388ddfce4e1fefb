import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import Fastify from 'fastify'
import t from 'tap'
import { registerCompression } from '../../../../src/transport/http/compression.ts'
import { sendBody } from '../../../../src/transport/http/query/send-body.ts'

/** Bodies of one piece, of many that are joined, and of so many that they are sent as a stream. */
const BODIES: readonly (readonly [name: string, pieces: number])[] = [
  ['one piece', 1],
  ['several pieces', 10],
  ['many pieces', 100],
]
const PIECE = Buffer.from('a line that repeats itself, é\n'.repeat(1000))
const DECODERS = {
  identity: (body: Buffer) => body,
  zstd: zstdDecompressSync,
  br: brotliDecompressSync,
  gzip: gunzipSync,
}

for (const [name, count] of BODIES) {
  for (const [encoding, decode] of Object.entries({ ...DECODERS, deflate: inflateSync })) {
    t.test(`${name} arrive whole, ${encoding}`, async (t) => {
      const app = Fastify()
      registerCompression(app)
      const body = Array.from({ length: count }, () => PIECE)
      app.get('/', (_request, reply) => sendBody(reply.type('application/json'), body))
      const response = await app.inject({ url: '/', headers: { 'accept-encoding': encoding } })
      t.equal(response.headers['content-encoding'], encoding === 'identity' ? undefined : encoding)
      if (encoding === 'identity') t.equal(response.headers['content-length'], String(count * PIECE.length))
      t.ok(decode(response.rawPayload).equals(Buffer.concat(body)))
    })
  }
}
