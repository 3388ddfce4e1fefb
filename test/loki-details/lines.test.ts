import t, { type Test } from 'tap'
import { LokiClient, NOON } from './loki-client.ts'

/** The labels and text of a line of `{app="a"}`, a second before noon, after a pipeline; or nothing. */
async function labelsOf(t: Test, query: string, line: string, metadata?: Record<string, string>): Promise<unknown> {
  const client = await LokiClient.start(t, [
    [{ app: 'a' }, [metadata === undefined ? [-1, line] : [-1, line, metadata]]],
  ])
  return client.lines(`{app="a"} ${query}`)
}

t.test('line filters: a negative chain drops a line that has any of its texts', async (t) => {
  const lines = ['one a', 'two b', 'three c'].map((line, i) => [i - 9, line] as const)
  const client = await LokiClient.start(t, [[{ app: 'shop' }, lines]])
  t.strictSame(await client.lines('{app="shop"} != "a" or "b"'), [[{ app: 'shop' }, [[-7, 'three c']]]])
  t.strictSame(await client.lines('{app="shop"} |= "a" or "b"'), [
    [
      { app: 'shop' },
      [
        [-9, 'one a'],
        [-8, 'two b'],
      ],
    ],
  ])
  t.strictSame(await client.lines('{app="shop"} |~ "ne|wo"'), await client.lines('{app="shop"} |= "a" or "b"'))
  t.strictSame(await client.lines('{app=~"ho"}'), [], 'a matcher fits the whole value')
  t.strictSame(await client.lines('{app=~"sh.p"}'), await client.lines('{app="shop"}'))
  t.strictSame(await client.lines('{app="shop"} | app=~"ho"'), [], 'a label filter does as well')
})

t.test('regular expressions are RE2’s', async (t) => {
  const taken = [
    ['case is ignored by (?i)', '(?i)ERROR', 'error'],
    ['a dot takes a line break under (?s)', '(?s)a.b', 'a\nb'],
    ['\\z is the end', 'end\\z', 'the end'],
    ['\\Q…\\E is literal', '\\Q1.5\\E', 'v1.5'],
    ['classes of POSIX', '^[[:digit:]]+$', '42'],
    ['a character beyond ASCII is one', '^.$', 'é'],
    ['a character beyond 16 bits is one', '^.$', '😀'],
    ['\\d is ASCII', '^\\D$', '٣'],
  ] as const
  for (const [name, pattern, line] of taken) {
    t.strictSame(await labelsOf(t, `|~ ${JSON.stringify(pattern)}`, line), [[{ app: 'a' }, [[-1, line]]]], name)
  }
  const passed = [
    ['a dot does not take a line break', 'a.b', 'a\nb'],
    ['\\Q…\\E is literal', '\\Q1.5\\E', 'v1x5'],
  ] as const
  for (const [name, pattern, line] of passed) {
    t.strictSame(await labelsOf(t, `|~ ${JSON.stringify(pattern)}`, line), [], name)
  }
  t.strictSame(
    await labelsOf(t, '| regexp "(?P<v>a|ab)"', 'ab'),
    [[{ app: 'a', v: 'a' }, [[-1, 'ab']]]],
    'the first matching alternative wins',
  )
  for (const [pattern, text] of [
    ['a(?=b)', 'invalid or unsupported Perl syntax: `(?=`'],
    ['(a)\\1', 'invalid escape sequence: `\\1`'],
  ] as const) {
    const [status, body] = (await labelsOf(t, `|~ ${JSON.stringify(pattern)}`, 'ab')) as [number, string]
    t.equal(status, 400)
    t.match(body, text)
  }
})

t.test(
  'if a name occurs repeatedly, the stream’s label wins, then the metadata’s; the parsed one is name_extracted',
  async (t) => {
    t.strictSame(await labelsOf(t, '| logfmt', 'app=parsed trace=parsed x=1', { trace: 'meta', app: 'meta' }), [
      [
        { app: 'a', app_extracted: 'parsed', trace: 'meta', trace_extracted: 'parsed', x: '1' },
        [[-1, 'app=parsed trace=parsed x=1']],
      ],
    ])
    t.strictSame(
      await labelsOf(t, '', 'x', { app: 'meta' }),
      [[{ app: 'a', app_extracted: 'meta' }, [[-1, 'x']]]],
      'the stream wins over metadata too',
    )
  },
)

t.test('json: nested names are joined, arrays and nulls omitted, the first of two equal names wins', async (t) => {
  const line =
    '{"a-b":1,"2x":"y","n":{"d":{"e":true}},"list":[1],"nil":null,"dup":1,"dup":2,"f":1.50,"big":12345678901234567890}'
  t.strictSame(await labelsOf(t, '| json', line), [
    [{ _2x: 'y', a_b: '1', app: 'a', big: '12345678901234567890', dup: '1', f: '1.50', n_d_e: 'true' }, [[-1, line]]],
  ])
  t.strictSame(await labelsOf(t, '| json l="list", o="n", i="list[0]", none="nothing[0]"', line), [
    [{ app: 'a', i: '1', l: '[1]', none: '', o: '{"d":{"e":true}}' }, [[-1, line]]],
  ])
})

t.test(
  'logfmt: empty values and bare keys are omitted without --keep-empty, faults are skipped without --strict',
  async (t) => {
    const line = 'a= b c="x y" d=1'
    t.strictSame(await labelsOf(t, '| logfmt', line), [[{ app: 'a', c: 'x y', d: '1' }, [[-1, line]]]])
    t.strictSame(await labelsOf(t, '| logfmt --keep-empty', line), [
      [{ a: '', app: 'a', b: '', c: 'x y', d: '1' }, [[-1, line]]],
    ])
    const bad = 'c=1 =2 d=3'
    t.strictSame(await labelsOf(t, '| logfmt', bad), [[{ app: 'a', c: '1', d: '3' }, [[-1, bad]]]])
    t.match(await labelsOf(t, '| logfmt --strict', bad), [[{ app: 'a', __error__: 'LogfmtParserErr' }, [[-1, bad]]]])
  },
)

t.test('unpack promotes the fields of packed lines only', async (t) => {
  const packed = '{"_entry":"the line","pod":"p"}'
  t.strictSame(await labelsOf(t, '| unpack', packed), [[{ app: 'a', pod: 'p' }, [[-1, 'the line']]]])
  const other = '{"pod":"p"}'
  t.strictSame(await labelsOf(t, '| unpack', other), [[{ app: 'a' }, [[-1, other]]]])
  t.match(await labelsOf(t, '| unpack', 'x'), [[{ app: 'a', __error__: 'JSONParserErr' }, [[-1, 'x']]]])
})

t.test('a failing stage drops no line but sets __error__, which fails a metric query', async (t) => {
  const client = await LokiClient.start(t, [
    [
      { app: 'a' },
      [
        [-9, '{"v":1}'],
        [-8, 'no json'],
      ],
    ],
  ])
  t.match(await client.lines('{app="a"} | json'), [
    [{ __error__: 'JSONParserErr', __error_details__: String, app: 'a' }, [[-8, 'no json']]],
    [{ app: 'a', v: '1' }, [[-9, '{"v":1}']]],
  ])
  const [status, text] = (await client.instant('sum by (v) (count_over_time({app="a"} | json [1m]))')) as [
    number,
    string,
  ]
  t.equal(status, 400)
  t.match(text, /^pipeline error: 'JSONParserErr' for series: '\{.*app="a".*\}'\.\n.*__error__/)
  for (const remedy of ['| __error__=""', '| __error__!="JSONParserErr"']) {
    t.strictSame(
      await client.instant(`sum by (v) (count_over_time({app="a"} | json ${remedy} [1m]))`),
      [[{ v: '1' }, '1']],
      remedy,
    )
  }
  t.strictSame(
    await client.instant('sum by (v) (count_over_time({app="a"} | json | drop __error__, __error_details__ [1m]))'),
    [
      [{}, '1'],
      [{ v: '1' }, '1'],
    ],
  )
})

t.test('a line whose labels are not needed is not parsed, and does not fail', async (t) => {
  const client = await LokiClient.start(t, [[{ app: 'a' }, [[-9, 'no json']]]])
  t.strictSame(await client.instant('sum(count_over_time({app="a"} | json [1m]))'), [[{}, '1']])
  t.match(await client.instant('sum by (v) (count_over_time({app="a"} | json [1m]))'), [400, /JSONParserErr/])
  t.match(await client.instant('count_over_time({app="a"} | json [1m])'), [400, /JSONParserErr/])
})

t.test(
  'a filter by number drops a line without the label and keeps one that does not convert; a text filter reads ""',
  async (t) => {
    const client = await LokiClient.start(t, [
      [
        { app: 'a' },
        [
          [-9, 'v=5'],
          [-8, 'w=5'],
          [-7, 'v=many'],
        ],
      ],
      [
        { app: 'b' },
        [
          [-5, 'no json'],
          [-4, '{"v":7}'],
        ],
      ],
    ])
    t.strictSame(
      await client.lines('{app="b"} | json | v > 1'),
      [[{ app: 'b', v: '7' }, [[-4, '{"v":7}']]]],
      'a line that could not be parsed lacks the label as well',
    )
    t.strictSame(await client.instant('count_over_time({app="b"} | json | v > 1 [1m])'), [[{ app: 'b', v: '7' }, '1']])
    t.match(await client.lines('{app="a"} | logfmt | v > 1'), [
      [{ __error__: 'LabelFilterErr', __error_details__: String, app: 'a', v: 'many' }, [[-7, 'v=many']]],
      [{ app: 'a', v: '5' }, [[-9, 'v=5']]],
    ])
    t.strictSame(await client.lines('{app="a"} | logfmt | v=""'), [[{ app: 'a', w: '5' }, [[-8, 'w=5']]]])
    t.strictSame(await client.lines('{app="a"} | logfmt | v!=""'), [
      [{ app: 'a', v: '5' }, [[-9, 'v=5']]],
      [{ app: 'a', v: 'many' }, [[-7, 'v=many']]],
    ])
  },
)

t.test(
  'units: durations in a query may have days, weeks and years, in a line not; sizes in a line have any case',
  async (t) => {
    t.strictSame(await labelsOf(t, '| logfmt | v > 1d', 'v=25h'), [[{ app: 'a', v: '25h' }, [[-1, 'v=25h']]]])
    t.strictSame(await labelsOf(t, '| logfmt | v > 1w', 'v=25h'), [])
    t.strictSame(await labelsOf(t, '| logfmt | v < 1y', 'v=25h'), [[{ app: 'a', v: '25h' }, [[-1, 'v=25h']]]])
    t.match(await labelsOf(t, '| logfmt | v > 1h', 'v=1d'), [
      [{ app: 'a', v: '1d', __error__: 'LabelFilterErr' }, [[-1, 'v=1d']]],
    ])
    for (const size of ['2mb', '2MB', '2MiB', '2048kb']) {
      const line = `v=${size}`
      t.strictSame(await labelsOf(t, '| logfmt | v > 1MB', line), [[{ app: 'a', v: size }, [[-1, line]]]], size)
    }
  },
)

t.test('= compares strings and numbers, == only numbers', async (t) => {
  const wanted = [[{ app: 'a', v: '5.0' }, [[-1, 'v=5.0']]]]
  t.strictSame(await labelsOf(t, '| logfmt | v == 5', 'v=5.0'), wanted)
  t.strictSame(await labelsOf(t, '| logfmt | v = 5', 'v=5.0'), wanted)
  t.strictSame(await labelsOf(t, '| logfmt | v = "5"', 'v=5.0'), [])
  t.match(await labelsOf(t, '| logfmt | v == "5.0"', 'v=5.0'), [400, /^parse error at line 1, col \d+: /])
})

t.test(
  'line_format and label_format run in order; a later filter sees the new line; a rename moves the label',
  async (t) => {
    t.strictSame(
      await labelsOf(
        t,
        '| logfmt | line_format "{{.v}}-{{.w}}" |= "1-2" | label_format x=v, y="{{.w}}!" | line_format "{{.x}}{{.y}}{{.v}}"',
        'v=1 w=2',
      ),
      [[{ app: 'a', w: '2', x: '1', y: '2!' }, [[-1, '12!']]]],
    )
    t.strictSame(await labelsOf(t, '| logfmt | line_format "new" |= "v="', 'v=1'), [])
    t.strictSame(
      await labelsOf(t, '| line_format "{{ __line__ | upper }} {{ __timestamp__ | date `15:04:05` }}"', 'x'),
      [[{ app: 'a' }, [[-1, 'X 11:59:59']]]],
    )
    t.strictSame(
      await labelsOf(t, '| line_format "{{ now | unixEpoch }}"', 'x'),
      [[{ app: 'a' }, [[-1, String(NOON)]]]],
      'now is the gateway’s',
    )
  },
)

t.test('drop with a value drops only labels with it; keep never removes errors', async (t) => {
  const wanted = (labels: object): unknown => [[{ app: 'a', ...labels }, [[-1, 'v=1 w=2']]]]
  t.strictSame(await labelsOf(t, '| logfmt | drop v="1", w="3"', 'v=1 w=2'), wanted({ w: '2' }))
  t.strictSame(await labelsOf(t, '| logfmt | keep v', 'v=1 w=2'), [[{ v: '1' }, [[-1, 'v=1 w=2']]]])
  t.match(await labelsOf(t, '| json | keep v', 'no json'), [
    [{ __error__: 'JSONParserErr', __error_details__: String }, [[-1, 'no json']]],
  ])
})

t.test('keywords may be label names', async (t) => {
  const names = [
    'level',
    'by',
    'rate',
    'json',
    'ip',
    'count',
    'without',
    'sum',
    'unwrap',
    'drop',
    'on',
    'bool',
    'offset',
    'or',
  ]
  for (const name of names) {
    const client = await LokiClient.start(t, [[{ [name]: 'x' }, [[-1, 'line']]]])
    const wanted = [[{ [name]: 'x' }, [[-1, 'line']]]]
    t.strictSame(await client.lines(`{${name}="x"}`), wanted, name)
    t.strictSame(await client.lines(`{${name}="x"} | ${name}="x"`), wanted, `${name} in a filter`)
    const counted = `sum by (${name}) (count_over_time({${name}="x"}[1m]))`
    t.strictSame(await client.instant(counted), [[{ [name]: 'x' }, '1']], `${name} in a grouping`)
  }
})

t.test('a duplicate entry is stored once; equal times keep their order forward and reverse it backward', async (t) => {
  const client = await LokiClient.start(t, [[{ app: 'a' }, ['one', 'two', 'three'].map((line) => [-5, line] as const)]])
  await client.load([
    [
      { app: 'a' },
      [
        [-5, 'two'],
        [-5, 'two', { trace: 't' }],
        [-5, 'four'],
      ],
    ],
  ])
  const plain = ['one', 'two', 'three', 'four'].map((line) => [-5, line])
  const traced = [{ app: 'a', trace: 't' }, [[-5, 'two']]]
  t.strictSame(await client.lines('{app="a"}'), [traced, [{ app: 'a' }, plain]])
  t.strictSame(await client.lines('{app="a"}', { direction: 'backward' }), [traced, [{ app: 'a' }, plain.toReversed()]])
})

t.test('the limit applies to all streams together, by time', async (t) => {
  const client = await LokiClient.start(t, [
    [{ app: 'a' }, [-9, -6, -3].map((seconds) => [seconds, 'x'] as const)],
    [{ app: 'b' }, [-8, -7, -1].map((seconds) => [seconds, 'x'] as const)],
  ])
  const limit = '4'
  t.strictSame(await client.lines('{app=~".+"}', { limit, direction: 'backward' }), [
    [
      { app: 'a' },
      [
        [-3, 'x'],
        [-6, 'x'],
      ],
    ],
    [
      { app: 'b' },
      [
        [-1, 'x'],
        [-7, 'x'],
      ],
    ],
  ])
  t.strictSame(await client.lines('{app=~".+"}', { limit: '2' }), [
    [{ app: 'a' }, [[-9, 'x']]],
    [{ app: 'b' }, [[-8, 'x']]],
  ])
})

t.test('__stream_shard__ is no label, and a query for a missing shard finds nothing', async (t) => {
  const client = await LokiClient.start(t, [
    [{ app: 'a' }, [[-1, 'x']]],
    [{ app: 'b', __stream_shard__: '7' }, [[-1, 'y']]],
  ])
  t.equal((await client.ask('labels')).body, '{"status":"success","data":["app"]}\n')
  t.equal((await client.ask('label/__stream_shard__/values', { query: '{app="a"}' })).body, '{"status":"success"}\n')
  t.strictSame(await client.lines('{app="a", __stream_shard__=~"1|2"}'), [])
  t.strictSame(await client.instant('sum(count_over_time({app="a", __stream_shard__=~"1|2"}[1m]))'), [])
})
