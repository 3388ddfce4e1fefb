import fc from 'fast-check'
import t from 'tap'
import { FieldDetector, type FieldType, typeOfValue } from '../../../src/flows/query/detect-fields.ts'

const TYPES: readonly (readonly [value: string, type: FieldType])[] = [
  ['17', 'int'],
  ['-17', 'int'],
  ['9223372036854775807', 'int'],
  ['9223372036854775808', 'float'],
  ['0.5', 'float'],
  ['1e5', 'float'],
  ['true', 'boolean'],
  ['False', 'boolean'],
  ['1m30s', 'duration'],
  ['1.5s', 'duration'],
  ['3KB', 'bytes'],
  ['2.5 MiB', 'bytes'],
  ['anna', 'string'],
  ['2026-11-21', 'string'],
  ['yes', 'string'],
]

for (const [value, type] of TYPES) {
  t.test(`${value} has type ${type}`, async (t) => {
    t.equal(typeOfValue(value), type)
  })
}

function detect(lines: readonly string[], limit = 100, only?: string) {
  const detector = new FieldDetector(limit, only)
  const labels = [{ name: 'app', value: 'shop' }]
  for (const line of lines) detector.add(labels, { ns: 0n, line, metadata: [['trace', 't1']], parsed: [] })
  return detector.fields()
}

const FIELDS: readonly (readonly [name: string, lines: readonly string[], field: string, reported: object])[] = [
  ['whole and broken numbers as float', ['x=1', 'x=1.5'], 'x', { type: 'float' }],
  ['a number and a word as string', ['x=1', 'x=many'], 'x', { type: 'string' }],
  ['one value once', ['x=1', 'x=1', 'x=2'], 'x', { values: new Set(['1', '2']) }],
  ['both parsers of a name', ['x=1', '{"x":2}'], 'x', { parsers: ['json', 'logfmt'], jsonPath: ['x'] }],
  ['no parser of metadata', ['x'], 'trace', { parsers: [], jsonPath: undefined }],
  ['the path of a member', ['{"a b":{"c-d":1}}'], 'a_b_c_d', { jsonPath: ['a b', 'c-d'] }],
  ['a name that the stream has', ['{"app":"x"}'], 'app_extracted', { parsers: ['json'], jsonPath: ['app'] }],
  ['a hostile name', ['{"__proto__":{"x":1}}'], '__proto___x', { jsonPath: ['__proto__', 'x'] }],
]

for (const [name, lines, wanted, reported] of FIELDS) {
  t.test(`detects ${name}`, async (t) => {
    const field = detect(lines).find((each) => each.name === wanted)
    t.match(field, reported)
  })
}

t.test('returns at most the requested number of fields, or only the requested one', async (t) => {
  t.equal(detect(['a=1 b=2 c=3'], 2).length, 2)
  t.strictSame(
    detect(['a=1 b=2 c=3'], 1, 'c').map(({ name }) => name),
    ['c'],
  )
})

t.test('a broken JSON line is parsed as logfmt, as in Loki', async (t) => {
  const [field] = detect(['{"a": x=1'], 100, 'x')
  t.strictSame(field?.parsers, ['logfmt'])
})

t.test('any line gives typed fields, at most the requested number', async (t) => {
  const part = fc.constantFrom(
    '{"a":',
    '"b"',
    '{',
    '}',
    '[1]',
    ',',
    'x=',
    '"',
    '\\u00',
    '1',
    ' ',
    '__proto__',
    '"":',
    'ü',
  )
  const line = fc.oneof(
    fc.array(part, { maxLength: 20 }).map((parts) => parts.join('')),
    fc.json(),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 10 }), fc.integer({ min: 1, max: 5 }), (lines, limit) => {
      const fields = detect(lines, limit)
      return (
        fields.length <= limit &&
        fields.every(
          ({ values, parsers, jsonPath }) => values.size > 0 && (jsonPath === undefined || parsers.includes('json')),
        )
      )
    }),
    { numRuns: 3000 },
  )
  t.pass('3000 sets of lines')
})
