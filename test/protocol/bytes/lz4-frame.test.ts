import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { decodeLz4Frames } from '../../../src/protocol/bytes/lz4-frame.ts'

const LIMIT = 1_000_000
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
// Created by the lz4 program 1.9; those with several blocks are gzipped here, because most of their bytes are 255.
const hello = hex('04224d187440bd100000006f68656c6c6f2006000650656c6c6f0a1f7af8920000000053ce9936')
const helloText = 'hello hello hello hello hello hello\n'
const nothing = hex('04224d186440a700000000055dcc02')
const independent = gunzipSync(
  Buffer.from(
    'H4sIAAAAAAACA2NR8pVIcVguzMjAMD83MyenKDE5VYGT4f8IB/cDwEEBDpZUBWjAjAbL/QBwUFxiAAYLKKGAeUM+WPYFgFM90FMMl1rrZAB5bFN2EwMAAA==',
    'base64',
  ),
)
const linked = gunzipSync(
  Buffer.from(
    'H4sIAAAAAAACA2NR8pUIcVgnzMjAMD83MyenKDE5VYGT4f8IB/cDwEFRvndzNxcwaPh/jvQA+f8iAJw80qzkKy4xABMLKJ2ARYZ8YtkXAE70Hdf7DwA9xnCptU4GALplk3cWAwAA',
    'base64',
  ),
)
const sized = gunzipSync(
  Buffer.from(
    'H4sIAAAAAAACA2NR8pXwcFDYz8QAAhbCjAwM83Mzc3KKEpNTFTgZ/o9wcD8AHBRcwGDh/znSA+P/iwBw0rgETCnzQekDzBvyiWRfADixgzIAANZgYBoOAwAA',
    'base64',
  ),
)
const manyText = 'millrace '.repeat(20_000)
const skippable = hex('502a4d1803000000010203')

t.test('decodes frames', async (t) => {
  const rows: [name: string, body: Buffer, wanted: string][] = [
    ['with block checksums', hello, helloText],
    ['of nothing', nothing, ''],
    ['of independent blocks', independent, manyText],
    ['of linked blocks with checksums', linked, manyText],
    ['of linked blocks with their size and no checksum', sized, manyText],
    ['one after the other', Buffer.concat([hello, skippable, linked, hello]), helloText + manyText + helloText],
    ['with a block that is not compressed', hex('04224d186440a70300008061626300000000ff53d132'), 'abc'],
  ]
  for (const [name, body, wanted] of rows) t.equal(Buffer.from(decodeLz4Frames(body, LIMIT)).toString(), wanted, name)
  t.equal(decodeLz4Frames(linked, manyText.length).length, manyText.length, 'that reach the limit exactly')
})

t.test('refuses frames', async (t) => {
  const changed = (at: number, byte: number): Buffer => {
    const body = Buffer.from(hello)
    body[at] = byte
    return body
  }
  const rows: [name: string, body: Buffer, limit: number, code: string, words: RegExp][] = [
    ['of no bytes', Buffer.alloc(0), LIMIT, 'body_malformed', /ends within a frame/],
    ['of another format', Buffer.from('{"streams":[]}'), LIMIT, 'body_malformed', /no frame begins here/],
    ['of another version', changed(4, 0x34), LIMIT, 'body_malformed', /unknown version/],
    ['with a dictionary', changed(4, 0x75), LIMIT, 'body_malformed', /dictionary/],
    ['whose header changed', changed(6, 0), LIMIT, 'body_malformed', /header's checksum/],
    ['whose block changed', changed(13, 0x69), LIMIT, 'body_malformed', /checksum differs/],
    ['whose content checksum changed', changed(38, 0x69), LIMIT, 'body_malformed', /checksum differs/],
    ['with more behind them', Buffer.concat([hello, Buffer.from('more')]), LIMIT, 'body_malformed', /no frame begins/],
    ['over the limit', linked, manyText.length - 1, 'body_too_large', /^request body too large: \d+ bytes.* 179999 /],
    ['over the limit together', Buffer.concat([hello, hello]), 40, 'body_too_large', /^request body too large/],
  ]
  for (const [name, body, limit, code, message] of rows) {
    t.throws(() => decodeLz4Frames(body, limit), { code, message }, name)
  }
})

t.test('refuses every frame that ends early', async (t) => {
  for (let end = 0; end < hello.length; end++) {
    t.throws(() => decodeLz4Frames(hello.subarray(0, end), LIMIT), { code: 'body_malformed' })
  }
})

t.test('gives a result or an error for any change of a frame', async (t) => {
  // Without checksums, so that the changed bytes are decoded.
  const change = fc.tuple(fc.integer({ min: 15, max: sized.length - 1 }), fc.integer({ min: 0, max: 255 }))
  const property = fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
    const body = Buffer.from(sized)
    for (const [at, byte] of changes) body[at] = byte
    try {
      return decodeLz4Frames(body, LIMIT).length <= LIMIT
    } catch (error) {
      return error instanceof Error && error.name === 'GatewayError'
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }))
})
