import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { decompressBody } from '../../../src/protocol/bytes/decompress.ts'

const LIMIT = 1_000_000
const small = Buffer.from('{"streams":[]}')
// Random enough that every encoding of it is above the size from which zlib uses its own threads.
const large = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 0xff))
const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])

t.test('decodes an encoding', async (t) => {
  const rows: [name: string, body: Buffer, encoding: string | undefined, wanted: Buffer][] = [
    ['none', small, undefined, small],
    ['an empty header', small, '', small],
    ['identity', small, 'identity', small],
    ['snappy, which is only a marker', small, 'snappy', small],
    ['gzip', gzipSync(small), 'gzip', small],
    ['gzip in capitals', gzipSync(small), 'GZIP', small],
    ['gzip by its old name', gzipSync(small), 'x-gzip', small],
    ['gzip of two members', Buffer.concat([gzipSync(small), gzipSync(large)]), 'gzip', Buffer.concat([small, large])],
    ['gzip of a large body', gzipSync(large), 'gzip', large],
    ['gzip of nothing', gzipSync(''), 'gzip', Buffer.alloc(0)],
    ['raw deflate', deflateRawSync(small), 'deflate', small],
    ['raw deflate without compression', deflateRawSync(small, { level: 0 }), 'deflate', small],
    ['raw deflate of a large body', deflateRawSync(large), 'deflate', large],
    ['deflate with a zlib header', deflateSync(small), 'deflate', small],
    ['deflate with a zlib header of a large body', deflateSync(large), 'deflate', large],
    ['zstd', zstdCompressSync(small), 'zstd', small],
    ['zstd of a large body', zstdCompressSync(large), 'zstd', large],
    [
      'zstd of several frames',
      Buffer.concat([zstdCompressSync(small), skippable, zstdCompressSync(large)]),
      'zstd',
      Buffer.concat([small, large]),
    ],
    ['gzip around snappy', gzipSync(small), 'snappy, gzip', small],
    ['gzip and then snappy', gzipSync(small), 'gzip, snappy', small],
    ['gzip around deflate', gzipSync(deflateRawSync(large)), 'deflate, gzip', large],
    ['exactly the limit', gzipSync(Buffer.alloc(LIMIT)), 'gzip', Buffer.alloc(LIMIT)],
    ['exactly the limit in zstd', zstdCompressSync(Buffer.alloc(LIMIT)), 'zstd', Buffer.alloc(LIMIT)],
  ]
  for (const [name, body, encoding, wanted] of rows) {
    const bytes = await decompressBody(body, encoding, LIMIT)
    t.ok(wanted.equals(bytes), name)
  }
})

t.test('refuses a body', async (t) => {
  const over = Buffer.alloc(LIMIT + 1)
  const rows: [name: string, body: Buffer, encoding: string | undefined, code: string, words: RegExp][] = [
    ['br', brotliCompressSync(small), 'br', 'encoding_unsupported', /^Content-Encoding "br" not supported/],
    ['an unknown coding', small, 'x"y', 'encoding_unsupported', /^Content-Encoding "x\\"y" not supported/],
    ['an unknown coding in a list', gzipSync(small), 'br, gzip', 'encoding_unsupported', /"br" not supported/],
    ['a long list', small, 'gzip,gzip,gzip,gzip,gzip', 'encoding_unsupported', /not supported/],
    ['invalid gzip', small, 'gzip', 'body_malformed', /14 bytes is not valid gzip/],
    ['gzip of nothing at all', Buffer.alloc(0), 'gzip', 'body_malformed', /not valid gzip/],
    ['gzip that ends early', gzipSync(small).subarray(0, -3), 'gzip', 'body_malformed', /not valid gzip/],
    ['large gzip that ends early', gzipSync(large).subarray(0, -3), 'gzip', 'body_malformed', /not valid gzip/],
    ['gzip with more behind it', Buffer.concat([gzipSync(small), small]), 'gzip', 'body_malformed', /not valid gzip/],
    ['invalid deflate', Buffer.from([0xff, 0xff]), 'deflate', 'body_malformed', /not valid deflate/],
    ['invalid zstd', small, 'zstd', 'body_malformed', /not valid zstd/],
    ['zstd that ends early', zstdCompressSync(small).subarray(0, -3), 'zstd', 'body_malformed', /not valid zstd/],
    [
      'zstd with more behind it',
      Buffer.concat([zstdCompressSync(small), small]),
      'zstd',
      'body_malformed',
      /not valid zstd/,
    ],
    [
      'zstd of too many frames',
      Buffer.concat(Array.from({ length: 1025 }, () => zstdCompressSync(''))),
      'zstd',
      'body_malformed',
      /more than 1024 frames/,
    ],
    [
      'a plain body over the limit',
      over,
      undefined,
      'body_too_large',
      /^request body too large: 1000001 bytes.* 1000000/,
    ],
    ['gzip over the limit', gzipSync(over), 'gzip', 'body_too_large', /^request body too large: \d+ bytes.* 1000000/],
    [
      'deflate over the limit',
      deflateRawSync(over),
      'deflate',
      'body_too_large',
      /^request body too large: .* 1000000/,
    ],
    ['zstd over the limit', zstdCompressSync(over), 'zstd', 'body_too_large', /^request body too large: .* 1000000/],
    [
      'two zstd frames over the limit together',
      Buffer.concat([zstdCompressSync(Buffer.alloc(LIMIT)), zstdCompressSync('x')]),
      'zstd',
      'body_too_large',
      /^request body too large/,
    ],
    [
      'gzip over the limit inside gzip',
      gzipSync(gzipSync(over)),
      'gzip, gzip',
      'body_too_large',
      /^request body too large/,
    ],
  ]
  for (const [name, body, encoding, code, words] of rows) {
    const error = await refused(body, encoding)
    t.match(error, { code, message: words }, name)
  }
})

t.test('stops a bomb at the limit', async (t) => {
  const bomb = Buffer.concat(Array.from({ length: 10 }, () => gzipSync(Buffer.alloc(100_000_000))))
  t.ok(bomb.length > 64 * 1024, 'a bomb of a gigabyte that is inflated in the background')
  t.match(await refused(bomb, 'gzip'), { code: 'body_too_large' })
})

t.test('decodes any encoded body', async (t) => {
  const property = fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
    const encoded: [encoding: string, body: Buffer][] = [
      ['gzip', gzipSync(bytes)],
      ['deflate', deflateRawSync(bytes)],
      ['deflate', deflateSync(bytes)],
      ['zstd', zstdCompressSync(bytes)],
    ]
    for (const [encoding, body] of encoded) {
      if (Buffer.compare(await decompressBody(body, encoding, LIMIT), bytes) !== 0) return false
    }
    return true
  })
  await t.resolves(fc.assert(property, { numRuns: 100 }))
})

async function refused(body: Buffer, encoding: string | undefined): Promise<GatewayError> {
  try {
    await decompressBody(body, encoding, LIMIT)
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('it was taken')
}
