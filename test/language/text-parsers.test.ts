import fc from 'fast-check'
import t from 'tap'
import { decolorize } from '../../src/logql/pipeline/decolorize.ts'
import { ParserHint } from '../../src/logql/pipeline/parsers/parser-hint.ts'
import { parsePattern } from '../../src/logql/pipeline/parsers/pattern-expression.ts'
import { compilePatternParser } from '../../src/logql/pipeline/parsers/pattern-parser.ts'
import { compileRegexpParser } from '../../src/logql/pipeline/parsers/regexp-parser.ts'
import { compilePatternFilter } from '../../src/logql/pipeline/pattern-filter.ts'
import { makeEntry, parsedOf } from './make-entry.ts'

t.test('regexp: named groups become labels', async (t) => {
  const parse = (pattern: string, line: string, wanted?: string[]): Record<string, string> => {
    const entry = makeEntry(line, { stream: { app: 's' } })
    const hint = new ParserHint(wanted === undefined ? undefined : new Set(wanted))
    compileRegexpParser(pattern, hint)(entry, entry.labels)
    return { ...parsedOf(entry) }
  }
  const line = 'POST /api (200) 1.5s'
  t.strictSame(parse('(?P<method>\\w+) (?P<path>\\S+) \\((?P<status>\\d+)\\)', line), {
    method: 'POST',
    path: '/api',
    status: '200',
  })
  t.strictSame(parse('(?P<a>zzz)', line), {}, 'without a match no label and no error')
  t.strictSame(parse('(?P<a>POST)|(?P<b>GET)', line), { a: 'POST', b: '' }, 'a group that took no part is empty')
  t.strictSame(parse('(?P<app>POST)', line), { app_extracted: 'POST' })
  t.strictSame(parse('(?P<a>P)(?P<b>O)', line, ['b']), { b: 'O' })
  t.throws(() => compileRegexpParser('a(b)c'), { code: 'query_malformed' }, 'a pattern without names is refused')
  t.throws(() => compileRegexpParser('(?P<a>'), { code: 'query_malformed' })
})

t.test('pattern: captures become labels', async (t) => {
  const parse = (pattern: string, line: string, wanted?: string[]): Record<string, string> => {
    const entry = makeEntry(line)
    const hint = new ParserHint(wanted === undefined ? undefined : new Set(wanted))
    compilePatternParser(pattern, hint)(entry, entry.labels)
    return { ...parsedOf(entry) }
  }
  const nginx = '1.2.3.4 - - [10/Jun/2021] "GET /api HTTP/1.1" 200 2 "-"'
  const rows: [name: string, pattern: string, line: string, labels: Record<string, string>][] = [
    [
      'an access log',
      '<ip> - - <_> "<method> <uri> <_>" <status> <size> <_>',
      nginx,
      { ip: '1.2.3.4', method: 'GET', uri: '/api', status: '200', size: '2' },
    ],
    ['a leading literal must be the beginning', 'x<a>', 'yx1', {}],
    ['a leading literal', 'x<a>', 'x1', { a: '1' }],
    ['a missing literal: the capture takes the rest', '<a> - <b>', 'one two', { a: 'one two' }],
    ['an empty capture', '<a>,<b>', ',x', { a: '', b: 'x' }],
    ['a literal at the end may have text behind it', '<a>,', 'x,y', { a: 'x' }],
    ['text that only looks like a capture is text', '<a b> <c>', '<a b> x', { c: 'x' }],
    ['nothing captured twice', '<_> <a> <_>', '1 2 3', { a: '2' }],
  ]
  for (const [name, pattern, line, labels] of rows) t.strictSame(parse(pattern, line), labels, name)
  t.strictSame(parse('<a> <b>', '1 2', ['b']), { b: '2' }, 'only what is wanted')
})

t.test('rejected patterns', async (t) => {
  for (const pattern of ['', '<a><b>', '<_><a>', 'x<_><_>', '<a> <a>', 'text', '<_>', '<_> x', '<a> '.repeat(600)]) {
    t.throws(() => compilePatternParser(pattern), { code: 'query_malformed' }, pattern.slice(0, 20))
  }
  t.strictSame(parsePattern('a<_>b<c>'), ['a', { name: undefined }, 'b', { name: 'c' }])
})

t.test('pattern filter: the line has the shape, as Loki tests it', async (t) => {
  const rows: [pattern: string, line: string, matches: boolean][] = [
    ['<_> POST <_>', 'x POST y', true],
    ['<_> POST <_>', 'x GET y', false],
    ['POST <_>', 'x POST y', true], // a leading literal may be anywhere
    ['<_> y', 'x POST y', true],
    ['<_> y', 'x y z', false],
    ['<_>a', 'banana', false], // each literal matches at its first occurrence
    ['<_>a x', 'banana x', true],
    ['x <_>', 'x ', false],
    ['<_>', 'x', true],
    ['<_>', '', false],
    ['', '', true],
    ['', 'x', false],
    ['abc', 'abc', true],
    ['abc', 'abcd', false],
    ['ab<_>ba', 'aba', false],
    ['ab<_>ba', 'abba', false], // no capture is empty
    ['ab<_>ba', 'ab-ba', true],
    ['ab<_>ba', 'x ab-ba', true],
    ['ab<_>ba', 'ab-ba-ba', false],
    ['a<_>b<_>c', 'a1b2b3c', true],
    ['a<_>b<_>c', 'acb', false],
  ]
  for (const [pattern, line, matches] of rows)
    t.equal(compilePatternFilter(pattern)(line), matches, `${pattern} on ${line}`)
  t.throws(() => compilePatternFilter('<name> x'), { code: 'query_malformed' }, 'named captures are refused')
  t.throws(() => compilePatternFilter('<_><_>'), { code: 'query_malformed' }, 'neighbours are refused')
})

t.test('a line that passes the pattern filter matches the equivalent regular expression', async (t) => {
  const literal = fc.stringMatching(/^[ab]{1,3}$/)
  const property = fc.property(
    fc.array(literal, { maxLength: 3 }),
    fc.boolean(),
    fc.boolean(),
    fc.stringMatching(/^[ab]{0,12}$/),
    (literals, open, close, line) => {
      const pattern = `${open ? '<_>' : ''}${literals.join('<_>')}${close && literals.length > 0 ? '<_>' : ''}`
      const expression = new RegExp(`${open ? '^' : ''}${pattern.replaceAll('<_>', '.+')}$`)
      return !compilePatternFilter(pattern)(line) || (pattern === '' ? line === '' : expression.test(line))
    },
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
})

t.test('decolorize removes escape sequences', async (t) => {
  const rows: [name: string, line: string, after: string][] = [
    ['colours', '\u001b[31mred\u001b[0m and \u001b[1;38;5;200mpink\u001b[m', 'red and pink'],
    ['cursor movement', 'a\u001b[2K\u001b[1Gb', 'ab'],
    ['a title by BEL', '\u001b]0;title\u0007text', 'text'],
    ['a link by ST', '\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'link'],
    ['two-character escapes', 'a\u001bcb\u001b(Bc', 'abc'],
    ['the single-character introducer', '\u009b31mred', 'red'],
    ['plain text', 'a [31m b', 'a [31m b'],
    ['an unfinished one stays', 'a\u001b', 'a\u001b'],
  ]
  for (const [name, line, after] of rows) t.equal(decolorize(line), after, name)
})

t.test('any text and any pattern have a result', async (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.constantFrom('\u001b', '[', ']', 'm', '1', ';', '<', '_', '>', 'a'), { maxLength: 30 })
      .map((p) => p.join('')),
  )
  const property = fc.property(text, text, (pattern, line) => {
    decolorize(line)
    for (const compile of [compilePatternParser, compilePatternFilter, compileRegexpParser]) {
      try {
        const entry = makeEntry(line)
        const stage = compile(pattern) as (entry: unknown, labels: unknown) => unknown
        if (compile === compilePatternFilter) compilePatternFilter(pattern)(line)
        else stage(entry, entry.labels)
      } catch (error) {
        if ((error as { code?: string }).code !== 'query_malformed') throw error
      }
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('hostile lines of 256 KiB take time in proportion', async (t) => {
  // Quadratic work on one of these would outlast the test's time limit.
  const size = 262_144
  for (const unit of ['\u001b', '\u001b[', '\u001b]', '\u001b]x', '\u001b[1;']) {
    const line = unit.repeat(size / unit.length)
    t.ok(decolorize(line).length <= line.length, JSON.stringify(unit))
  }
  t.equal(compilePatternFilter('<_>a<_>aa<_>aaa<_>b')('a'.repeat(size)), false)
})
