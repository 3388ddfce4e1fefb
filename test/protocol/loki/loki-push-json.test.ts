import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { formatLabels, isLabelName, parseLabels, sortLabels } from '../../../src/domain/labels.ts'
import { decodePushJson } from '../../../src/protocol/loki/loki-push-json.ts'
import { type RecordedEntry, type RecordedStream, RecordingSink } from '../../support/recording-sink.ts'

const NS = '1700000000123456789'
const taken: RecordedEntry = { ns: BigInt(NS), line: 'text', metadata: [] }

/** A body with one stream and these values. */
const values = (text: string): string => `{"streams":[{"stream":{"a":"b"},"values":${text}}]}`
const one = (given: Partial<RecordedEntry>): RecordedStream[] => [
  { labels: '{a="b"}', entries: [{ ...taken, ...given }] },
]
const metadata = (text: string): string => values(`[["${NS}","text",${text}]]`)
const named = (stream: string): string => `{"streams":[{"stream":${stream},"values":[["${NS}","text"]]}]}`

t.test('decodes a body', async (t) => {
  const rows: [name: string, body: string, wanted: RecordedStream[]][] = [
    ['of one entry', values(`[["${NS}","text"]]`), one({})],
    [
      'with white space everywhere',
      ` {\n"streams" : [ {\t"stream" : { "a" : "b" } ,\r\n"values" : [ [ "${NS}" , "text" ] ] } ] } `,
      one({}),
    ],
    ['with a byte order mark', `\ufeff${values(`[["${NS}","text"]]`)}`, one({})],
    ['with metadata', metadata('{"trace":"7"}'), one({ metadata: [['trace', '7']] })],
    ['with empty metadata', metadata('{}'), one({})],
    ['with null for metadata', metadata('null'), one({})],
    [
      'with metadata that is not a string',
      metadata('{"n":1.50,"b":true,"z":null,"o":{"p":[1]},"a":[ "x" ]}'),
      one({
        metadata: [
          ['n', '1.50'],
          ['b', 'true'],
          ['z', 'null'],
          ['o', '{"p":[1]}'],
          ['a', '[ "x" ]'],
        ],
      }),
    ],
    [
      'with escapes in metadata',
      metadata('{"t\\u0072\\u0061ce":"\\"7\\"\\n"}'),
      one({ metadata: [['trace', '"7"\n']] }),
    ],
    ['with a fourth value', metadata('{"x":"y"},{"more":[]},4'), one({ metadata: [['x', 'y']] })],
    ['with an empty line', values(`[["${NS}",""]]`), one({ line: '' })],
    [
      'with escapes in a line',
      values(`[["${NS}","\\"a\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20ac\\ud83d\\ude00."]]`),
      one({ line: '"a"\\/\b\f\n\r\té€😀.' }),
    ],
    ['with half a surrogate in a line', values(`[["${NS}","a\\ud83dz"]]`), one({ line: 'a\ufffdz' })],
    ['with UTF-8 in a line', values(`[["${NS}","héllo €😀"]]`), one({ line: 'héllo €😀' })],
    ['with an escape in a timestamp', values('[["1\\u0030","text"]]'), one({ ns: 10n })],
    ['at time 0', values('[["0","text"]]'), one({ ns: 0n })],
    ['at time -0', values('[["-0","text"]]'), one({ ns: 0n })],
    ['before 1970', values('[["-1","text"]]'), one({ ns: -1n })],
    ['whole seconds before 1970', values('[["-2000000000","text"]]'), one({ ns: -2_000_000_000n })],
    ['with a plus sign', values('[["+5","text"]]'), one({ ns: 5n })],
    ['with leading zeros', values('[["00000000000000000000000005","text"]]'), one({ ns: 5n })],
    ['at the last nanosecond', values('[["9223372036854775807","text"]]'), one({ ns: 2n ** 63n - 1n })],
    ['at the first nanosecond', values('[["-9223372036854775808","text"]]'), one({ ns: -(2n ** 63n) })],
    ['with values before the stream', `{"streams":[{"values":[["${NS}","text"]],"stream":{"a":"b"}}]}`, one({})],
    [
      'with unknown keys',
      `{"x":{"streams":[1]},"streams":[{"y":[{}],"stream":{"a":"b"},"z":"\\n","values":[["${NS}","text"]],"w":1e5}],"v":null}`,
      one({}),
    ],
    [
      'with escapes in its keys',
      `{"\\u0073treams":[{"str\\u0065am":{"\\u0061":"b"},"v\\u0061lues":[["${NS}","text"]]}]}`,
      one({}),
    ],
    [
      'with duplicate `streams`: all count',
      `{"streams":[{"stream":{"x":"y"},"values":[["1","first"]]}],"streams":[{"stream":{"a":"b"},"values":[["${NS}","text"]]}]}`,
      [{ labels: '{x="y"}', entries: [{ ns: 1n, line: 'first', metadata: [] }] }, ...one({})],
    ],
    [
      'with duplicate `values`: all count',
      `{"streams":[{"values":[["1","first"]],"stream":{"a":"b"},"values":[["${NS}","text"]]}]}`,
      [{ labels: '{a="b"}', entries: [{ ns: 1n, line: 'first', metadata: [] }, taken] }],
    ],
    [
      'with a duplicate `stream`',
      `{"streams":[{"stream":{"x":"y"},"values":[["${NS}","text"]],"stream":{"a":"b"}}]}`,
      one({}),
    ],
    ['with a label given twice', named('{"a":"x","a":"b"}'), one({})],
    ['with a null entry', values(`[null,["${NS}","text"],null]`), one({})],
    ['with null values', values('null'), []],
    ['with no values', values('[]'), []],
    ['with a null stream', `{"streams":[null,{"stream":{"a":"b"},"values":[["${NS}","text"]]}]}`, one({})],
    [
      'with labels that are not strings',
      named('{"n":123,"o":{"p": 1},"t":true,"z":null}'),
      [{ labels: '{n="123", o="{\\"p\\": 1}", t="true", z="null"}', entries: [taken] }],
    ],
    ['with labels out of order', named('{"b":"2","a":"1"}'), [{ labels: '{a="1", b="2"}', entries: [taken] }]],
    ['with escapes in labels', named('{"\\u0061":"\\u00e9"}'), [{ labels: '{a="é"}', entries: [taken] }]],
    ['with labels as text', named('"{a=\\"b\\"}"'), one({})],
    [
      'with labels in the legacy form and values in the current one',
      `{"streams":[{"labels":"{a=\\"b\\"}","values":[["${NS}","text"]]}]}`,
      one({}),
    ],
    ['with its first key in capitals', `{"STREAMS":[{"stream":{"a":"b"},"values":[["${NS}","text"]]}]}`, one({})],
    ['with a label __proto__', named('{"__proto__":"x"}'), [{ labels: '{__proto__="x"}', entries: [taken] }]],
    ['without labels', named('{}'), [{ labels: '{}', entries: [taken] }]],
    [
      'of two streams',
      `{"streams":[{"stream":{"a":"1"},"values":[["1","x"]]},{"stream":{"a":"2"},"values":[["2","y\\n"],["3","z"]]}]}`,
      [
        { labels: '{a="1"}', entries: [{ ns: 1n, line: 'x', metadata: [] }] },
        {
          labels: '{a="2"}',
          entries: [
            { ns: 2n, line: 'y\n', metadata: [] },
            { ns: 3n, line: 'z', metadata: [] },
          ],
        },
      ],
    ],
  ]
  for (const [name, body, wanted] of rows) t.same(decode(body), wanted, name)
})

t.test('rejects only a stream without any labels', async (t) => {
  const rest = `"values":[["${NS}","text"]]`
  for (const body of [`{"streams":[{${rest}}]}`, `{"streams":[{"stream":null,${rest}}]}`]) {
    t.match(decode(body), [{ labels: '', error: /parse error/, entries: [taken] }], body)
  }
})

t.test('keeps the bytes of a line that is not UTF-8', async (t) => {
  const [before, after] = values(`[["${NS}","^\\n"]]`).split('^') as [string, string]
  const sink = new RecordingSink()
  decodePushJson(Buffer.concat([Buffer.from(before), Buffer.from([0xff, 0xc3, 0x80]), Buffer.from(after)]), sink)
  t.same(Buffer.from(sink.lineBytes(0, 0)), Buffer.from([0xff, 0xc3, 0x80, 0x0a]))
})

t.test('refuses a body', async (t) => {
  const rows: [name: string, body: string, code: string, words: RegExp][] = [
    [
      'of no bytes',
      '',
      'body_malformed',
      /^body is not valid JSON: expected an object .* at byte 0, where the body ends/,
    ],
    ['that is no JSON', 'streams', 'body_malformed', /^body is not valid JSON: expected an object .* at byte 0$/],
    ['that is snappy', '\u0010<{"streams":[]}', 'body_malformed', /./],
    ['that ends early', '{"streams":[', 'body_malformed', /where the body ends/],
    [
      'with more behind it',
      '{"streams":[]} x',
      'body_malformed',
      /more follows its JSON document; send one document per request \(byte 15\)/,
    ],
    [
      'of one document per line',
      `${values('[]')}\n${values('[]')}\n`,
      'body_malformed',
      /more follows its JSON document/,
    ],
    ['with a key other than streams', '{"strooms":[]}', 'body_malformed', /the body has no "streams"; found "strooms"/],
    [
      'of one stream alone',
      '{"stream":{"a":"b"},"values":[]}',
      'body_malformed',
      /the body has no "streams"; found "stream", "values"/,
    ],
    [
      'with values missing',
      '{"streams":[{"stream":{"a":"b"}}]}',
      'body_malformed',
      /a stream has no "values" \(byte 12\)/,
    ],
    ['with an empty stream', '{"streams":[{}]}', 'body_malformed', /a stream has no "values"/],
    [
      'with values misspelt',
      '{"streams":[{"stream":{"a":"b"},"value":[["1","x"]]}]}',
      'body_malformed',
      /a stream has no "values"; found "value"/,
    ],
    [
      'with values in capitals',
      '{"streams":[{"stream":{"a":"b"},"Values":[["1","x"]]}]}',
      'body_malformed',
      /a stream has no "values"; found "Values"/,
    ],
    [
      'with many other keys',
      `{"streams":[{${'abcdefg'
        .split('')
        .map((key) => `"${key}":1`)
        .join()},"${'x'.repeat(99)}":1}]}`,
      'body_malformed',
      /a stream has no "values"; found "a", "b", "c", "d", "e" and 3 more/,
    ],
    [
      'with labels misspelt',
      '{"streams":[{"Stream":{"a":"b"},"values":[["1","x"]]}]}',
      'body_malformed',
      /a stream has no "stream"; found "Stream"/,
    ],
    ['that is an array', '[]', 'body_malformed', /the body is an array/],
    ['that is null', 'null', 'body_malformed', /the body is null/],
    ['without streams', '{}', 'streams_missing', /^error at least one valid stream is required for ingestion$/],
    ['with no streams', '{"streams":[]}', 'streams_missing', /at least one valid stream/],
    ['with null for streams', '{"streams":null}', 'streams_missing', /at least one valid stream/],
    ['with an object for `streams`', '{"streams":{}}', 'body_malformed', /"streams" is an object; expected an array/],
    ['with a string for a stream', '{"streams":["x"]}', 'body_malformed', /a stream is a string; expected an object/],
    ['with labels as an array', named('[]'), 'body_malformed', /"stream" is an array/],
    ['with values that are an object', values('{}'), 'body_malformed', /"values" is an object; expected an array/],
    ['with an entry that is an empty object', values('[{}]'), 'body_malformed', /an entry has no "ts"/],
    ['with a string for an entry', values('["1","x"]'), 'body_malformed', /an entry is a string; expected an array/],
    ['with an empty entry', values('[[]]'), 'body_malformed', /an entry is empty/],
    ['with an entry without a line', values('[["1"]]'), 'body_malformed', /an entry has no line/],
    [
      'with a number for a timestamp',
      values('[[1700000000123456789,"x"]]'),
      'body_malformed',
      /a timestamp is a number; expected a string of decimal nanoseconds \(byte 43\)/,
    ],
    ['with a timestamp that is null', values('[[null,"x"]]'), 'body_malformed', /a timestamp is null/],
    [
      'with a fractional timestamp',
      values('[["1.5","x"]]'),
      'body_malformed',
      /a timestamp is a string of 3 bytes that is not an int64/,
    ],
    ['with a timestamp of RFC 3339', values('[["2026-11-21T10:00:00Z","x"]]'), 'body_malformed', /not an int64/],
    ['with a timestamp of short text', values('[["1x","x"]]'), 'body_malformed', /not an int64/],
    ['with a timestamp of long text', values('[["1700000000x23456789","x"]]'), 'body_malformed', /not an int64/],
    ['with a timestamp of nothing', values('[["","x"]]'), 'body_malformed', /not an int64/],
    ['with a timestamp of a sign', values('[["-","x"]]'), 'body_malformed', /not an int64/],
    ['with a timestamp of two signs', values('[["--1","x"]]'), 'body_malformed', /not an int64/],
    ['with a timestamp with a space', values('[[" 1","x"]]'), 'body_malformed', /not an int64/],
    ['past the last nanosecond', values('[["9223372036854775808","x"]]'), 'body_malformed', /not an int64/],
    ['before the first nanosecond', values('[["-9223372036854775809","x"]]'), 'body_malformed', /not an int64/],
    ['with twenty digits', values('[["17000000001234567890","x"]]'), 'body_malformed', /not an int64/],
    ['with a number for the line', values('[["1",2]]'), 'body_malformed', /a line is a number; expected a string/],
    ['with a line that is null', values('[["1",null]]'), 'body_malformed', /a line is null/],
    ['with a line that is an object', values('[["1",{}]]'), 'body_malformed', /a line is an object/],
    [
      'with an array for metadata',
      metadata('[]'),
      'body_malformed',
      /structured metadata is an array; expected an object/,
    ],
    ['with metadata that are a string', metadata('"x"'), 'body_malformed', /structured metadata is a string/],
    [
      'with a newline in a line',
      values('[["1","a\nb"]]'),
      'body_malformed',
      /an escape for a control character at byte 49/,
    ],
    ['with an unknown escape', values('[["1","\\x41"]]'), 'body_malformed', /a valid escape at byte 48/],
    [
      'with too many entries',
      values(`[${'["1",""],'.repeat(1_000_001)}["1",""]]`),
      'body_too_large',
      /^request body too large: .* 1000000 entries/,
    ],
    [
      'with too many streams',
      `{"streams":[${'{"values":[]},'.repeat(100_000)}{}]}`,
      'body_too_large',
      /^request body too large: .* 100000 streams/,
    ],
  ]
  for (const [name, body, code, message] of rows) t.throws(() => decode(body), { code, message }, name)
})

t.test('refuses a stream with invalid label names, with Loki’s text, like protobuf', async (t) => {
  const rows: [names: string, column: number, char: string][] = [
    ['sub-app', 5, '-'],
    ['k8s.pod', 5, '.'],
    ['1a', 2, '1'],
    ['a b', 3, ' '],
    ['naïve', 4, 'ï'],
    ['', 2, '='],
    ['a="1", b', 3, '='],
  ]
  for (const [name, column, char] of rows) {
    const body = `{"streams":[{"stream":{"z":"1",${JSON.stringify(name)}:"x"},"values":[["${NS}","text"]]},{"stream":{"a":"b"},"values":[["${NS}","text"]]}]}`
    const [refused, kept] = decode(body)
    const before = name < 'z' ? 0 : 7
    t.match(refused?.error, `1:${column + before}: parse error: unexpected character inside braces: '${char}'`, name)
    t.equal(refused?.labels, `{${name}="x", z="1"}`)
    t.same([kept], one({}), 'the other stream is kept')
  }
})

t.test('does not show the rejected text', async (t) => {
  const secret = 'hunter2'
  for (const body of [values(`[["${secret}","x"]]`), values(`[["1","${secret}\\q"]]`), values(`[["1",${secret}]]`)]) {
    const error = refusal(() => decode(body))
    t.notMatch(error?.message, /hunter|unter2/)
  }
})

t.test('decodes a body of the legacy route', async (t) => {
  const body = (entry: string): string => `{"streams":[{"labels":"{a=\\"b\\"}","entries":[${entry}]}]}`
  const ns = 1_795_255_200_000_000_000n
  const rows: [name: string, body: string, wanted: RecordedStream[]][] = [
    ['of one entry', body('{"ts":"2026-11-21T10:00:00Z","line":"text"}'), one({ ns })],
    ['with the line first', body('{"line":"text","ts":"2026-11-21T10:00:00Z"}'), one({ ns })],
    [
      'with a fraction and a zone',
      body('{"ts":"2026-11-21T11:30:00.000000001+01:30","line":"text"}'),
      one({ ns: ns + 1n }),
    ],
    ['before 1970', body('{"ts":"1969-12-31T23:59:59.5Z","line":"text"}'), one({ ns: -500_000_000n })],
    ['with escapes', body('{"ts":"2026-11-21T10:00:00\\u005a","line":"te\\u0078t"}'), one({ ns })],
    ['with unknown keys', body('{"x":[],"ts":"2026-11-21T10:00:00Z","line":"text","y":null}'), one({ ns })],
    ['with a line that is null', body('{"ts":"2026-11-21T10:00:00Z","line":null}'), one({ ns, line: '' })],
    [
      'with null for the time, which means the year 1',
      body('{"ts":null,"line":"text"}'),
      one({ ns: -62_135_596_800_000_000_000n }),
    ],
    [
      'with keys in capitals',
      '{"Streams":[{"Labels":"{a=\\"b\\"}","Entries":[{"Ts":"2026-11-21T10:00:00Z","Line":"text"}]}]}',
      one({ ns }),
    ],
    [
      'with metadata',
      body('{"ts":"2026-11-21T10:00:00Z","line":"text","structuredMetadata":{"trace":"7"}}'),
      one({ ns, metadata: [['trace', '7']] }),
    ],
    ['with an entry in the new form', body(`["${NS}","text"]`), one({})],
    ['with labels as an object', '{"streams":[{"labels":{"a":"b"},"entries":[]}]}', []],
    ['with null entries', body('null,{"ts":"2026-11-21T10:00:00Z","line":"text"}'), one({ ns })],
    ['without entries', '{"streams":[{"labels":"{}","entries":[]},{"labels":"{}","entries":null}]}', []],
    [
      'with entries before the labels',
      '{"streams":[{"entries":[{"ts":"2026-11-21T10:00:00Z","line":"text"}],"labels":"{a=\\"b\\"}"}]}',
      one({ ns }),
    ],
  ]
  for (const [name, text, wanted] of rows) t.same(decode(text), wanted, name)
  const entry = '{"ts":"2026-11-21T10:00:00Z","line":"x"}'
  const unreadable = `{"streams":[{"labels":"{a=}","entries":[${entry}]},{"entries":[${entry}]}]}`
  t.match(decode(unreadable), [
    { labels: '{a=}', error: /parse error/ },
    { labels: '', error: /parse/ },
  ])
})

t.test('refuses a body of the legacy route', async (t) => {
  const body = (entry: string): string => `{"streams":[{"labels":"{a=\\"b\\"}","entries":[${entry}]}]}`
  const rows: [name: string, body: string, code: string, words: RegExp][] = [
    ['without streams', '{"streams":[]}', 'streams_missing', /at least one valid stream/],
    ['without entries', '{"streams":[{"labels":"{}"}]}', 'body_malformed', /a stream has no "values"/],
    [
      'with a number for labels',
      '{"streams":[{"labels":7,"entries":[]}]}',
      'body_malformed',
      /"labels" is a number; expected an object of labels/,
    ],
    ['without a time', body('{"line":"x"}'), 'body_malformed', /an entry has no "ts" \(byte 45\)/],
    [
      'with a time under another key',
      body('{"timestamp":"2026-11-21T10:00:00Z","line":"x"}'),
      'body_malformed',
      /an entry has no "ts"; found "timestamp"/,
    ],
    [
      'with a line under another key',
      body('{"ts":"2026-11-21T10:00:00Z","message":"x"}'),
      'body_malformed',
      /an entry has no "line"; found "message"/,
    ],
    [
      'with a time in nanoseconds',
      body('{"ts":"1700000000123456789","line":"x"}'),
      'body_malformed',
      /a "ts" is a string of 19 bytes that is not a time; expected RFC 3339/,
    ],
    [
      'with a number for the time',
      body('{"ts":17,"line":"x"}'),
      'body_malformed',
      /"ts" is a number; expected a string/,
    ],
    ['with a time of nothing', body('{"ts":"","line":"x"}'), 'body_malformed', /not a time/],
    [
      'with a time of very many digits',
      body(`{"ts":"2026-11-21T10:00:00.${'0'.repeat(999)}Z","line":"x"}`),
      'body_malformed',
      /not a time/,
    ],
    [
      'with a number for the line',
      body('{"ts":"2026-11-21T10:00:00Z","line":1}'),
      'body_malformed',
      /"line" is a number; expected a string/,
    ],
  ]
  for (const [name, text, code, message] of rows) t.throws(() => decode(text), { code, message }, name)
})

/** A string as JSON text, with any of its characters escaped or not. */
const string = fc
  .array(
    fc
      .tuple(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.boolean())
      .map(([char, isEscaped]) =>
        isEscaped
          ? Array.from(
              { length: char.length },
              (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`,
            ).join('')
          : JSON.stringify(char).slice(1, -1),
      ),
    { maxLength: 8 },
  )
  .map((chars) => `"${chars.join('')}"`)
const space = fc.constantFrom('', ' ', '\n\t')
const other = fc.constantFrom('null', 'true', '-12', '1.5', '1e+21', '[]', '{"p":[1,"x"]}', '"text"')
const key = (...names: string[]): fc.Arbitrary<string> => fc.constantFrom(...names.map((name) => JSON.stringify(name)))
const list = (item: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<string> =>
  fc.tuple(fc.array(item, { maxLength }), space).map(([items, gap]) => `[${gap}${items.join(`${gap},`)}${gap}]`)
const object = (members: fc.Arbitrary<[string, string]>, maxLength: number): fc.Arbitrary<string> =>
  fc.tuple(fc.array(members, { maxLength }), space).map(([pairs, gap]) => {
    return `{${gap}${pairs.map(([name, value]) => `${name}${gap}:${value}`).join(`,${gap}`)}}`
  })
const pairs = object(fc.tuple(fc.oneof(string, key('a', 'b')), fc.oneof(string, other)), 3)
const time = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((ns) => `"${ns}"`)
const entry = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .tuple(
        time,
        string,
        fc.oneof(
          fc.constant(''),
          pairs.map((text) => `,${text}`),
        ),
      )
      .map(([ns, line, rest]) => `[${ns},${line}${rest}]`),
  },
  { weight: 1, arbitrary: fc.constant('null') },
)
/** Members; only `stream` may be duplicated. */
const once = (members: fc.Arbitrary<[string, string]>, maxLength: number): fc.Arbitrary<string> =>
  fc.tuple(fc.uniqueArray(members, { maxLength, selector: ([name]) => name }), space).map(([pairs, gap]) => {
    return `{${gap}${pairs.map(([name, value]) => `${name}${gap}:${value}`).join(`,${gap}`)}}`
  })
const stream = once(
  fc.oneof(
    fc.tuple(key('stream'), fc.oneof({ weight: 5, arbitrary: pairs }, { weight: 1, arbitrary: fc.constant('null') })),
    fc.tuple(
      key('values'),
      fc.oneof({ weight: 5, arbitrary: list(entry, 4) }, { weight: 1, arbitrary: fc.constant('null') }),
    ),
    fc.tuple(key('more', 'Stream'), other),
  ),
  5,
)
const body = once(
  fc.oneof(
    fc.tuple(
      key('streams'),
      list(fc.oneof({ weight: 9, arbitrary: stream }, { weight: 1, arbitrary: fc.constant('null') }), 3),
    ),
    fc.tuple(key('more'), other),
  ),
  3,
)

t.test('finds the same as JSON.parse', async (t) => {
  let found = 0
  const property = fc.property(body, (text) => {
    const error = refusal(() => t.same(normal(decode(text)), reference(text), text))
    if (error === undefined) found++
    else t.equal(refusal(() => reference(text))?.code, error.code, text)
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
  t.ok(found > 100, `${found} bodies had streams`)
})

function decode(text: string, decoder = decodePushJson): RecordedStream[] {
  const sink = new RecordingSink()
  decoder(Buffer.from(text), sink)
  return sink.streams
}

function refusal(run: () => unknown): GatewayError | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  return undefined
}

function normal(streams: readonly RecordedStream[]): RecordedStream[] {
  return streams.map(({ entries, ...stream }) => ({
    ...(stream.error?.includes('inside braces')
      ? { labels: 'no label text', error: 'a name is no label name' }
      : stream),
    entries: entries.map((entry) => ({ ...entry, metadata: sortedPairs(entry.metadata) })),
  }))
}

interface ReferenceStream {
  readonly stream?: Record<string, unknown> | null
  readonly values?: ([string, string, Record<string, unknown>?] | null)[] | null
}

/** The streams of a well-formed body, decoded with JSON.parse. */
function reference(text: string): unknown {
  const { streams, more } = JSON.parse(text) as { streams?: (ReferenceStream | null)[]; more?: unknown }
  const given = (streams ?? []).filter((stream) => stream !== null)
  const isMisspelt = given.some(
    (stream) => !('values' in stream) || (!('stream' in stream) && Object.keys(stream).length > 1),
  )
  if (isMisspelt || (streams === undefined && more !== undefined)) throw new GatewayError('body_malformed', 'keys')
  if (given.length === 0) throw new GatewayError('streams_missing', 'none')
  return given
    .map(({ stream, values }) => ({ stream, entries: (values ?? []).filter((entry) => entry !== null) }))
    .filter(({ entries }) => entries.length > 0)
    .map(({ stream, entries }) => ({
      ...labelsOf(stream),
      entries: entries.map(([ns, line, metadata]) => ({
        ns: BigInt(ns),
        line: line.toWellFormed(),
        metadata: pairsOf(metadata ?? {}),
      })),
    }))
}

function labelsOf(stream: ReferenceStream['stream']): { labels: string; error?: string } {
  if (stream === undefined || stream === null) {
    return { labels: '', error: refusal(() => parseLabels(''))?.message as string }
  }
  const labels = pairsOf(stream).map(([name, value]) => ({ name, value }))
  if (labels.every(({ name }) => isLabelName(name))) return { labels: formatLabels(sortLabels(labels)) }
  return { labels: 'no label text', error: 'a name is no label name' }
}

/** Pairs sorted by name; other values than strings as JSON. */
function pairsOf(object: Record<string, unknown>): [name: string, value: string][] {
  const pairs = Object.entries(object).map(([name, value]): [string, string] => [
    name.toWellFormed(),
    typeof value === 'string' ? value.toWellFormed() : JSON.stringify(value),
  ])
  return sortedPairs(pairs)
}

/** Pairs sorted by name; of duplicate names the last, like the sink. */
function sortedPairs(pairs: readonly (readonly [name: string, value: string])[]): [string, string][] {
  return [...new Map(pairs)].sort(([a], [b]) => (a < b ? -1 : 1))
}
