/** Pushes in every format and encoding, and their results. */

import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import snappy from 'snappyjs'
import {
  JSON_TYPE,
  json,
  jsonRow,
  NS,
  OK_JSON,
  ONE,
  ONE_PROTOBUF,
  ofValues,
  PROTOBUF,
  push,
  type Rows,
  stream,
  typed,
} from './push-row.ts'

export const CONTENT_TYPES: Rows = [
  ['no Content-Type', { body: ONE, status: 400, text: /^mime: no media type; send a Content-Type/ }],
  [
    'an empty Content-Type',
    { headers: typed(''), body: ONE, status: 400, text: /^mime: no media type; send a Content-Type/ },
  ],
  [
    'a malformed parameter of Content-Type',
    {
      headers: typed('application/json; charsetutf-8'),
      body: ONE,
      status: 400,
      text: 'mime: invalid media parameter\n',
    },
  ],
  [
    'a Content-Type without a slash',
    { headers: typed('application json'), body: ONE, status: 400, text: 'mime: expected slash after first token\n' },
  ],
  ['JSON', { headers: typed(JSON_TYPE), body: ONE, status: 200, text: OK_JSON, lines: ['one'] }],
  [
    'JSON with a charset',
    { headers: typed('application/json; charset=utf-8'), body: ONE, status: 200, lines: ['one'] },
  ],
  ['JSON in capitals', { headers: typed('Application/JSON'), body: ONE, status: 200, lines: ['one'] }],
  ['protobuf', { headers: typed(PROTOBUF), body: ONE_PROTOBUF, status: 204, lines: ['one'] }],
  [
    'protobuf that calls itself text',
    { headers: typed('text/plain'), body: ONE_PROTOBUF, status: 204, lines: ['one'] },
  ],
  ['JSON of a misspelt type is read as protobuf', { headers: typed('application/jsonn'), body: ONE, status: 400 }],
]

export const ENCODINGS: Rows = [
  [
    'snappy as a marker on protobuf',
    { headers: typed(PROTOBUF, { 'content-encoding': 'snappy' }), body: ONE_PROTOBUF, status: 204, lines: ['one'] },
  ],
  [
    'JSON in a snappy block',
    {
      headers: typed(JSON_TYPE, { 'content-encoding': 'snappy' }),
      body: snappy.compress(new Uint8Array(Buffer.from(ONE))),
      status: 400,
    },
  ],
  [
    'protobuf in gzip alone, without its snappy layer',
    { headers: typed(PROTOBUF, { 'content-encoding': 'gzip' }), body: gzipSync('no snappy'), status: 400 },
  ],
  [
    'protobuf in snappy in gzip',
    {
      headers: typed(PROTOBUF, { 'content-encoding': 'gzip' }),
      body: gzipSync(ONE_PROTOBUF),
      status: 204,
      lines: ['one'],
    },
  ],
  [
    'JSON in gzip',
    { headers: typed(JSON_TYPE, { 'content-encoding': 'gzip' }), body: gzipSync(ONE), status: 200, lines: ['one'] },
  ],
  [
    'JSON in raw deflate',
    {
      headers: typed(JSON_TYPE, { 'content-encoding': 'deflate' }),
      body: deflateRawSync(ONE),
      status: 200,
      lines: ['one'],
    },
  ],
  [
    'JSON in deflate with a zlib header, as Vector sends it',
    {
      headers: typed(JSON_TYPE, { 'content-encoding': 'deflate' }),
      body: deflateSync(ONE),
      status: 200,
      lines: ['one'],
    },
  ],
  [
    'JSON in zstd, as Vector sends it',
    {
      headers: typed(JSON_TYPE, { 'content-encoding': 'zstd' }),
      body: zstdCompressSync(ONE),
      status: 200,
      lines: ['one'],
    },
  ],
  [
    'an encoding that nobody knows',
    {
      headers: typed(JSON_TYPE, { 'content-encoding': 'br' }),
      body: ONE,
      status: 400,
      text: /^Content-Encoding "br" not supported/,
    },
  ],
  ['invalid gzip', { headers: typed(JSON_TYPE, { 'content-encoding': 'gzip' }), body: 'not gzip', status: 400 }],
  [
    'a snappy block that says it is larger than the limit',
    {
      headers: typed(PROTOBUF),
      body: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0),
      status: 413,
      text: /^request body too large/,
    },
  ],
]

export const SIZES: Rows = [
  [
    'a body larger than the limit',
    {
      env: { MILLRACE_BODY_BYTES_MAX: '60' },
      headers: typed(JSON_TYPE),
      body: ONE.padEnd(61),
      status: 413,
      text: /^request body too large: \d+ bytes came, the limit is 60 bytes/,
    },
  ],
  [
    'a body larger than the limit once it is decompressed',
    {
      env: { MILLRACE_DECOMPRESSED_BYTES_MAX: '1000' },
      headers: typed(JSON_TYPE, { 'content-encoding': 'gzip' }),
      body: gzipSync(ONE.padEnd(1001)),
      status: 413,
      text: /^request body too large/,
    },
  ],
  [
    "a stream's label text larger than the limit",
    {
      env: { MILLRACE_LABEL_TEXT_BYTES_MAX: '100' },
      headers: typed(PROTOBUF),
      body: push([stream(`{app="${'x'.repeat(100)}"}`, 'one')]),
      status: 413,
      text: /^request body too large/,
    },
  ],
]

export const JSON_DETAILS: Rows = [
  ['a time that is a number', jsonRow(`{"streams":[{"stream":{"app":"a"},"values":[[${NS},"one"]]}]}`, 400)],
  ['a time that is a fraction', jsonRow(ofValues(['1.5', 'one']), 400)],
  ['a time in RFC 3339', jsonRow(ofValues(['2026-11-21T12:00:00Z', 'one']), 400)],
  ['a time beyond 64 bits', jsonRow(ofValues(['9223372036854775808', 'one']), 400)],
  ['a line that is no string', jsonRow(ofValues([NS, 7]), 400)],
  ['metadata that is empty', jsonRow(ofValues([NS, 'one', {}]), 200, { lines: ['one'] })],
  [
    'metadata that is no text is taken as its JSON text',
    jsonRow(ofValues([NS, 'one', { n: 1, b: true, z: null, o: { a: 1 } }]), 200, { lines: ['one'] }),
  ],
  ['metadata that is no object', jsonRow(ofValues([NS, 'one', 'x']), 400)],
  ['a fourth element', jsonRow(ofValues([NS, 'one', {}, 'more']), 200, { lines: ['one'] })],
  ['values null', jsonRow('{"streams":[{"stream":{"app":"a"},"values":null}]}', 200, { text: /"count":0/ })],
  ['an entry null', jsonRow(ofValues(null, [NS, 'one']), 200, { lines: ['one'] })],
  [
    'unknown keys everywhere',
    jsonRow(`{"x":[1,{}],"streams":[{"y":null,"stream":{"app":"a"},"values":[["${NS}","one"]]}]}`, 200, {
      lines: ['one'],
    }),
  ],
  [
    'label values that are no strings',
    jsonRow(json({ stream: { n: 123, o: { a: 1 } }, values: [[NS, 'one']] }), 200, { lines: ['one'] }),
  ],
  ['no labels at all under the key', jsonRow(json({ values: [[NS, 'one']] }), 400)],
  ['an empty label object', jsonRow(json({ stream: {}, values: [[NS, 'one']] }), 200, { lines: ['one'] })],
  ['a body that is no JSON', jsonRow('{"streams":', 400)],
  ['an empty body', jsonRow('', 400)],
  ['an array', jsonRow('[]', 400)],
  [
    'keys of another protocol: not accepted in silence',
    jsonRow('{"strooms":[]}', 400, {
      text: 'push body is invalid: the body has no "streams"; found "strooms" (byte 0)\n',
    }),
  ],
]

export const LEGACY: Rows = [
  [
    'JSON of version 0',
    {
      url: '/api/prom/push',
      ...jsonRow(
        JSON.stringify({
          streams: [{ labels: '{app="a"}', entries: [{ ts: '2026-11-21T12:00:00.5Z', line: 'one' }] }],
        }),
        200,
        { lines: ['one'] },
      ),
    },
  ],
  [
    'protobuf on the legacy route',
    { url: '/api/prom/push', headers: typed(PROTOBUF), body: ONE_PROTOBUF, status: 204, lines: ['one'] },
  ],
]
