import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { JsonCursor, unescapeJson } from '../../../src/protocol/bytes/json-cursor.ts'

t.test('accepts valid JSON', async (t) => {
  const texts = [
    'null',
    ' true ',
    'false',
    '0',
    '-0',
    '12',
    '-1.5e+10',
    '1E5',
    '0.1',
    '""',
    '"é€😀"',
    '"\\u00e9\\n\\/"',
    '[]',
    '{}',
    '[1,[2,{"a":[]}],null]',
    '{"a":1,"a":{"b":"c"}}',
    '\n\t\r {"a" : [ 1 , 2 ] } \n',
    '"\u007f"',
  ]
  for (const text of texts) t.doesNotThrow(() => pass(text), text)
  t.doesNotThrow(() => pass('\ufeff{}'), 'a byte order mark in front')
  t.doesNotThrow(() => pass('['.repeat(128) + ']'.repeat(128)), '128 levels')
})

t.test('rejects invalid JSON', async (t) => {
  const texts = [
    '',
    ' ',
    'nul',
    'nulll',
    'True',
    '01',
    '-',
    '1.',
    '.5',
    '1e',
    '1e+',
    '+1',
    '0x1',
    'NaN',
    '"',
    '"\\"',
    '"\\x41"',
    '"\\u12g4"',
    '"\\u12"',
    '"\n"',
    '"\u0000"',
    '[',
    '[1',
    '[1,]',
    '[,1]',
    '[1 2]',
    ']',
    '{',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '{"a":1 "b":2}',
    '{}{}',
    '[]]',
    '1 2',
    '// a\n1',
    '\u00a01',
    '\u0000',
  ]
  for (const text of texts) t.throws(() => pass(text), { code: 'body_malformed' }, JSON.stringify(text))
  t.throws(() => pass('['.repeat(129) + ']'.repeat(129)), { code: 'body_malformed' }, '129 levels')
  t.throws(() => pass('['.repeat(1_000_000)), { code: 'body_malformed' }, 'a million levels')
})

t.test('reports the position and not the text', async (t) => {
  t.throws(() => pass('{"secret": secret}'), { message: 'body is not valid JSON: expected a value at byte 11' })
  t.throws(() => pass('{"secret"'), { message: "body is not valid JSON: expected ':' at byte 9, where the body ends" })
})

t.test('agrees with JSON.parse on any change of a text', async (t) => {
  const change = fc.tuple(fc.nat(), fc.nat({ max: 2 }), fc.constantFrom(...'{}[]",:\\u019-+.eEtrfn \n\u0001é'))
  const property = fc.property(fc.json({ maxDepth: 4 }), fc.array(change, { maxLength: 4 }), (original, changes) => {
    let text = original
    for (const [at, removed, added] of changes) {
      const place = at % (text.length + 1)
      text = text.slice(0, place) + added + text.slice(place + removed)
    }
    return isTaken(() => JSON.parse(text)) === isTaken(() => pass(text))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3000 }))
})

t.test('decodes escapes like JSON.parse', async (t) => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 5 }).map((text) => JSON.stringify(text).slice(1, -1)),
    fc.nat({ max: 0xffff }).map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`),
    fc
      .tuple(fc.integer({ min: 0xd7ff, max: 0xdc01 }), fc.integer({ min: 0xdbff, max: 0xe000 }))
      .map(([high, low]) => `\\u${high.toString(16)}\\u${low.toString(16).toUpperCase()}`),
    fc.constantFrom('\\"', '\\\\', '\\/', '\\b', '\\f', '\\n', '\\r', '\\t', '\\\\u0041', 'plain text'),
  )
  const property = fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
    const inside = pieces.join('')
    const wanted = (JSON.parse(`"${inside}"`) as string).toWellFormed()
    const bytes = Buffer.from(`<${inside}>`)
    const end = unescapeJson(bytes, 1, bytes.length - 1)
    return bytes.toString('utf8', 1, end) === wanted && bytes.at(-1) === 0x3e
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
})

function pass(text: string): void {
  const cursor = new JsonCursor(Buffer.from(text))
  cursor.passValue()
  if (!cursor.isAtEnd()) throw cursor.malformed('the end')
}

function isTaken(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof GatewayError) return false
    throw error
  }
}
