import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import {
  formatJson,
  isJsonObject,
  JSON_DEPTH_MAX,
  JSON_VALUES_MAX,
  type JsonObject,
  parseJson,
} from '../../../src/protocol/bytes/exact-json.ts'

const parse = (text: string) => parseJson(text, { left: JSON_VALUES_MAX })

t.test('formats to the original text', async (t) => {
  const rows: [name: string, text: string, compact: string][] = [
    ['an integer above 2^53', '9007199254740993', '9007199254740993'],
    ['a number beyond a double', '-1e400', '-1e400'],
    ['a fraction of zero', '1.0', '1.0'],
    ['minus zero', '-0', '-0'],
    ['words', '[true,false,null]', '[true,false,null]'],
    ['white space', ' { "a" :\t[ ]\r\n} ', '{"a":[]}'],
    ['keys in their order', '{"2":0,"1":0,"b":0,"a":0}', '{"2":0,"1":0,"b":0,"a":0}'],
    ['keys that objects have', '{"__proto__":{"x":1},"constructor":2}', '{"__proto__":{"x":1},"constructor":2}'],
    ['the last of equal keys', '{"a":1,"a":2}', '{"a":2}'],
    ['escapes', '"\\u0041\\/\\n\\"\\\\"', '"A/\\n\\"\\\\"'],
    ['half a surrogate pair', '"\\ud800"', '"\\ud800"'],
    ['an empty string', '""', '""'],
  ]
  for (const [name, text, compact] of rows) t.equal(formatJson(parse(text)), compact, name)
})

t.test('rejects invalid JSON, with the position and without the text', async (t) => {
  const rows: [name: string, text: string, place: string][] = [
    ['nothing', '', 'expected a value at line 1, column 1'],
    ['white space only', ' \n ', 'expected a value at line 2, column 2'],
    ['a bare word', 'secret', 'expected a value at line 1, column 1'],
    ['a word cut short', 'tru', 'expected a value at line 1, column 1'],
    ['two values', '{"a":1}\n{"secret":2}', 'expected the end at line 2, column 1'],
    ['an open object', '{"a":1', 'expected "," or "}" at line 1, column 7'],
    ['an open array', '[1', 'expected "," or "]" at line 1, column 3'],
    ['a trailing comma', '[1,]', 'expected a value at line 1, column 4'],
    ['a key without quotes', '{\n  secret: 1}', 'expected a key in double quotes at line 2, column 3'],
    ['a key without a colon', '{"a" 1}', 'expected ":" at line 1, column 6'],
    ['an open string', '"secret', 'expected a closing quote at line 1, column 8'],
    ['an open string that ends in an escape', '"secret\\', 'expected a closing quote at line 1, column 9'],
    [
      'an unknown escape',
      '["\\x"]',
      'expected a string with valid escapes and no control character at line 1, column 2',
    ],
    ['a newline in a string', '"a\nb"', 'expected no control character in a string at line 1, column 3'],
    ['a leading zero', '012', 'expected the end at line 1, column 2'],
    ['a plus sign', '+1', 'expected a value at line 1, column 1'],
    ['NaN', 'NaN', 'expected a value at line 1, column 1'],
  ]
  for (const [name, text, place] of rows) {
    t.throws(() => parse(text), { code: 'body_malformed', message: `body is not JSON: ${place}` }, name)
  }
})

t.test('accepts nesting up to its limit and rejects more', async (t) => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  t.equal(formatJson(parse(nested(JSON_DEPTH_MAX))), nested(JSON_DEPTH_MAX))
  t.throws(() => parse(nested(JSON_DEPTH_MAX + 1)), { code: 'body_malformed' })
  t.throws(() => parse('{"a":'.repeat(100_000)), { code: 'body_malformed' })
})

t.test('stops when the values are used up', async (t) => {
  t.throws(() => parseJson('[1,2,3]', { left: 3 }), { code: 'body_too_large' })
  t.equal(formatJson(parseJson('[1,2,3]', { left: 4 })), '[1,2,3]')
})

t.test('parses a range of a text, with positions in the whole text', async (t) => {
  t.equal(formatJson(parseJson('1\n22\n333', { left: 9 }, { start: 2, end: 4 })), '22')
  t.throws(() => parseJson('1\ntru\nx', { left: 9 }, { start: 2, end: 5 }), { message: /line 2, column 1$/ })
  t.throws(() => parseJson('"a\nb"', { left: 9 }, { start: 0, end: 2 }), { message: /line 1, column 3$/ })
})

t.test('agrees with JSON.parse on what is JSON and what it means', async (t) => {
  const agrees = (text: string) => {
    const expected = outcome(() => JSON.stringify(JSON.parse(text)))
    return outcome(() => JSON.stringify(JSON.parse(formatJson(parse(text))))) === expected
  }
  fc.assert(fc.property(fc.json({ maxDepth: 8 }), agrees))
  const nearlyJson = fc.array(fc.constantFrom(...'{}[]",:\\ \n0123.eE+-utrfalsn'), { maxLength: 12 })
  fc.assert(
    fc.property(
      nearlyJson.map((chars) => chars.join('')),
      agrees,
    ),
    { numRuns: 3000 },
  )
  t.pass('for every text')
})

t.test('distinguishes objects from other values', async (t) => {
  t.ok(isJsonObject(parse('{}')))
  for (const text of ['[]', 'null', '1', '"{}"']) t.notOk(isJsonObject(parse(text)), text)
  t.equal((parse('{"__proto__":1}') as JsonObject).size, 1)
})

function outcome(read: () => string): string | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof GatewayError || error instanceof SyntaxError) return undefined
    throw error
  }
}
