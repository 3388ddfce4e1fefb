import { Readable } from 'node:stream'
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import Fastify from 'fastify'
import t from 'tap'
import { chooseEncoding, registerCompression } from '../../../src/transport/http/compression.ts'

const TEXT = 'a repeated line, é\n'.repeat(100)

const headers: readonly (readonly [name: string, header: string | undefined, encoding: string | undefined])[] = [
  ['no header', undefined, undefined],
  ['an empty header', '', undefined],
  ['one encoding', 'gzip', 'gzip'],
  ['several equals, as browsers send them', 'gzip, deflate, br, zstd', 'zstd'],
  ['weights', 'zstd;q=0.5, gzip;q=0.8, br;q=0.1', 'gzip'],
  ['capitals and spaces', ' GZIP ; Q=1.0 ', 'gzip'],
  ['an encoding with q=0', 'gzip;q=0', undefined],
  ['any encoding except one', '*, zstd;q=0', 'br'],
  ['identity preferred', 'identity, gzip;q=0.5', undefined],
  ['an encoding as preferred as identity', 'identity, gzip', 'gzip'],
  ['unknown encodings', 'x-lines, compress', undefined],
  ['an invalid weight', 'gzip;q=much', undefined],
]
for (const [name, header, encoding] of headers) {
  t.test(`${name} gives ${encoding ?? 'an uncompressed response'}`, async (t) => {
    t.equal(chooseEncoding(header), encoding)
  })
}

t.test('any header chooses one encoding or none', async () => {
  const known = ['zstd', 'br', 'gzip', 'deflate', undefined]
  const part = fc.oneof(fc.constantFrom('gzip', 'br', '*', 'identity', ';', 'q=', ',', '0.5'), fc.string())
  fc.assert(
    fc.property(fc.array(part), (parts) => known.includes(chooseEncoding(parts.join('')))),
    { numRuns: 2000 },
  )
})

const decoders = { zstd: zstdDecompressSync, br: brotliDecompressSync, gzip: gunzipSync, deflate: inflateSync }
for (const [encoding, decode] of Object.entries(decoders)) {
  t.test(`a response in ${encoding} decodes to the original`, async (t) => {
    const { headers, rawPayload } = await answered('/text', encoding)
    t.match(headers, {
      'content-encoding': encoding,
      vary: 'accept-encoding',
      'content-length': String(rawPayload.length),
    })
    t.ok(rawPayload.length < 1000)
    t.equal(decode(rawPayload).toString(), TEXT)
  })
}

const asTheyAre = [
  ['a short answer', '/short'],
  ['a binary response', '/bytes'],
  ['a stream', '/stream'],
] as const
for (const [name, url] of asTheyAre) {
  t.test(`${name} is not compressed`, async (t) => {
    const { headers } = await answered(url, 'gzip')
    t.equal(headers['content-encoding'], undefined)
  })
}

t.test('an uncompressed response has Vary, because it could be compressed', async (t) => {
  const { headers, payload } = await answered('/text', 'identity')
  t.match(headers, { vary: 'accept-encoding', 'content-encoding': undefined })
  t.equal(payload, TEXT)
})

async function answered(url: string, encoding: string) {
  const app = Fastify()
  registerCompression(app)
  app.get('/text', (_request, reply) => reply.type('text/plain; charset=utf-8').send(TEXT))
  app.get('/short', (_request, reply) => reply.type('application/json').send('{}'))
  app.get('/bytes', (_request, reply) => reply.type('application/x-protobuf').send(Buffer.alloc(5000)))
  app.get('/stream', (_request, reply) => reply.type('text/plain').send(Readable.from([TEXT])))
  return app.inject({ url, headers: { 'accept-encoding': encoding } })
}
