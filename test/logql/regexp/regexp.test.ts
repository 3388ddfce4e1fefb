import fc from 'fast-check'
import { RE2JS } from 're2js'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { compileAnchored, compileRegexp, regexpSlices } from '../../../src/logql/regexp/regexp.ts'
import { costOf } from '../../support/cpu-time.ts'

/** Pattern, text, whether it matches anywhere, whether it matches the whole text. */
const MEANINGS: readonly (readonly [name: string, pattern: string, text: string, found: boolean, whole: boolean])[] = [
  ['a literal is found inside', 'b', 'abc', true, false],
  ['a literal is the whole', 'abc', 'abc', true, true],
  ['the empty pattern', '', 'abc', true, false],
  ['the empty pattern and text', '', '', true, true],
  ['a dot does not take a line break in a search, but does in a matcher', 'a.b', 'a\nb', false, true],
  ['a dot takes a carriage return', 'a.b', 'a\rb', true, true],
  ['the dollar is the very end', 'a$', 'a\n', false, false],
  ['a dot takes a whole character beyond the BMP', '^.$', '😀', true, true],
  ['inline flag i', '(?i)error', 'ERROR', true, true],
  ['inline flag i folds the Kelvin sign', '(?i)k', '\u212a', true, true],
  ['inline flag s', '(?s)a.b', 'a\nb', true, true],
  ['POSIX class', '[[:digit:]]+', 'a1', true, false],
  ['quoted text', '\\Qa.b\\E', 'a.b', true, true],
  ['quoted text without an end', '\\Qa)b', 'a)b', true, true],
  ['\\s leaves out the vertical tab', '\\s', '\v', false, false],
  ['\\w is ASCII', '\\w', 'é', false, false],
  ['\\W takes letters beyond ASCII', '\\W', 'é', true, true],
  ['a brace that is no repetition', '{"a":{1,x}', '{"a":{1,x}', true, true],
  ['a closing bracket alone', 'a]', 'a]', true, true],
  ['alternatives', 'foo|bar', 'bar', true, true],
  ['alternatives are taken whole by anchors', 'foo|bar', 'foobar', true, false],
  ['named group, old form', '(?P<n>a)b', 'ab', true, true],
  ['named group, new form', '(?<n>a)b', 'ab', true, true],
  ['exact repetition', '(?:\\d+\\.){3}\\d+', 'ip 10.0.0.1', true, false],
  ['a set with a caret inside', '[a^]+', '^', true, true],
  ['a set with a bracket inside', '[[]', '[', true, true],
  ['a set with a dash at its end', '[a-]+', '-', true, true],
  ['outer runs', '.*x.*', 'axb', true, true],
]

t.test('patterns have RE2’s meaning', async (t) => {
  for (const [name, pattern, text, found, whole] of MEANINGS) {
    t.equal(compileRegexp(pattern).test(text), found, `${name}: found`)
    t.equal(compileAnchored(pattern).test(text), whole, `${name}: whole`)
  }
})

t.test('rejects what RE2 rejects, with its text', async (t) => {
  for (const [pattern, words] of [
    ['(', 'missing closing ): `(`'],
    ['a)(b', 'unexpected ): `a)(b`'],
    ['(?=a)', 'invalid or unsupported Perl syntax: `(?=`'],
    ['\\1', 'invalid escape sequence: `\\1`'],
    ['a{1001}', 'invalid repeat count: `{1001}`'],
    ['[z-a]', 'invalid character class range: `z-a`'],
    ['a++', 'invalid nested repetition operator: `++`'],
    ['(((a{100}){100}){100})', 'expression too large'],
  ] as const) {
    for (const compile of [compileRegexp, compileAnchored]) {
      t.throws(() => compile(pattern), {
        code: 'query_malformed',
        message: `parse error : error parsing regexp: ${words}`,
      })
    }
  }
})

t.test('every match contains one of the required literals', async (t) => {
  for (const [pattern, literals, isWhole] of [
    ['error', ['error'], true],
    ['error|warn', ['error', 'warn'], true],
    ['status=5\\d\\d', ['status=5'], false],
    ['.*error.*', ['error'], true],
    ['a(foo|quux)+b', ['foo', 'quux'], false],
    ['(foo)?', [], false],
    ['(?i)error', [], false],
    ['a|.', [], false],
    ['\\.', ['.'], true],
    ['^error', ['error'], false],
  ] as const) {
    t.same(compileRegexp(pattern).required, { literals, isWhole }, pattern)
  }
})

t.test('returns groups and their names', async (t) => {
  for (const pattern of ['(?P<a>\\w+)=(\\d+)?', '(?i:(?P<a>[[:word:]]+))=(\\d+)?']) {
    const regexp = compileRegexp(pattern)
    t.same(regexp.groupNames, ['', 'a', ''])
    t.same([...(regexp.match('x k=7') ?? [])], ['k=7', 'k', '7'])
    t.same([...(regexp.match('k=') ?? [])], ['k=', 'k', undefined])
    t.equal(regexp.match('nothing'), undefined)
  }
  t.same(compileAnchored('(.*)-(.*)').match('a-b')?.slice(1), ['a', 'b'])
  t.same(
    [...compileRegexp('b+').matchAll('abbab')].map(({ start, end }) => [start, end]),
    [
      [1, 3],
      [4, 5],
    ],
  )
})

t.test('long texts do not make backtracking patterns slow', async (t) => {
  const text = 'a'.repeat(20_000)
  for (const pattern of [
    '(a*)*b',
    '(a|a)*b',
    'a*a*a*a*a*b',
    '\\w+=',
    '.*x.*y.*z',
    `${'a?'.repeat(60) + 'a'.repeat(60)}b`,
  ]) {
    const cost = costOf(() => {
      t.equal(compileRegexp(pattern).test(text), false, pattern)
      t.equal(compileAnchored(pattern).test(text), false, pattern)
    })
    t.ok(cost < 3000, `${pattern} takes ${cost} units of work`)
  }
})

t.test('groups are looked for in long texts only where there is a match and the time is bounded', async (t) => {
  const text = 'a'.repeat(256 * 1024)
  const cost = costOf(() => {
    const costly = '(?P<a>(a?){500}a{500})'
    t.equal(compileRegexp(`${costly}q`).match(text), undefined)
    t.throws(() => compileRegexp(costly).match(text), { code: 'query_refused', message: /262144 characters/ })
  })
  t.ok(cost < 3000, `all of that takes ${cost} units of work`)
})

t.test('a pattern with a very large program is rejected before it is compiled', async (t) => {
  const cost = costOf(() => {
    for (const pattern of [
      'a{1000}'.repeat(1000),
      '(a{10}b{10}){10}'.repeat(1000),
      '(?:(?:[a-z]{30}){30}x)'.repeat(100),
    ]) {
      t.throws(() => compileRegexp(pattern), { code: 'query_malformed', message: /expression too large$/ })
    }
    for (const pattern of ['a{1000}', '(?:\\d{1,3}\\.){3}\\d{1,3}', '(\\{9999\\}|[{]5000})', 'x{3,}'])
      t.ok(compileRegexp(pattern))
  })
  t.ok(cost < 1000, `all of that takes ${cost} units of work`)
})

const ATOM = fc.constantFrom(
  ...['a', 'b', 'k', 'S', '.', '\\d', '\\w', '\\s', '\\W', '[ab]', '[^ab]', '[a-c_]', '[\\d.]', '\\.', 'é', '^', '$'],
  ...[
    '.*',
    'ab',
    '\\b',
    '\\B',
    '\\A',
    '\\z',
    '[[:alpha:]_]',
    '[^[:space:]a]',
    '\\x41',
    '\\x{e9}',
    '\\Qa.\\E',
    '[.]',
    '(?:)',
  ],
)
/** Atoms without a suffix here: a repeated anchor, run or quotation is another pattern, or invalid. */
const BARE: readonly string[] = ['^', '$', '.*', '\\b', '\\B', '\\A', '\\z', '\\Qa.\\E']
const SUFFIX = fc.constantFrom('', '', '', '*', '+', '?', '*?', '{2}', '{1,2}', '{0,}')
const PATTERN = fc.letrec<{ pattern: string; group: string; sequence: string }>((tie) => ({
  sequence: fc
    .array(fc.tuple(fc.oneof({ weight: 4, arbitrary: ATOM }, tie('group')), SUFFIX), { maxLength: 5 })
    .map((items) => items.map(([atom, suffix]) => (BARE.includes(atom) ? atom : atom + suffix)).join('')),
  group: fc.tuple(fc.constantFrom('(', '(?:', '(?P<n>'), tie('pattern')).map(([open, body]) => `${open}${body})`),
  pattern: fc.array(tie('sequence'), { minLength: 1, maxLength: 3 }).map((items) => items.join('|')),
})).pattern
const FLAGGED = fc
  .tuple(fc.constantFrom('', '', '(?i)', '(?s)', '(?is)'), PATTERN)
  .map(([flag, pattern]) => flag + pattern)
const TEXT = fc.string({ unit: fc.constantFrom(...'aabbckKsSſ\u212aé😀 1.\n\r\v_'), maxLength: 12 })

t.test('both engines have the same results', async (t) => {
  fc.assert(
    fc.property(FLAGGED, fc.array(TEXT, { minLength: 4, maxLength: 8 }), (pattern, texts) => {
      let truth: RE2JS
      try {
        truth = RE2JS.compile(pattern)
      } catch {
        return // duplicate group names and the like, which both reject, as the table above shows
      }
      const whole = RE2JS.compile(pattern, RE2JS.DOTALL)
      const regexp = compileRegexp(pattern)
      const anchored = compileAnchored(pattern)
      for (const text of texts) {
        if (regexp.test(text) !== truth.test(text)) throw new Error(`found in ${JSON.stringify(text)}`)
        if (anchored.test(text) !== whole.testExact(text)) throw new Error(`whole of ${JSON.stringify(text)}`)
        const matcher = truth.matcher(text)
        const wanted = matcher.find()
          ? Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? '')
          : undefined
        const found = regexp.match(text)?.map((group) => group ?? '')
        if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`groups in ${JSON.stringify(text)}`)
        const { literals, isWhole } = regexp.required
        const holds = literals.some((literal) => text.includes(literal))
        if (literals.length > 0 && !holds && truth.test(text)) throw new Error(`literals in ${JSON.stringify(text)}`)
        if (isWhole && holds && !truth.test(text)) throw new Error(`whole literals in ${JSON.stringify(text)}`)
      }
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 3000) },
  )
  t.pass('no difference was found')
})

const LITERAL = fc
  .string({ unit: fc.constantFrom(...'abkKsSſ\u212aéÉß😀.'), maxLength: 4 })
  .map((text) => RE2JS.quote(text))
const LITERALS = fc
  .tuple(
    fc.constantFrom('', '(?i)'),
    fc.constantFrom('', '^', '.*', '^a', 'k'),
    fc.array(LITERAL, { minLength: 1, maxLength: 12 }),
    fc.constantFrom('', '$', '.*', 's$', 'é'),
  )
  .map(([flag, before, literals, behind]) => `${flag}${before}(${literals.join('|')})${behind}`)
const LITERAL_TEXT = fc.string({ unit: fc.constantFrom(...'abkKsSſ\u212aéÉß😀.\n\ufffd'), maxLength: 8 })

t.test('alternatives of literals match like in RE2', async (t) => {
  fc.assert(
    fc.property(LITERALS, fc.array(LITERAL_TEXT, { minLength: 6, maxLength: 12 }), (pattern, texts) => {
      const truth = RE2JS.compile(pattern)
      const whole = RE2JS.compile(pattern, RE2JS.DOTALL)
      const [regexp, anchored] = [compileRegexp(pattern), compileAnchored(pattern)]
      for (const text of texts) {
        if (regexp.test(text) !== truth.test(text)) throw new Error(`found in ${JSON.stringify(text)}`)
        if (anchored.test(text) !== whole.testExact(text)) throw new Error(`whole of ${JSON.stringify(text)}`)
        const { literals, isWhole } = regexp.required
        const holds = literals.some((literal) => text.includes(literal))
        if (literals.length > 0 && !holds && truth.test(text)) throw new Error(`literals in ${JSON.stringify(text)}`)
        if (isWhole && holds && !truth.test(text)) throw new Error(`whole literals in ${JSON.stringify(text)}`)
      }
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 3000) },
  )
  t.pass('no difference was found')
})

t.test('thousands of alternatives are compiled in slices and tested in one pass', async (t) => {
  const names = Array.from({ length: 5000 }, (_, i) => `pod-${(i * 7919) % 10_007}.${i}`)
  const quoted = names.map((name) => RE2JS.quote(name)).join('|')
  const [some = ''] = names
  for (const [pattern, anchoring, text, other] of [
    [quoted, 'anchored', some, `${some}x`],
    [`(?i)${quoted}`, 'anchored', some.toUpperCase(), `${some}x`],
    [`^(${quoted})$`, 'search', some, `x${some}`],
    [`.*(${quoted}).*`, 'anchored', `x${some}x`, 'pod-.'],
    [quoted, 'search', `x${some}x`, 'pod-.'.repeat(1000)],
    [names.map((name) => `${name}[0-9]+x`).join('|'), 'anchored', `${some}17x`, some],
    [
      names
        .slice(0, 300)
        .map((name) => `${name}\\pL`)
        .join('|'),
      'anchored',
      `${some}é`,
      some,
    ],
  ] as const) {
    const work = regexpSlices(pattern, anchoring)
    let pauses = 0
    let step = work.next()
    for (; step.done !== true; step = work.next()) pauses++
    t.ok(pauses >= 3, `${pauses} pauses in ${pattern.slice(0, 40)}`)
    t.equal(step.value.test(text), true)
    t.equal(step.value.test(other), false)
    t.equal(regexpSlices(pattern, anchoring).next().done, true, 'it is remembered')
  }
})

t.test('any text is compiled or refused as query_malformed', async (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'ab(){}[]|\\*+?^$.-:P<>i1,dQEpzé'), maxLength: 20 }),
      (pattern) => {
        try {
          compileAnchored(pattern).test('ab(')
          compileRegexp(pattern).test('ab(')
        } catch (error) {
          if (!(error instanceof GatewayError) || error.code !== 'query_malformed') throw error
        }
      },
    ),
    { numRuns: 3000 },
  )
  t.pass('no other error was found')
})
