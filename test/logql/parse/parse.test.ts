import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../src/domain/errors.ts'
import { formatExpr, formatLine } from '../../../src/logql/parse/format.ts'
import { parseExpr, parseSelector } from '../../../src/logql/parse/parse.ts'

/** A query, and its formatted line; undefined if that is the query itself. */
const ACCEPTED: readonly (readonly [query: string, line?: string])[] = [
  // Selectors.
  ['{a="b"}'],
  ['{a!="b", c="d"}'],
  ['{a=~"b.+", c!~"d"}'],
  ['{ a = "b" , c = "d" }', '{a="b", c="d"}'],
  ['{a=`b`}', '{a="b"}'],
  ["{a='b'}", '{a="b"}'],
  ['{a="b\\n\\"\\x41\\u00e9"}', '{a="b\\n\\"Aé"}'],
  ['{a=`\\d"`}', '{a="\\\\d\\""}'],
  ['{a!=""}'],
  ['{a="b", a=~".*"}'],
  ['({a="b"})', '{a="b"}'],
  ['(({a="b"} |= "x"))', '{a="b"} |= "x"'],
  ['{a="b"} # a comment', '{a="b"}'],
  ['# first\n{a="b"} # second\n|= "x#y"\n', '{a="b"} |= "x#y"'],
  // Keywords as label names.
  ['{level="x", by="x", rate="x", json="x", ip="x", count="x", or="x", unwrap="x", offset="x", bool="x"}'],
  ['{sum="x"} | json | count="1" | rate>1', '{sum="x"} | json | count="1" | rate>1'],
  ['{a="b"} | level="error" | by="x" | json="y" | drop="z" | ip=ip("1.1.1.1")'],
  [
    'sum by (level,by,rate,json,ip,count) (rate({a="b"}[1m]))',
    'sum by (level,by,rate,json,ip,count)(rate({a="b"}[1m]))',
  ],
  ['{a="b"} | label_format level=rate,json="x" | keep by,count="1"'],
  // Line filters.
  ['{a="b"} |= "x" != "y" |~ "z" !~ "w"'],
  ['{a="b"}|="x"!="y"', '{a="b"} |= "x" != "y"'],
  ['{a="b"} |> "<_>x" !> "<_>y<_>"'],
  ['{a="b"} |= "x" or "y" or `z`', '{a="b"} |= "x" or "y" or "z"'],
  ['{a="b"} != "x" or "y" |= "z"'],
  ['{a="b"} |= ip("10.0.0.0/8") != ip("::1")'],
  ['{a="b"} |= ip("10.0.0.1") or "x" or ip("10.0.0.2")'],
  ['{a="b"} |= ""'],
  ['{a="b"} |~ "(?i)x|y\\\\d+"'],
  // Parsers.
  ['{a="b"} | json'],
  ['{a="b"} | json x="a.b[0]", y', '{a="b"} | json x="a.b[0]",y="y"'],
  ['{a="b"} | JSON | LogFmt', '{a="b"} | json | logfmt'],
  ['{a="b"} | logfmt --strict --keep-empty'],
  ['{a="b"} | logfmt --keep-empty x="y"'],
  ['{a="b"} | regexp "(?P<x>.*)"'],
  ['{a="b"} | pattern "<x> <_>"'],
  ['{a="b"} | unpack'],
  ['{a="b"} | json != "x"'],
  ['{a="b"} | logfmt !~ "x" | unpack != "y"'],
  // Label filters.
  ['{a="b"} | x="y" | x!="y" | x=~"y" | x!~"y"'],
  [
    '{a="b"} | x=1 | x==1.5 | x!=1 | x>1 | x>=1 | x<1 | x<=-1',
    '{a="b"} | x==1 | x==1.5 | x!=1 | x>1 | x>=1 | x<1 | x<=-1',
  ],
  ['{a="b"} | x>5m | x<=1.5s | x==1d | x!=-20ms', '{a="b"} | x>5m0s | x<=1.5s | x==24h0m0s | x!=-20ms'],
  ['{a="b"} | x>5KB | x<=1.5MiB | x==1B | x>1kB', '{a="b"} | x>5KB | x<=1.5MiB | x==1B | x>1KB'],
  ['{a="b"} | x=ip("10.0.0.0/8") | x!=ip("::1")'],
  ['{a="b"} | x="1" and y="2" or z="3"', '{a="b"} | ( ( x="1" , y="2" ) or z="3" )'],
  ['{a="b"} | x="1" or y="2" and z="3"', '{a="b"} | ( x="1" or ( y="2" , z="3" ) )'],
  ['{a="b"} | (x="1" or y="2") and z="3"', '{a="b"} | ( ( x="1" or y="2" ) , z="3" )'],
  ['{a="b"} | x="1" y="2", z="3"', '{a="b"} | ( x="1" , ( y="2" , z="3" ) )'],
  ['{a="b"} | x="1", y="2" or z="3"', '{a="b"} | ( x="1" , ( y="2" or z="3" ) )'],
  ['{a="b"} | x="1" or y="2" z="3"', '{a="b"} | ( x="1" or ( y="2" , z="3" ) )'],
  ['{a="b"} | x="1" and y="2" z="3" or w="4"', '{a="b"} | ( x="1" , ( y="2" , ( z="3" or w="4" ) ) )'],
  ['{a="b"} | x="1" y="2" and z="3" or w="4"', '{a="b"} | ( x="1" , ( ( y="2" , z="3" ) or w="4" ) )'],
  ['{a="b"} | x="1" and y="2" and z="3" or w="4"', '{a="b"} | ( ( ( x="1" , y="2" ) , z="3" ) or w="4" )'],
  ['{a="b"} | x="1" OR y>2 AND z<3', '{a="b"} | ( x="1" or ( y>2 , z<3 ) )'],
  ['{a="b"} | x="1" != "line"', '{a="b"} | x="1" != "line"'],
  ['{a="b"} | __error__=""'],
  // Formatting.
  ['{a="b"} | line_format "{{.x}}"'],
  ['{a="b"} | label_format x=y,z="{{.q}}"'],
  ['{a="b"} | decolorize | drop x, y="z" | keep w', '{a="b"} | decolorize | drop x,y="z" | keep w'],
  // Range aggregations.
  ['rate({a="b"}[5m])'],
  ['count_over_time({a="b"} |= "x" [1h30m])', 'count_over_time({a="b"} |= "x"[1h30m])'],
  ['rate({a="b"}[5m] |= "x" | json)', 'rate({a="b"} |= "x" | json[5m])'],
  ['rate(({a="b"} |= "x")[5m])', 'rate({a="b"} |= "x"[5m])'],
  ['rate(({a="b"} |= "x" [5m]))', 'rate({a="b"} |= "x"[5m])'],
  ['rate({a="b"}[1d])'],
  ['rate({a="b"}[90s])', 'rate({a="b"}[1m30s])'],
  ['rate({a="b"}[1.5h])', 'rate({a="b"}[1h30m])'],
  ['rate({a="b"}[1w])'],
  ['rate({a="b"}[100ms])'],
  ['rate({a="b"}[5m] offset 1h)'],
  ['rate({a="b"}[5m] offset -30s)'],
  ['bytes_rate({a="b"}[5m])'],
  ['bytes_over_time({a="b"}[5m])'],
  ['absent_over_time({a="b"}[5m])'],
  ['RATE({a="b"}[5m])', 'rate({a="b"}[5m])'],
  ['sum_over_time({a="b"} | json | unwrap x [5m])', 'sum_over_time({a="b"} | json | unwrap x[5m])'],
  ['sum_over_time({a="b"}[5m] | json | unwrap x)', 'sum_over_time({a="b"} | json | unwrap x[5m])'],
  [
    'sum_over_time({a="b"} | unwrap x | __error__="" [5m] offset 1h)',
    'sum_over_time({a="b"} | unwrap x | __error__=""[5m] offset 1h)',
  ],
  ['avg_over_time({a="b"} | unwrap duration(x) [5m]) by (y)', 'avg_over_time({a="b"} | unwrap duration(x)[5m]) by (y)'],
  [
    'max_over_time({a="b"} | unwrap bytes(x) [5m]) without (y, z)',
    'max_over_time({a="b"} | unwrap bytes(x)[5m]) without (y,z)',
  ],
  [
    'quantile_over_time(0.99, {a="b"} | unwrap duration_seconds(x) [5m])',
    'quantile_over_time(0.99,{a="b"} | unwrap duration_seconds(x)[5m])',
  ],
  ['rate_counter({a="b"} | unwrap x [5m])', 'rate_counter({a="b"} | unwrap x[5m])'],
  [
    'rate({a="b"} | label_format x=y,z="{{.q}}" | unwrap x [5m] offset 1h)',
    'rate({a="b"} | label_format x=y,z="{{.q}}" | unwrap x[5m] offset 1h)',
  ],
  ['first_over_time({a="b"} | unwrap bytes [5m])', 'first_over_time({a="b"} | unwrap bytes[5m])'],
  // Vector aggregations.
  ['sum(rate({a="b"}[5m]))'],
  ['sum(rate({a="b"}[5m])) by (x)', 'sum by (x)(rate({a="b"}[5m]))'],
  ['sum by (x) (rate({a="b"}[5m]))', 'sum by (x)(rate({a="b"}[5m]))'],
  ['sum without () (rate({a="b"}[5m]))', 'sum without ()(rate({a="b"}[5m]))'],
  ['sum by () (rate({a="b"}[5m]))', 'sum by ()(rate({a="b"}[5m]))'],
  ['topk(5, rate({a="b"}[5m]))', 'topk(5,rate({a="b"}[5m]))'],
  ['bottomk by (x) (5, rate({a="b"}[5m]))', 'bottomk by (x)(5,rate({a="b"}[5m]))'],
  ['approx_topk(5, rate({a="b"}[5m]))', 'approx_topk(5,rate({a="b"}[5m]))'],
  ['sort_desc(sort(rate({a="b"}[5m])))'],
  ['stddev(stdvar(min(max(avg(count(rate({a="b"}[5m])))))))'],
  // Binary operations.
  ['vector(1)+vector(1)', '(vector(1.000000) + vector(1.000000))'],
  ['1 + 2 * 3', '7'],
  ['2 ^ 3 ^ 2', '512'],
  ['-2^2', '4'],
  ['(1 + 2) * 3', '9'],
  ['1 > bool 2', '0'],
  ['1 == 1', '1'],
  ['1e3', '1000'],
  ['1e+3 * .5', '500'],
  ['10 % 3 - 1', '0'],
  ['1/0', 'NaN'],
  ['rate({a="b"}[1m]) / 2 + 1', '((rate({a="b"}[1m]) / 2) + 1)'],
  ['1 - rate({a="b"}[1m]) - 2', '((1 - rate({a="b"}[1m])) - 2)'],
  ['2 ^ vector(2) ^ vector(3)', '(2 ^ (vector(2.000000) ^ vector(3.000000)))'],
  [
    'vector(1) or vector(2) and vector(3) unless vector(4)',
    '(vector(1.000000) or ((vector(2.000000) and vector(3.000000)) unless vector(4.000000)))',
  ],
  ['vector(1) > bool 1', '(vector(1.000000) > bool 1)'],
  ['vector(1) == on(x, y) vector(2)', '(vector(1.000000) == on (x,y) vector(2.000000))'],
  ['vector(1) * ignoring() group_left vector(2)', '(vector(1.000000) * ignoring () group_left () vector(2.000000))'],
  ['vector(1) * on(x) group_right(y, z) vector(2)', '(vector(1.000000) * on (x) group_right (y,z) vector(2.000000))'],
  ['vector(1) * on(x) group_left (vector(2))', '(vector(1.000000) * on (x) group_left () vector(2.000000))'],
  [
    'vector(1) <= bool ignoring(x) group_left(y) vector(2)',
    '(vector(1.000000) <= bool ignoring (x) group_left (y) vector(2.000000))',
  ],
  ['(rate({a="b"}[1m]))', 'rate({a="b"}[1m])'],
  ['((1))', '1'],
  ['+1', '1'],
  ['vector(0.5)', 'vector(0.500000)'],
  ['label_replace(rate({a="b"}[1m]), "x", "$1", "y", "(.*)")', 'label_replace(rate({a="b"}[1m]),"x","$1","y","(.*)")'],
  [
    'sum by (level, detected_level) (count_over_time({a="b"} |= "x" | drop __error__ [30s]))',
    'sum by (level,detected_level)(count_over_time({a="b"} |= "x" | drop __error__[30s]))',
  ],
]

t.test('reads every form of the grammar', async (t) => {
  for (const [query, line = query] of ACCEPTED) {
    const expr = parseExpr(query)
    t.equal(formatLine(expr), line, query)
    if (line !== 'NaN') t.equal(formatLine(parseExpr(line)), line, `${query}: what it prints reads back`)
    if (line !== 'NaN') t.equal(formatLine(parseExpr(formatExpr(expr))), line, `${query}: the pretty form reads back`)
  }
})

const NO_MATCHER =
  'parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible value. ' +
  'For instance, app=~".*" does not meet this requirement, but app=~".+" will'

const REFUSED: readonly (readonly [query: string, message: string])[] = [
  ['', 'parse error : syntax error: unexpected $end'],
  ['\n', 'parse error at line 1, col 1: syntax error: unexpected $end'],
  ['{', 'parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER'],
  ['{}', NO_MATCHER],
  ['{a=""}', NO_MATCHER],
  ['{a=~".*"}', NO_MATCHER],
  ['{a!="b"}', NO_MATCHER],
  ['{a!~"b"}', NO_MATCHER],
  ['rate({}[5m])', NO_MATCHER],
  ['vector(1) + rate({a=~".*"}[5m])', NO_MATCHER],
  ['{a}', 'parse error at line 1, col 3: syntax error: unexpected }, expecting = or =~ or !~ or !='],
  ['{a=b}', 'parse error at line 1, col 4: syntax error: unexpected IDENTIFIER, expecting STRING'],
  ['{a="b"', 'parse error at line 1, col 7: syntax error: unexpected $end, expecting } or ,'],
  ['{a="b",}', 'parse error at line 1, col 8: syntax error: unexpected }, expecting IDENTIFIER'],
  ['{a="b"', 'parse error at line 1, col 7: syntax error: unexpected $end, expecting } or ,'],
  ['{a=="b"}', 'parse error at line 1, col 3: syntax error: unexpected ==, expecting = or =~ or !~ or !='],
  ['{"a"="b"}', 'parse error at line 1, col 2: syntax error: unexpected STRING, expecting IDENTIFIER'],
  ['{a="b}', 'parse error at line 1, col 4: literal not terminated'],
  ['{a="b\n"}', 'parse error at line 1, col 4: literal not terminated'],
  ['{a="\\d"}', 'parse error at line 1, col 4: invalid char escape'],
  ['{a=~"("}', 'parse error : error parsing regexp: missing closing ): `(`'],
  ['{a="b"} {c="d"}', 'parse error at line 1, col 9: syntax error: unexpected {'],
  ['{a="b"} |', 'parse error at line 1, col 10: syntax error: unexpected $end'],
  ['{a="b"} |= ', 'parse error at line 1, col 12: syntax error: unexpected $end, expecting STRING or ip'],
  ['{a="b"}\n  |= x', 'parse error at line 2, col 6: syntax error: unexpected IDENTIFIER, expecting STRING or ip'],
  ['{a="😀"} |= x', 'parse error at line 1, col 12: syntax error: unexpected IDENTIFIER, expecting STRING or ip'],
  ['{a="b"} |~ "("', 'parse error : error parsing regexp: missing closing ): `(`'],
  ['{a="b"} |~ ip("1.1.1.1")', 'parse error at line 1, col 12: ip: invalid operation |~'],
  ['{a="b"} | json |', 'parse error at line 1, col 17: syntax error: unexpected $end'],
  ['{a="b"} | foo', 'parse error at line 1, col 14: syntax error: unexpected $end'],
  [
    '{a="b"} | foo > "x"',
    'parse error at line 1, col 17: syntax error: unexpected STRING, expecting BYTES or DURATION or NUMBER',
  ],
  [
    '{a="b"} | foo == "x"',
    'parse error at line 1, col 18: syntax error: unexpected STRING, expecting BYTES or DURATION or NUMBER',
  ],
  [
    '{a="b"} | logfmt --loose',
    'parse error at line 1, col 18: syntax error: unexpected PARSER_FLAG, expecting --strict or --keep-empty',
  ],
  ['{a="b"} | regexp "x"', 'parse error : at least one named capture must be supplied'],
  ['{a="b"} | regexp "("', 'parse error : error parsing regexp: missing closing ): `(`'],
  ['{a="b"} | label_format x=y,x=z', "parse error : multiple label name 'x' not allowed in a single format operation"],
  ['{a="b"} | label_format x', 'parse error at line 1, col 25: syntax error: unexpected $end, expecting ='],
  ['{a="b"} | line_format', 'parse error at line 1, col 22: syntax error: unexpected $end, expecting STRING'],
  ['{a="b"} | unwrap x', 'parse error at line 1, col 11: syntax error: unexpected unwrap'],
  ['{a="b"} | distinct x', 'parse error at line 1, col 20: syntax error: unexpected IDENTIFIER'],
  ['{a="b"}[5m]', 'parse error at line 1, col 8: syntax error: unexpected RANGE'],
  ['{a="b"} + 1', 'parse error at line 1, col 9: syntax error: unexpected +'],
  ['rate({a="b"})', 'parse error at line 1, col 13: syntax error: unexpected ), expecting RANGE'],
  ['rate({a="b"}[5x])', 'parse error at line 1, col 13: not a valid duration string: "5x"'],
  ['rate({a="b"}[])', 'parse error at line 1, col 13: not a valid duration string: ""'],
  ['rate({a="b"}[0s])', 'parse error at line 1, col 13: duration must be greater than 0'],
  ['rate({a="b"}[5m', "parse error at line 1, col 13: missing closing ']' in duration"],
  ['rate({a="b"}[300y])', 'parse error at line 1, col 13: not a valid duration string: "300y"'],
  ['rate({a="b"}[5m] @ 1)', 'parse error at line 1, col 18: syntax error: unexpected IDENTIFIER, expecting )'],
  ['rate({a="b"}[5m:1m])', 'parse error at line 1, col 13: not a valid duration string: "5m:1m"'],
  [
    'rate({a="b"}[5m] offset x)',
    'parse error at line 1, col 25: syntax error: unexpected IDENTIFIER, expecting DURATION',
  ],
  ['rate({a="b"}[5m]) by (x)', 'parse error : grouping not allowed for rate aggregation'],
  ['sum_over_time({a="b"} | unwrap x [5m]) by (y)', 'parse error : grouping not allowed for sum_over_time aggregation'],
  ['count_over_time({a="b"} | unwrap x [5m])', 'parse error : invalid aggregation count_over_time with unwrap'],
  ['bytes_rate({a="b"} | unwrap x [5m])', 'parse error : invalid aggregation bytes_rate with unwrap'],
  ['sum_over_time({a="b"}[5m])', 'parse error : invalid aggregation sum_over_time without unwrap'],
  ['rate_counter({a="b"}[5m])', 'parse error : invalid aggregation rate_counter without unwrap'],
  ['quantile_over_time({a="b"} | unwrap x [5m])', 'parse error : parameter required for operation quantile_over_time'],
  ['rate(2, {a="b"}[5m])', 'parse error : parameter 2 not supported for operation rate'],
  ['sum(2, rate({a="b"}[5m]))', 'parse error : unsupported parameter for operation sum(2,'],
  ['topk(rate({a="b"}[5m]))', 'parse error : parameter required for operation topk'],
  ['{a="b"} | x > 1mb', 'parse error at line 1, col 16: syntax error: unexpected IDENTIFIER'],
  ['{a="b"} | regexp `(?P<x>.)(?P<x>.)`', "parse error : duplicate extracted label name 'x'"],
  ['vector(-0.5)', 'parse error at line 1, col 8: syntax error: unexpected -, expecting NUMBER'],
  ['{a="b"} | label_format __error__="x"', 'parse error : __error__ cannot be formatted'],
  ['topk(0, rate({a="b"}[5m]))', 'parse error : invalid parameter (must be greater than 0) topk(0'],
  ['topk(1.5, rate({a="b"}[5m]))', 'parse error : invalid parameter topk(1.5,'],
  ['sort(rate({a="b"}[5m])) by (x)', 'parse error : grouping not allowed for sort aggregation'],
  ['approx_topk by (x) (2, rate({a="b"}[5m]))', 'parse error : grouping not allowed for approx_topk aggregation'],
  ['sum({a="b"})', 'parse error at line 1, col 5: syntax error: unexpected {'],
  ['sum(rate({a="b"}[5m])', 'parse error at line 1, col 22: syntax error: unexpected $end, expecting )'],
  ['foo(rate({a="b"}[5m]))', 'parse error at line 1, col 1: syntax error: unexpected IDENTIFIER'],
  ['foo', 'parse error at line 1, col 1: syntax error: unexpected IDENTIFIER'],
  ['1 and 2', 'parse error : unexpected literal for left leg of logical/set binary operation (and): 1.000000'],
  ['vector(1) or 2', 'parse error : unexpected literal for right leg of logical/set binary operation (or): 2.000000'],
  ['vector(1) + bool 2', 'parse error at line 1, col 13: syntax error: unexpected bool'],
  ['vector(1) +', 'parse error at line 1, col 12: syntax error: unexpected $end'],
  ['- vector(1)', 'parse error at line 1, col 3: syntax error: unexpected vector, expecting NUMBER'],
  ['vector("1")', 'parse error at line 1, col 8: syntax error: unexpected STRING, expecting NUMBER'],
  ['label_replace(vector(1), "a", "b", "c")', 'parse error at line 1, col 39: syntax error: unexpected ), expecting ,'],
  ['label_replace(vector(1), "a", "b", "c", "(")', 'parse error : error parsing regexp: missing closing ): `(`'],
  ['variants(rate({a="b"}[1m])) of ({a="b"}[1m])', 'parse error at line 1, col 1: syntax error: unexpected IDENTIFIER'],
  ['sum by x (vector(1))', 'parse error at line 1, col 8: syntax error: unexpected IDENTIFIER, expecting ('],
  [
    `${'('.repeat(300)}1${')'.repeat(300)}`,
    'parse error at line 1, col 201: the query is nested more than 200 levels deep; flatten it',
  ],
  [
    `1${'+vector(1)'.repeat(1001)}`,
    'parse error : the query has more than 1000 operators; split it, or use a regular expression',
  ],
  [`{a="${'x'.repeat(131_100)}"}`, 'parse error : input size too long (131106 > 131072)'],
]

t.test('rejects other text, with the position', async (t) => {
  for (const [query, message] of REFUSED) {
    t.throws(() => parseExpr(query), { code: 'query_malformed', message }, query.slice(0, 100))
  }
})

t.test('a selector has no pipeline, and may match everything if allowed', async (t) => {
  t.same(
    parseSelector('{a="b", c=~"d|e"}').map(({ name, operator, value }) => [name, operator, value]),
    [
      ['a', '=', 'b'],
      ['c', '=~', 'd|e'],
    ],
  )
  t.same(parseSelector('{}', { allowEmpty: true }), [])
  t.equal(parseSelector('{a=~".*"}', { allowEmpty: true }).length, 1)
  t.throws(() => parseSelector('{}'), { message: NO_MATCHER })
  t.throws(() => parseSelector('{a="b"} |= "x"'), { message: 'parse error : only label matchers is supported' })
  t.throws(() => parseSelector('rate({a="b"}[1m])'), { code: 'query_malformed' })
  t.equal(formatLine(parseExpr('{} |= "x"', { allowEmpty: true })), '{} |= "x"')
  t.throws(() => parseExpr('{a="b"}', { bytesMax: 5 }), { message: 'parse error : input size too long (7 > 5)' })
})

t.test('matchers of regular expressions are anchored and take line breaks', async (t) => {
  const [matcher] = parseSelector('{a=~"b.c"}')
  t.same(
    ['b-c', 'b\nc', 'xb-c', 'b-cx', ''].map((value) => matcher?.test(value)),
    [true, true, false, false, false],
  )
  const [opposite] = parseSelector('{a!~"b.c"}', { allowEmpty: true })
  t.same(
    ['b-c', 'x', ''].map((value) => opposite?.test(value)),
    [false, true, true],
  )
})

t.test('a long query is split over lines', async (t) => {
  const selector = '{app="checkout", namespace="production"}'
  const query =
    `sum by (level, app) (rate(${selector} |= "error" | json | status>=500 | line_format "{{.message}}" [5m] offset 1h)) ` +
    `/ on (app) group_left () topk(3, sum_over_time(${selector} | logfmt | level="error" | unwrap bytes(size) [5m]))`
  t.equal(
    formatExpr(parseExpr(query)),
    `  sum by (level, app)(
    rate(
      {app="checkout", namespace="production"}
        |= "error"
        | json
        | status>=500
        | line_format "{{.message}}" [5m] offset 1h
    )
  )
/ on (app) group_left ()
  topk(
    3,
    sum_over_time(
      {app="checkout", namespace="production"} | logfmt | level="error"
        | unwrap bytes(size) [5m]
    )
  )`,
  )
  const nested = `(${query}) + (${query}) * 2`
  t.equal(formatLine(parseExpr(formatExpr(parseExpr(nested)))), formatLine(parseExpr(nested)))
  t.equal(formatExpr(parseExpr('{a="b"}|json')), '{a="b"} | json')
})

t.test('long and hostile texts are read or refused at once', async (t) => {
  for (const unit of [
    ...[
      '1',
      '1.',
      '1e',
      '(',
      '{',
      '[',
      '"',
      '`',
      '\\\\',
      'a',
      '-',
      '#',
      '!',
      '|',
      ' ',
      '\\n',
      'sum(',
      '1+',
      '1h',
      '5KB ',
      '.',
    ],
    ...['{a="b"} | x="y" or ', '{a="b"} |= "x" or ', 'vector(1)^', '"\\\\x', 'rate({a="b"}[1m]) + ', 'a.b '],
  ]) {
    const before = process.cpuUsage().user
    checkAny(unit.repeat(Math.floor(131_000 / unit.length)))
    checkAny(`{a="b"} | x="1" ${'or x="1" '.repeat(900)}${unit.repeat(10_000)}`)
    t.ok(
      process.cpuUsage().user - before < 2_000_000,
      `${JSON.stringify(unit)} takes less than two seconds of one core`,
    )
  }
})

const TOKENS = fc.constantFrom(
  ...[
    '{',
    '}',
    '(',
    ')',
    '[5m]',
    '[',
    ']',
    ',',
    '=',
    '!=',
    '=~',
    '!~',
    '|',
    '|=',
    '|~',
    '|>',
    '!>',
    '==',
    '>',
    '<=',
    '+',
  ],
  ...[
    '-',
    '*',
    '/',
    '%',
    '^',
    '"x"',
    '`y`',
    "'",
    '"',
    '\\',
    '#',
    '\n',
    '1',
    '-2.5',
    '5m',
    '1KB',
    '1e9',
    '.',
    'a',
    'level',
  ],
  ...[
    '{a="b"}',
    'rate(',
    'sum',
    'by',
    'without',
    'topk(',
    'unwrap',
    'json',
    'logfmt',
    '--strict',
    'offset',
    'bool',
    'on',
  ],
  ...[
    'group_left',
    'and',
    'or',
    'unless',
    'ip(',
    'label_format',
    'drop',
    'vector(1)',
    'label_replace(',
    'é',
    '😀',
    '@',
    ';',
  ],
)

function checkAny(query: string): void {
  try {
    const expr = parseExpr(query)
    const line = formatLine(expr)
    // Folded literals may be NaN or infinite, which have no spelling.
    if (/NaN|Infinity|e[+-]/.test(line)) return
    if (formatLine(parseExpr(line)) !== line) throw new Error(`${line} does not read back`)
    if (formatLine(parseExpr(formatExpr(expr))) !== line) throw new Error(`${formatExpr(expr)} does not read back`)
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'query_malformed') throw error
  }
}

t.test('any soup of tokens is read or refused', async (t) => {
  const soup = fc.array(fc.tuple(TOKENS, fc.constantFrom('', ' ')), { maxLength: 30 })
  fc.assert(
    fc.property(soup, (parts) => checkAny(parts.flat().join(''))),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 5000) },
  )
  t.pass('no other error was found')
})

t.test('any change of a valid query is read or refused', async (t) => {
  const query = fc.constantFrom(...ACCEPTED.map(([text]) => text))
  fc.assert(
    fc.property(query, fc.nat(), fc.nat(8), fc.oneof(TOKENS, fc.string()), (text, at, length, inserted) => {
      const place = at % (text.length + 1)
      checkAny(text.slice(0, place) + inserted + text.slice(place + length))
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 5000) },
  )
  t.pass('no other error was found')
})
