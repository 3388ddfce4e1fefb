import fc from 'fast-check'
import t from 'tap'
import { compileJsonExpressions } from '../../../../src/logql/pipeline/parsers/json-expression-parser.ts'
import { compileJsonParser } from '../../../../src/logql/pipeline/parsers/json-parser.ts'
import { parseJsonPath } from '../../../../src/logql/pipeline/parsers/json-path.ts'
import { ParserHint } from '../../../../src/logql/pipeline/parsers/parser-hint.ts'
import { compileUnpack } from '../../../../src/logql/pipeline/parsers/unpack.ts'
import { makeEntry, parsedOf } from '../../../language/make-entry.ts'

function parse(line: string, wanted?: string[], stream: Record<string, string> = {}): Record<string, string> {
  const entry = makeEntry(line, { stream })
  compileJsonParser(new ParserHint(wanted === undefined ? undefined : new Set(wanted)))(entry, entry.labels)
  return parsedOf(entry)
}

const JSON_ERROR = { __error__: 'JSONParserErr' }

t.test('json converts fields to labels (trap 6)', async (t) => {
  const rows: [name: string, line: string, labels: Record<string, string>][] = [
    ['strings', '{"a":"x","b":"y z"}', { a: 'x', b: 'y z' }],
    ['white space', ' { "a" : "x" , "b" : 1 } ', { a: 'x', b: '1' }],
    ['nested keys are joined', '{"a":{"b":{"c":"d"}},"e":"f"}', { a_b_c: 'd', e: 'f' }],
    ['arrays and nulls are left out', '{"a":[1,{"b":"]"}],"n":null,"z":1}', { z: '1' }],
    [
      'numbers as they are written',
      '{"a":1.0,"b":-1e3,"c":12345678901234567890}',
      { a: '1.0', b: '-1e3', c: '12345678901234567890' },
    ],
    ['booleans', '{"t":true,"f":false}', { t: 'true', f: 'false' }],
    ['of a repeated key the first', '{"a":1,"a":2}', { a: '1' }],
    ['of keys that sanitise alike the first', '{"a-b":1,"a.b":2}', { a_b: '1' }],
    [
      'sanitised names',
      '{"a.b-c d":1,"9x":2,"ü":3,"@timestamp":4}',
      { a_b_c_d: '1', _9x: '2', _: '3', _timestamp: '4' },
    ],
    ['a digit inside a joined name stays', '{"a":{"1":"x"}}', { a_1: 'x' }],
    ['escapes', '{"a":"\\"\\\\\\/\\n\\t\\u00e9\\ud83d\\ude00"}', { a: '"\\/\n\té😀' }],
    ['a value with half a character is empty', '{"a":"\\ud800"}', { a: '' }],
    ['a value with an unknown escape is empty', '{"a":"\\q","b":1}', { a: '', b: '1' }],
    ['what was no UTF-8 in a value is a space', '{"a":"x\ufffd","b":1}', { a: 'x ', b: '1' }],
    ['a trailing comma', '{"a":1,}', { a: '1' }],
    ['whatever follows a digit', '{"a":1-2,"b":10.0.0.1,"c":5ms}', { a: '1-2', b: '10.0.0.1', c: '5ms' }],
    ['a blank key inside counts for nothing', '{"a":{" ":1,"":{"b":2}}}', { a: '1', a_b: '2' }],
    ['an escaped quote at the end', '{"a":"x\\\\","b":"\\""}', { a: 'x\\', b: '"' }],
    ['control characters in strings', '{"a":"x\ty"}', { a: 'x\ty' }],
    ['empty strings', '{"a":""}', { a: '' }],
    ['empty objects', '{"a":{},"b":1}', { b: '1' }],
    ['the empty object', '{}', {}],
    ['an empty key is left out', '{"":1,"a":2}', { a: '2' }],
    ['names of Object.prototype', '{"__proto__":1,"constructor":2}', { ['__proto__']: '1', constructor: '2' }],
    ['text behind the object', '{"a":1} tail', { a: '1' }],
    ['a name of more than 1024 characters is no label', `{"${'x'.repeat(1025)}":1,"a":2}`, { a: '2' }],
    ['objects deeper than 64 are passed over', `${'{"a":'.repeat(70)}1${'}'.repeat(69)},"z":1}`, { z: '1' }],
  ]
  for (const [name, line, labels] of rows) t.strictSame(parse(line), Object.assign(Object.create(null), labels), name)
})

t.test('json sets an error and drops nothing (trap 9)', async (t) => {
  const rows: [name: string, line: string, labels: Record<string, string>][] = [
    ['plain text', 'hello', JSON_ERROR],
    ['an empty line', '', JSON_ERROR],
    ['an array', '[1]', JSON_ERROR],
    ['a string', '"a"', JSON_ERROR],
    ['an open object', '{', JSON_ERROR],
    ['what was found before the fault stays', '{"a":1,"b":', { a: '1', ...JSON_ERROR }],
    ['an open string', '{"a":"x', JSON_ERROR],
    ['an object that is closed inside an open one', '{"a":{"b":1}', { a_b: '1', ...JSON_ERROR }],
    ['an open object inside is not looked into', '{"z":1,"a":{"b":1', { z: '1', ...JSON_ERROR }],
    ['a missing comma', '{"a":1 "b":2}', { a: '1', ...JSON_ERROR }],
    ['a bare word', '{"a":nope}', JSON_ERROR],
    ['a missing colon', '{"a" 1}', JSON_ERROR],
    ['a key without quotes', '{a:1}', JSON_ERROR],
    ['an open array', '{"a":[1,2', JSON_ERROR],
  ]
  for (const [name, line, labels] of rows) t.strictSame(parse(line), Object.assign(Object.create(null), labels), name)
})

t.test('the error details are those of the parser that Loki uses', async (t) => {
  const object = "Value looks like object, but can't find closing '}' symbol"
  const array = "Value is array, but can't find closing ']' symbol"
  const rows: [line: string, details: string][] = [
    ['', object],
    ['text', object],
    ['{', 'Malformed JSON error'],
    ['{"password":hunter2}', 'Unknown value type'],
    ['{"a', 'Malformed JSON error'],
    ['{"a"', 'Malformed JSON error'],
    ['{"a" 1}', 'Malformed JSON error'],
    ['{"a":', 'Malformed JSON error'],
    ['{"\\x":1}', 'Encountered an invalid escape sequence in a string'],
    ['{"a":"x', "Value is string, but can't find closing '\"' symbol"],
    ['{"a":[1', array],
    ['{"a":{"b":1}', array],
    ['{"a":{"b":[}}', array],
    ['{"a":{"b":1', object],
    ['{"a":1', array],
    ['{"a":1 "b":2}', object],
    ['{"a":1,', array],
    ['{"a":1,b}', object],
  ]
  for (const [line, details] of rows) {
    const entry = makeEntry(line)
    compileJsonParser()(entry, entry.labels)
    t.equal(entry.labels.get('__error_details__'), details, line)
  }
})

t.test('json extracts only needed labels', async (t) => {
  const rows: [name: string, wanted: string[], line: string, labels: Record<string, string>][] = [
    ['one of three', ['b'], '{"a":1,"b":2,"c":3}', { b: '2' }],
    ['a nested one', ['a_c'], '{"a":{"b":1,"c":2},"d":{"e":1}}', { a_c: '2' }],
    ['stops when it has all, before a fault', ['a'], '{"a":1,"b":', { a: '1' }],
    ['reads to the end when one is missing', ['a', 'x'], '{"a":1,"b":', { a: '1', ...JSON_ERROR }],
    ['reads to the end when errors are wanted', ['a', '__error__'], '{"a":1,"b":', { a: '1', ...JSON_ERROR }],
    ['a repeated key counts once', ['a', 'b'], '{"a":1,"a":2,"b":3}', { a: '1', b: '3' }],
    ['the _extracted form of a name', ['app_extracted'], '{"app":1,"b":2}', { app_extracted: '1' }],
  ]
  for (const [name, wanted, line, labels] of rows) {
    t.strictSame(parse(line, wanted, { app: 'x' }), Object.assign(Object.create(null), labels), name)
  }
})

t.test('json with expressions (trap 6)', async (t) => {
  const line = '{"a":{"b":[10,{"c d":"x"}],"o": {"k": 1}},"s":"t","n":null,"f":1.50,"e":"\\u00e9"}'
  const rows: [name: string, expression: string, value: string][] = [
    ['a field', 's', 't'],
    ['a number as written', 'f', '1.50'],
    ['an element', 'a.b[0]', '10'],
    ['a quoted key', 'a.b[1]["c d"]', 'x'],
    ['a first step in brackets', '["a"]["b"][0]', '10'],
    ['an array as its text', 'a.b', '[10,{"c d":"x"}]'],
    ['an object as its text', 'a.o', '{"k": 1}'],
    ['null is empty', 'n', ''],
    ['a missing path is empty', 'a.zzz', ''],
    ['a missing element is empty', 'a.b[9]', ''],
    ['an index into an object is empty', 'a[0]', ''],
    ['escapes are undone', 'e', 'é'],
  ]
  for (const [name, expression, value] of rows) {
    const entry = makeEntry(line)
    compileJsonExpressions([{ label: 'l', expression }])(entry, entry.labels)
    t.strictSame({ ...parsedOf(entry) }, { l: value }, name)
  }

  t.test('several at once, one inside another', async (t) => {
    const entry = makeEntry(line, { stream: { s: 'stream' } })
    const extractions = [
      { label: 'whole', expression: 'a.o' },
      { label: 'part', expression: 'a.o.k' },
      { label: 's', expression: 's' },
    ]
    compileJsonExpressions(extractions)(entry, entry.labels)
    t.strictSame({ ...parsedOf(entry) }, { whole: '{"k": 1}', part: '1', s_extracted: 't' })
  })
  t.test('the first of a repeated member counts', async (t) => {
    const entry = makeEntry('{"a":1,"a":2,"b":3}')
    compileJsonExpressions([
      { label: 'a', expression: 'a' },
      { label: 'b', expression: 'b' },
    ])(entry, entry.labels)
    t.strictSame({ ...parsedOf(entry) }, { a: '1', b: '3' })
  })
  t.test('an array is a document, too', async (t) => {
    const entry = makeEntry('[{"a":1}]')
    compileJsonExpressions([{ label: 'x', expression: '[0].a' }])(entry, entry.labels)
    t.strictSame({ ...parsedOf(entry) }, { x: '1' })
  })
  t.test('a line that does not start like JSON has an error and no label; an empty one has neither', async (t) => {
    for (const [line, labels] of [
      ['hello', JSON_ERROR],
      ['123', JSON_ERROR],
      ['', {}],
      ['"a"', { x: '' }],
    ] as const) {
      const entry = makeEntry(line)
      compileJsonExpressions([{ label: 'x', expression: 'a' }])(entry, entry.labels)
      t.strictSame({ ...parsedOf(entry) }, labels, line)
    }
  })
  t.test('a label that is there is not shadowed by a path that is not', async (t) => {
    const entry = makeEntry('{"b":1}', { stream: { s: 'stream' } })
    compileJsonExpressions([{ label: 's', expression: 'a' }])(entry, entry.labels)
    t.strictSame({ ...parsedOf(entry) }, {})
  })
})

t.test('paths that cannot be read are refused', async (t) => {
  for (const path of [
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a[',
    'a[x]',
    'a[-1]',
    'a["x]',
    '[]',
    'a b',
    'a["\\x"]',
    'a.'.repeat(80),
  ]) {
    t.throws(() => parseJsonPath(path), { code: 'query_malformed' }, path)
  }
  t.strictSame(parseJsonPath('a-b.c[0] ["x\\"y"]'.replace(' ', '')), ['a-b', 'c', 0, 'x"y'])
})

t.test('unpack (trap 8)', async (t) => {
  const rows: [name: string, line: string, after: string, labels: Record<string, string>][] = [
    ['strings become labels and _entry the line', '{"pod":"p","_entry":"text"}', 'text', { pod: 'p' }],
    ['_entry may come first', '{"_entry":"t","pod":"p"}', 't', { pod: 'p' }],
    ['without _entry nothing is promoted', '{"pod":"p"}', '{"pod":"p"}', {}],
    ['other kinds are passed over', '{"n":1,"o":{"x":"y"},"s":"v","_entry":"t"}', 't', { s: 'v' }],
    ['an _entry that is no string is none', '{"pod":"p","_entry":1}', '{"pod":"p","_entry":1}', {}],
    ['an empty line', '', '', {}],
    ['an empty object', '{}', '{}', {}],
    ['plain text is an error', 'text', 'text', JSON_ERROR],
    ['broken JSON is an error', '{"_entry":"t",', '{"_entry":"t",', JSON_ERROR],
  ]
  for (const [name, line, after, labels] of rows) {
    const entry = makeEntry(line)
    compileUnpack()(entry, entry.labels)
    t.strictSame({ line: entry.line, labels: { ...parsedOf(entry) } }, { line: after, labels }, name)
  }
})

t.test('agrees with JSON.parse on every flat object', async (t) => {
  const value = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.integer(), fc.boolean())
  const property = fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), value), (object) => {
    const expected = Object.entries(object).map(([k, v]) => [k, typeof v === 'string' ? v.toWellFormed() : String(v)])
    const found = Object.entries(parse(JSON.stringify(object)))
    return JSON.stringify(found.sort()) === JSON.stringify(expected.sort())
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('any text gives labels or an error', async (t) => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    ':',
    ',',
    'a',
    '1',
    '-',
    'null',
    '"a":',
    '"b":"c"',
    ' ',
    '\\u',
    'é',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 40 }).map((p) => p.join('')),
    fc.json(),
  )
  const expressions = compileJsonExpressions([{ label: 'x', expression: 'a.b[0]' }])
  const unpack = compileUnpack()
  const property = fc.property(text, (line) => {
    parse(line)
    parse(line, ['a', 'b'])
    for (const parser of [expressions, unpack]) {
      const entry = makeEntry(line)
      parser(entry, entry.labels)
      entry.labels.parts()
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
})

t.test('hostile lines of 256 KiB take time in proportion', async (t) => {
  const size = 262_144
  const lines = [
    '{"a":'.repeat(size / 5),
    `{"a":"${'\\'.repeat(size)}`,
    `{"a":${'['.repeat(size)}`,
    `{"a":"${'\\"'.repeat(size / 2)}`,
    `{${'"a":1,'.repeat(size / 6)}`,
    `{${'"ab":{"cd":1},'.repeat(size / 14)}`,
    `{"a":${'9'.repeat(size)}}`,
    ' '.repeat(size),
  ]
  // Quadratic work on one of these would outlast the test's time limit.
  for (const line of lines)
    t.equal(parse(line)['__error__'] ?? 'none', line.startsWith('{"a":9') ? 'none' : 'JSONParserErr')
})
