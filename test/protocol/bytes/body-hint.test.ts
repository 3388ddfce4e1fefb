import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { type BodyForm, hintOfBody } from '../../../src/protocol/bytes/body-hint.ts'

const JSON_TEXT = '{"streams":[{"stream":{"app":"a"},"values":[]}]}'

t.test('reports what a body looks like, and what to send', async (t) => {
  const rows: [name: string, form: BodyForm, body: string | Uint8Array, hint: RegExp | undefined][] = [
    ['nothing', 'json', '', /^it is empty$/],
    ['gzip', 'json', gzipSync(JSON_TEXT), /gzip; compress it once and send Content-Encoding: gzip/],
    ['gzip as protobuf', 'snappy', gzipSync(JSON_TEXT), /gzip; compress it once and send Content-Encoding: gzip/],
    ['zstd', 'json', zstdCompressSync(JSON_TEXT), /zstd; compress it once and send Content-Encoding: zstd/],
    ['zlib', 'json', deflateSync(JSON_TEXT), /binary data/],
    ['framed snappy', 'snappy', Buffer.from('ff060000734e61507059', 'hex'), /framed .* send the block format/],
    ['UTF-16 with a mark', 'json', Buffer.from(`\ufeff${JSON_TEXT}`, 'utf16le'), /UTF-16; send UTF-8/],
    ['UTF-16 without a mark', 'json', Buffer.from(JSON_TEXT, 'utf16le'), /UTF-16; send UTF-8/],
    ['UTF-16 big-endian', 'json', Buffer.from(JSON_TEXT, 'utf16le').swap16(), /UTF-16; send UTF-8/],
    ['JSON as protobuf', 'snappy', JSON_TEXT, /JSON; send Content-Type: application\/json/],
    ['JSON as OTLP protobuf', 'protobuf', ' { "resourceLogs": [] }', /JSON; send Content-Type: application\/json/],
    ['protobuf without snappy', 'snappy', Buffer.from('0a0512035b5d', 'hex'), /compress it with snappy/],
    ['single quotes', 'json', "{'streams': []}", /double quotes/],
    ['no quotes', 'json', '{streams: []}', /double quotes/],
    ['JSON in JSON', 'json', JSON.stringify(JSON_TEXT), /holds JSON; send the object itself/],
    ['a form', 'json', 'payload=%7B%7D', /form data/],
    ['a multipart form', 'json', '--x\r\nContent-Disposition: form-data; name="a"', /form data/],
    ['XML', 'json', '<?xml version="1.0"?>', /XML or HTML/],
    [
      'protobuf as JSON',
      'json',
      Buffer.from('0a05120354060708', 'hex'),
      /protobuf, send Content-Type: application\/x-protobuf/,
    ],
    ['base64', 'json', Buffer.from(JSON_TEXT).toString('base64'), /base64/],
    ['a list of words', 'json', '[true,]', undefined],
    ['what ends early', 'json', '{"streams":[', undefined],
  ]
  for (const [name, form, body, hint] of rows) {
    const found = hintOfBody(Buffer.from(body as Uint8Array), form)
    if (hint === undefined) t.equal(found, undefined, name)
    else t.match(found, hint, name)
  }
})

t.test('never shows a part of the body', async (t) => {
  const form = fc.constantFrom<BodyForm>('json', 'protobuf', 'snappy')
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.uint8Array(), form, (body, form) => {
        const hint = hintOfBody(body, form)
        return hint === undefined || /^(?:it|keys) /.test(hint)
      }),
    ),
  )
})
