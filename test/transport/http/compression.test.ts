import { Readable } from 'node:stream'
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import Fastify from 'fastify'
import t from 'tap'
import { chooseEncoding, registerCompression } from '../../../src/transport/http/compression.ts'

const TEXT = 'a line that repeats itself, é\n'.repeat(100)

const headers: readonly (readonly [name: string, header: string | undefined, encoding: string | undefined])[] = [
  ['no header', undefined, undefined],
  ['an empty header', '', undefined],
  ['one encoding', 'gzip', 'gzip'],
  ['several equals, as browsers send them', 'gzip, deflate, br, zstd', 'zstd'],
  ['weights', 'zstd;q=0.5, gzip;q=0.8, br;q=0.1', 'gzip'],
  ['capitals and spaces', ' GZIP ; Q=1.0 ', 'gzip'],
  ['an encoding that is refused', 'gzip;q=0', undefined],
  ['any encoding but one', '*, zstd;q=0', 'br'],
  ['no encoding rather than one', 'identity, gzip;q=0.5', undefined],
  ['an encoding as welcome as none', 'identity, gzip', 'gzip'],
  ['encodings that nobody knows', 'x-lines, compress', undefined],
  ['a weight that is none', 'gzip;q=much', undefined],
]
for (const [name, header, encoding] of headers) {
  t.test(`${name} gives ${encoding ?? 'the answer as it is'}`, async (t) => {
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
  t.test(`an answer in ${encoding} is the same once it is decoded`, async (t) => {
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
  ['bytes that do not shrink', '/bytes'],
  ['a stream', '/stream'],
] as const
for (const [name, url] of asTheyAre) {
  t.test(`${name} goes as it is`, async (t) => {
    const { headers } = await answered(url, 'gzip')
    t.equal(headers['content-encoding'], undefined)
  })
}

t.test('an answer that nobody wants compressed tells caches that it could be', async (t) => {
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
