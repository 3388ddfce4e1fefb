import fc from 'fast-check'
import t from 'tap'
import type { LabelExtraction } from '../../../../src/logql/parse/syntax.ts'
import { compileLogfmtParser } from '../../../../src/logql/pipeline/parsers/logfmt-parser.ts'
import { ParserHint } from '../../../../src/logql/pipeline/parsers/parser-hint.ts'
import { makeEntry, parsedOf } from '../../../language/make-entry.ts'

interface Options {
  isStrict?: boolean
  keepsEmpty?: boolean
  extractions?: LabelExtraction[]
  wanted?: string[]
  stream?: Record<string, string>
}

function parse(line: string, options: Options = {}): Record<string, string> {
  const { isStrict = false, keepsEmpty = false, extractions = [], wanted, stream = {} } = options
  const entry = makeEntry(line, { stream })
  const hint = new ParserHint(wanted === undefined ? undefined : new Set(wanted))
  compileLogfmtParser({ isStrict, keepsEmpty, extractions }, hint)(entry, entry.labels)
  return { ...parsedOf(entry) }
}

const LOGFMT_ERROR = { __error__: 'LogfmtParserErr' }

t.test('logfmt converts pairs to labels (trap 7)', async (t) => {
  const rows: [name: string, line: string, labels: Record<string, string>, options?: Options][] = [
    ['pairs', 'a=1 b=x/y', { a: '1', b: 'x/y' }],
    ['quoted values', 'a="x y" b="\\"q\\" \\n\\u00e9"', { a: 'x y', b: '"q" \né' }],
    ['a quoted value with equals signs', 'url="/x?a=b&c=d" z=1', { url: '/x?a=b&c=d', z: '1' }],
    ['what was no UTF-8 in a value is a space', 'a=x\ufffd b=1', { a: 'x ', b: '1' }],
    ['a key with what was no UTF-8 is a bad pair', 'a\ufffd=x b=1', { b: '1' }],
    ['half of a pair is no UTF-8', 'a="\\ud83d" b=1', { a: ' ', b: '1' }],
    ['any white space between', '\t a=1\u0001b=2\n', { a: '1', b: '2' }],
    ['empty values are dropped', 'a= b="" c=1', { c: '1' }],
    ['empty values are kept with keep-empty', 'a= b="" c=1', { a: '', b: '', c: '1' }, { keepsEmpty: true }],
    ['keys without = are dropped', 'hello a=1 world', { a: '1' }],
    ['keys without = are kept with keep-empty', 'hello a=1', { hello: '', a: '1' }, { keepsEmpty: true }],
    ['of a repeated key the first', 'a=1 a=2', { a: '1' }],
    ['names are sanitised', 'a.b=1 9z=2 x-y=3', { a_b: '1', _9z: '2', x_y: '3' }],
    ['a stream label makes it _extracted', 'app=x', { app_extracted: 'x' }, { stream: { app: 's' } }],
    ['bad pairs are passed over', '=v a=1 b=c=d e"f=1 g=2', { a: '1', g: '2' }],
    ['an open quote ends the line', 'a=1 b="x y', { a: '1' }],
    ['a bad escape is a bad pair', 'a="\\x" b=1', { b: '1' }],
    ['the empty line', '', {}],
    ['only what is wanted', 'a=1 b=2 c=3', { b: '2' }, { wanted: ['b'] }],
    ['strict: good pairs', 'a=1 b="x y" c', { a: '1', b: 'x y' }, { isStrict: true }],
    ['strict: a missing key is an error', 'a=1 =v b=2', { a: '1', ...LOGFMT_ERROR }, { isStrict: true }],
    ['strict: two equals signs are an error', 'a=1 b=c=d', { a: '1', ...LOGFMT_ERROR }, { isStrict: true }],
    ['strict: a quote in a key is an error', 'fo"o=bar', LOGFMT_ERROR, { isStrict: true }],
    ['strict: an open quote is an error', 'a="x', LOGFMT_ERROR, { isStrict: true }],
    ['strict: no error behind the last wanted', 'a=1 =v', { a: '1' }, { isStrict: true, wanted: ['a'] }],
  ]
  for (const [name, line, labels, options] of rows) t.strictSame(parse(line, options), labels, name)
})

t.test('logfmt with expressions', async (t) => {
  const extractions = [
    { label: 'host', expression: 'host' },
    { label: 'ip', expression: 'fwd' },
  ]
  t.strictSame(parse('fwd="1.2.3.4" host=h x=1', { extractions }), { host: 'h', ip: '1.2.3.4' })
  t.strictSame(parse('host=h', { extractions }), { host: 'h', ip: '' }, 'a missing key gives an empty label')
  const shadowed = parse('fwd=1', { extractions, stream: { host: 's' } })
  t.strictSame(shadowed, { ip: '1' }, 'a label that is there is not shadowed by a key that is not')
  t.strictSame(parse('host fwd=1', { extractions }), { host: '', ip: '1' }, 'a key alone is empty')
  t.strictSame(parse('host=a host=b fwd=1', { extractions }), { host: 'b', ip: '1' }, 'the last counts')
  t.strictSame(
    parse('host=a host=b', { extractions, stream: { host: 's' } }),
    { host_extracted: 'a', ip: '' },
    'beside a stream label the first counts',
  )
  const twice = ['fwd', 'ip'].map((expression) => ({ label: 'x', expression }))
  t.strictSame(parse('fwd=1', { extractions: twice }), { x: '' }, 'of two expressions for a label the last')
  t.strictSame(parse('fwd=1 ip=2 x=3', { extractions: twice }), { x: '3' }, 'a key that is called like the label')
  const sanitised = [{ label: 'l', expression: 'a_b' }]
  t.strictSame(parse('a.b=1', { extractions: sanitised }), { l: '1' }, 'by the sanitised name as well')
  const faulty = parse('host=a =b', { extractions, isStrict: true })
  t.strictSame(faulty, { __error__: 'LogfmtParserErr', host: 'a', ip: '' })
})

t.test('reads back what a logfmt writer writes', async (t) => {
  const pairs = fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.string({ minLength: 1 }))
  const property = fc.property(pairs, (object) => {
    const line = Object.entries(object).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    return (
      JSON.stringify(Object.entries(parse(line.join(' '))).sort()) === JSON.stringify(Object.entries(object).sort())
    )
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('any text gives labels or an error', async (t) => {
  const piece = fc.constantFrom('a', '=', '"', '\\', ' ', 'b=1', 'c="d"', '\u0000', 'é')
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 40 }).map((p) => p.join('')),
  )
  const property = fc.property(text, fc.boolean(), fc.boolean(), (line, isStrict, keepsEmpty) => {
    parse(line, { isStrict, keepsEmpty })
    parse(line, { isStrict, extractions: [{ label: 'x', expression: 'a' }] })
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
})

t.test('hostile lines of 256 KiB take time in proportion', async (t) => {
  const size = 262_144
  // Quadratic work on one of these would outlast the test's time limit.
  for (const unit of ['=', '"', 'a="', 'a=b=', 'a ', '\\"', 'x="\\']) {
    t.ok(Object.keys(parse(unit.repeat(size / unit.length), { keepsEmpty: true })).length <= 1, unit)
  }
})

t.test('needed labels are the same as without a hint', async () => {
  const names = ['a', 'b', 'a_b', '_9', 'c']
  const key = fc.constantFrom('a', 'b', 'a.b', 'a_b', '9', 'c', '\u00a0a', 'é', '"', '=', '')
  const value = fc.constantFrom(
    '',
    '=',
    '=1',
    '=x y',
    '="x y"',
    '="\\n"',
    '="\\q"',
    '=""',
    '="open',
    '=1"',
    '=a=b',
    '=é',
  )
  const line = fc.array(fc.tuple(key, value)).map((pairs) => pairs.map((pair) => pair.join('')).join(' '))
  const property = fc.property(
    line,
    fc.subarray(names, { minLength: 1 }),
    fc.subarray(names),
    fc.record({ isStrict: fc.boolean(), keepsEmpty: fc.boolean() }),
    (text, wanted, ofStream, options) => {
      const stream = Object.fromEntries(ofStream.map((name) => [name, 's']))
      const [hinted, whole] = [new Set(wanted), undefined].map((each) => {
        const entry = makeEntry(text, { stream })
        compileLogfmtParser({ ...options, extractions: [] }, new ParserHint(each))(entry, entry.labels)
        return wanted.map((name) => entry.labels.get(name))
      })
      t.strictSame(hinted, whole, text)
    },
  )
  fc.assert(property, { numRuns: 2000 })
})
