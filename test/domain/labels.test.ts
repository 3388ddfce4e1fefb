import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../src/domain/errors.ts'
import {
  bytesOfText,
  duplicateName,
  formatLabels,
  isLabelName,
  type Label,
  labelValue,
  parseLabels,
  quoteGo,
  sortLabels,
  unescapeGo,
  unescapeGoBytes,
  withLabel,
} from '../../src/domain/labels.ts'

type Pairs = [name: string, value: string][]

/** By section of Prometheus' text format: the text and its pairs in order. */
const ACCEPTED: [name: string, text: string, pairs: Pairs][] = [
  ['one label', '{a="b"}', [['a', 'b']]],
  [
    'several, brought into order',
    '{b="2",a="1"}',
    [
      ['a', '1'],
      ['b', '2'],
    ],
  ],
  ['no label', '{}', []],
  ['nothing but space', ' { \t\n } ', []],
  [
    'white space between all tokens',
    ' \t{\n a\t=  "1" ,\r\n b = "2" } ',
    [
      ['a', '1'],
      ['b', '2'],
    ],
  ],
  ['a trailing comma', '{a="b",}', [['a', 'b']]],
  ['single quotes', "{a='b'}", [['a', 'b']]],
  ['back quotes, raw', '{a=`\\n"\'`}', [['a', '\\n"\'']]],
  ['a line break in back quotes', '{a=`x\ny`}', [['a', 'x\ny']]],
  ['a quoted name', '{"foo.bar"="x"}', [['foo.bar', 'x']]],
  [
    'a name in single quotes and one in back quotes',
    "{'é'='x',`b c`='y'}",
    [
      ['b c', 'y'],
      ['é', 'x'],
    ],
  ],
  ['an empty value, dropped', '{a="",b="c"}', [['b', 'c']]],
  [
    'names with digits and underscores',
    '{_a9="x",__b__="y",A="z"}',
    [
      ['A', 'z'],
      ['__b__', 'y'],
      ['_a9', 'x'],
    ],
  ],
  [
    'names of objects',
    '{__proto__="p",constructor="c"}',
    [
      ['__proto__', 'p'],
      ['constructor', 'c'],
    ],
  ],
  ['one-letter escapes', '{a="\\a\\b\\f\\n\\r\\t\\v\\\\\\""}', [['a', '\u0007\b\f\n\r\t\v\\"']]],
  ['a single quote in single quotes', "{a='\\''}", [['a', "'"]]],
  [
    'the other quote as it is',
    `{a="'",b='"'}`,
    [
      ['a', "'"],
      ['b', '"'],
    ],
  ],
  ['hexadecimal bytes of UTF-8', '{a="\\xc3\\xa9"}', [['a', 'é']]],
  ['octal bytes of UTF-8', '{a="\\303\\251\\101"}', [['a', 'éA']]],
  ['a code point', '{a="\\u00e9"}', [['a', 'é']]],
  ['a code point beyond 16 bits', '{a="\\U0001f600"}', [['a', '😀']]],
  ['printable Unicode as it is', '{a="é😀"}', [['a', 'é😀']]],
  ['braces, commas and equals signs in a value', '{a="{b=\\"c\\",}"}', [['a', '{b="c",}']]],
  [
    'the same name twice, for the caller to refuse',
    '{a="1",a="2"}',
    [
      ['a', '1'],
      ['a', '2'],
    ],
  ],
]
for (const [name, text, pairs] of ACCEPTED) {
  t.test(`reads ${name}`, async (t) => t.same(toPairs(parseLabels(text)), pairs))
}

const REFUSED: [name: string, text: string, column: number][] = [
  ['nothing', '', 1],
  ['no brace', 'a="b"', 1],
  ['no closing brace', '{a="b"', 7],
  ['an open brace alone', '{', 2],
  ['text after it', '{a="b"} c', 9],
  ['a comma alone', '{,}', 2],
  ['two commas', '{a="b",,}', 8],
  ['no comma between', '{a="b" c="d"}', 8],
  ['no value', '{a=}', 4],
  ['no equals sign', '{a "b"}', 4],
  ['another operator', '{a!="b"}', 3],
  ['a value without quotes', '{a=b}', 4],
  ['a name that begins with a digit', '{9a="b"}', 2],
  ['a name with a dash', '{a-b="c"}', 3],
  ['an empty quoted name', '{""="b"}', 4],
  ['an open quote', '{a="b}', 7],
  ['an open back quote', '{a=`b}', 5],
  ['a line break in quotes', '{a="b\nc"}', 6],
  ['a quote that is not escaped', '{a="b"c"}', 7],
  ['a backslash at the end', '{a="b\\"}', 9],
  ['an unknown escape', '{a="\\q"}', 8],
  ['an escaped quote of the other kind', `{a="\\'"}`, 8],
  ['one hexadecimal digit', '{a="\\x1"}', 9],
  ['octal beyond a byte', '{a="\\400"}', 10],
  ['two octal digits', '{a="\\01"}', 9],
  ['bytes that are no UTF-8', '{a="\\xff"}', 10],
  ['half a surrogate pair', '{a="\\ud800"}', 12],
  ['a code point that does not exist', '{a="\\U00110000"}', 16],
]
for (const [name, text, column] of REFUSED) {
  t.test(`refuses ${name}`, async (t) => {
    const message = new RegExp(
      `^1:${column}: parse error: (?:unexpected character inside braces: '.', )?expected .* at column ${column}$`,
    )
    t.throws(() => parseLabels(text), { code: 'body_malformed', message })
  })
}

/** The output of Go's strconv.Quote: Go 1.23 prints the left side as the right side. */
const QUOTED: [text: string, quoted: string][] = [
  ['', '""'],
  ['plain text', '"plain text"'],
  ['"\\', '"\\"\\\\"'],
  ["'", '"\'"'],
  ['\u0007\b\f\n\r\t\v', '"\\a\\b\\f\\n\\r\\t\\v"'],
  ['\u0000\u001f\u007f', '"\\x00\\x1f\\x7f"'],
  ['é€😀', '"é€😀"'],
  ['\u0085\u00a0\u00ad\u200b\u2028\ufeff', '"\\u0085\\u00a0\\u00ad\\u200b\\u2028\\ufeff"'],
  ['\u{e0001}', '"\\U000e0001"'],
  ['\ufffd', '"\ufffd"'],
  ['\ud800', '"\ufffd"'],
]
for (const [i, [text, quoted]] of QUOTED.entries()) {
  t.test(`quotes text ${i} like Go: ${quoted.toWellFormed()}`, async (t) => t.equal(quoteGo(text), quoted))
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme-composite' }),
)

t.test('any quoted text can be read back', async () => {
  fc.assert(
    fc.property(text, (each) => {
      const quoted = quoteGo(each)
      return unescapeGo(quoted.slice(1, -1), '"') === each.toWellFormed() && !/\p{Cc}/u.test(quoted)
    }),
    { numRuns: 2000 },
  )
})

const labels = fc
  .uniqueArray(fc.record({ name: text.filter((name) => name !== ''), value: text }), { selector: ({ name }) => name })
  .map((each) => each.map(({ name, value }) => ({ name: name.toWellFormed(), value: value.toWellFormed() })))

t.test('formatted label sets can be read back, sorted and without empty values', async (t) => {
  fc.assert(
    fc.property(labels, (each) => {
      const sorted = sortLabels(each)
      t.same(parseLabels(formatLabels(each)), sorted)
      t.equal(formatLabels(sortLabels(each.toReversed())), formatLabels(sorted), 'one identity, whatever the order')
    }),
    { numRuns: 300 },
  )
})

t.test('any text is parsed or rejected with body_malformed', async () => {
  const pieces = fc.array(
    fc.constantFrom('{', '}', '"', "'", '`', '\\', ',', '=', 'a', '9', ' ', '\n', 'x', 'u00e9', '\ud800'),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        pieces.map((each) => each.join('')),
      ),
      (each) => {
        try {
          parseLabels(each)
        } catch (error) {
          if (!(error instanceof GatewayError) || error.code !== 'body_malformed') throw error
        }
      },
    ),
    { numRuns: 5000 },
  )
})

t.test('a mebibyte of any text is parsed quickly', async (t) => {
  const long = 'x'.repeat(2 ** 20)
  t.equal(labelValue(parseLabels(`{a="${long}"}`), 'a').length, 2 ** 20)
  t.throws(() => parseLabels(`{${' '.repeat(2 ** 20)}`), { code: 'body_malformed' })
  t.throws(() => parseLabels(`{a="${'\\'.repeat(2 ** 20)}`), { code: 'body_malformed' })
  t.equal(labelValue(parseLabels(`{a="${'\\x41'.repeat(2 ** 18)}"}`), 'a').length, 2 ** 18)
})

t.test('label names follow Prometheus', async (t) => {
  for (const name of ['a', '_', 'A9_', '__name__']) t.ok(isLabelName(name), name)
  for (const name of ['', '9', 'a-b', 'a.b', 'é', 'a\n', ' a']) t.notOk(isLabelName(name), JSON.stringify(name))
})

t.test('label sets can be queried and extended', async (t) => {
  const set = parseLabels('{a="1",c="3"}')
  t.equal(labelValue(set, 'c'), '3')
  t.equal(labelValue(set, 'toString'), '', 'an absent label is the empty string')
  t.same(toPairs(withLabel(set, 'b', '2')), [
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
  ])
  t.equal(duplicateName(set), undefined)
  t.equal(duplicateName(parseLabels('{a="1",b="2",a="3"}')), 'a')
})

function toPairs(set: readonly Label[]): Pairs {
  return set.map(({ name, value }) => [name, value])
}

t.test('a Go string may hold any bytes: they become text, and bytes again', async (t) => {
  const rows: [raw: string, bytes: number[]][] = [
    ['\\xff\\xfe', [0xff, 0xfe]],
    ['a\\xc3\\xa9b', [0x61, 0xc3, 0xa9, 0x62]],
    ['\\xa9é\\xc3', [0xa9, 0xc3, 0xa9, 0xc3]],
    ['\\xf0\\x9f\\x98\\x80\\xf0\\x9f', [0xf0, 0x9f, 0x98, 0x80, 0xf0, 0x9f]],
    ['plain', [...Buffer.from('plain')]],
    ['\\ufffd', [0xef, 0xbf, 0xbd]],
  ]
  for (const [raw, bytes] of rows) {
    const text = unescapeGoBytes(raw, '"')
    t.same([...bytesOfText(text as string)], bytes, raw)
  }
  t.equal(unescapeGoBytes('a\\xc3\\xa9b', '"'), 'aéb')
  t.equal(unescapeGoBytes('\\q', '"'), undefined)
})
