import fc from 'fast-check'
import t from 'tap'
import { GatewayError } from '../../../../src/domain/errors.ts'
import { labelData } from '../../../../src/logql/pipeline/line-format.ts'
import { compileTemplate, FUNCTION_NAMES } from '../../../../src/logql/pipeline/template/template.ts'
import { makeEntry } from '../../../language/make-entry.ts'

const LABELS = {
  app: 'shop',
  status: '500',
  n: '42',
  empty: '',
  path: '/api/x',
  json: '{"a":1,"list":[{"q":"x"},{"q":"y"}],"nul":null,"deep":{"b":"c"},"s":"t","t":true}',
  utf: 'äöü€😀',
}
/** 2024-03-05T06:07:08.009010011Z. */
const NS = 1_709_618_828_009_010_011n
const NOW_NS = 1_700_000_000_000_000_000n

function run(source: string, line = 'the line'): string {
  const { labels } = makeEntry('')
  for (const [name, value] of Object.entries(LABELS)) labels.setParsed(name, value)
  return compileTemplate(source, NOW_NS).run({ data: labelData(labels), line, ns: NS })
}

type Row = [source: string, text: string]

function checkAll(t: { equal: (a: unknown, b: unknown, name: string) => unknown }, rows: readonly Row[]): void {
  for (const [source, text] of rows) t.equal(run(source), text, source)
}

t.test('text, fields and trims', async (t) => {
  checkAll(t, [
    ['plain', 'plain'],
    ['', ''],
    ['{{.app}}', 'shop'],
    ['{{ .app }}-{{.status}}', 'shop-500'],
    ['{{.missing}}', ''],
    ['{{$.app}}', 'shop'],
    ['a {{- .app -}} b', 'ashopb'],
    ['a  {{-  .app}} \n b', 'ashop \n b'],
    ['a {{/* a }} comment */}} b', 'a  b'],
    ['a {{- /* x */ -}} b', 'ab'],
    ['{ {{.app}} }', '{ shop }'],
    ['{{"quoted \\" \\n"}}|{{`raw \\n`}}', 'quoted " \n|raw \\n'],
    ['{{print .}}', `map[app:shop empty: json:${LABELS.json} n:42 path:/api/x status:500 utf:äöü€😀]`],
  ])
})

t.test('pipelines, brackets and variables', async (t) => {
  checkAll(t, [
    ['{{ .app | upper }}', 'SHOP'],
    ['{{ .path | replace "/" "_" | trunc 3 | upper }}', '_AP'],
    ['{{ printf "%s-%s" (upper .app) .status }}', 'SHOP-500'],
    ['{{ (fromJson .json).deep.b }}', 'c'],
    ['{{ $x := .app }}{{ $x }}{{ $x = "y" }}{{ $x }}', 'shopy'],
    ['{{ $j := fromJson .json }}{{ $j.s }}', 't'],
    ['{{ with $x := .app }}{{ $x }}{{ . }}{{ end }}', 'shopshop'],
    ['{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}', '21'],
    ['{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}', '2'],
    [
      "{{ true }} {{ 1 }} {{ 1.5 }} {{ 0x10 }} {{ 'a' }} {{ 1e3 }} {{ -3 }} {{ 1_000 }}",
      'true 1 1.5 16 97 1000 -3 1000',
    ],
  ])
})

t.test('conditions', async (t) => {
  checkAll(t, [
    ['{{ if .app }}yes{{ else }}no{{ end }}', 'yes'],
    ['{{ if .missing }}yes{{ else }}no{{ end }}', 'no'],
    ['{{ if eq .status "500" }}a{{ else if eq .status "404" }}b{{ else }}c{{ end }}', 'a'],
    ['{{ if eq .status "1" }}a{{ else if eq .app "shop" }}b{{ else }}c{{ end }}', 'b'],
    ['{{ if eq .status "1" }}a{{ else if eq .app "x" }}b{{ else }}c{{ end }}', 'c'],
    ['{{ if and (contains "he" "hello") (contains "llo" "hello") }} yes {{end}}', ' yes '],
    ['{{ if or (contains "x" "hello") (hasPrefix "he" "hello") }}yes{{end}}', 'yes'],
    ['{{ if not .empty }}empty{{ end }}', 'empty'],
    ['{{ and 1 0 2 }}|{{ and 1 2 }}|{{ or 0 "" "x" 1 }}|{{ or 0 "" }}', '0|2|x|'],
    ['{{ if and false (div 1 0) }}{{ else }}lazy{{ end }}', 'lazy'],
    ['{{ with .missing }}x{{ else }}y{{ end }}', 'y'],
    ['{{ with .missing }}x{{ else with .app }}{{ . }}{{ end }}', 'shop'],
    ['{{ if 0 }}a{{ else }}b{{ end }}{{ if 0.0 }}a{{ else }}b{{ end }}{{ if now }}t{{ end }}', 'bbt'],
  ])
})

t.test('comparisons', async (t) => {
  checkAll(t, [
    ['{{ eq "a" "b" "a" }} {{ eq 1 2 }} {{ ne "a" "b" }}', 'true false true'],
    ['{{ lt 1 2 }} {{ le 2 2 }} {{ gt "b" "a" }} {{ ge 1.5 2.5 }}', 'true true true false'],
    ['{{ gt (int .n) 41 }} {{ lt (float64 .n) 41.5 }}', 'true false'],
    ['{{ eq nil (fromJson .json).nul }}', 'true'],
  ])
})

t.test('range', async (t) => {
  checkAll(t, [
    ['{{ range $q := (fromJson .json).list }}[{{ $q.q }}]{{ end }}', '[x][y]'],
    ['{{ range (fromJson .json).list }}{{ .q }}{{ $.app }} {{ end }}', 'xshop yshop '],
    ['{{ range $i, $q := (fromJson .json).list }}{{ $i }}{{ $q.q }}{{ end }}', '0x1y'],
    ['{{ range $k, $v := fromJson `{"b":1,"a":[2]}` }}{{ $k }}={{ $v }} {{ end }}', 'a=[2] b=1 '],
    ['{{ range fromJson "[]" }}x{{ else }}none{{ end }}', 'none'],
    ['{{ range (fromJson .json).nul }}x{{ else }}none{{ end }}', 'none'],
    ['{{ range 3 }}{{ . }}{{ end }}', '012'],
    ['{{ range 5 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}', '02'],
    ['{{ $s := 0 }}{{ range 4 }}{{ $s = add $s . }}{{ end }}{{ $s }}', '6'],
    ['{{ range $k, $v := . }}{{ if eq $k "app" }}{{ $v }}{{ end }}{{ end }}', 'shop'],
  ])
})

t.test('define, template and block', async (t) => {
  checkAll(t, [
    ['{{ define "x" }}<{{ . }}>{{ end }}{{ template "x" .app }}', '<shop>'],
    ['{{ template "x" . }}{{ define "x" }}{{ .app }}{{ end }}', 'shop'],
    ['{{ block "b" .app }}[{{ . }}]{{ end }}', '[shop]'],
    ['{{ define "x" }}{{ . }}{{ end }}{{ template "x" }}', '<no value>'],
  ])
})

t.test("Go's own functions", async (t) => {
  checkAll(t, [
    ['{{ len .app }} {{ len .utf }} {{ len (fromJson .json).list }}', '4 13 2'],
    [
      '{{ index (fromJson .json) "s" }} {{ (index (fromJson .json).list 1).q }} {{ index . "app" }} {{ index "abc" 1 }}',
      't y shop 98',
    ],
    ['{{ index . "missing" }}|{{ index (fromJson .json) "missing" }}', '|<no value>'],
    ['{{ slice .app 1 3 }} {{ slice .app 2 }} {{ slice (fromJson "[1,2,3]") 1 }}', 'ho op [2 3]'],
    ['{{ print 1 2 "a" 3 }}|{{ print "a" "b" }}|{{ println 1 "a" }}', '1 2a3|ab|1 a\n'],
    ['{{ html "<a href=\'x\'>&\\"" }}', '&lt;a href=&#39;x&#39;&gt;&amp;&#34;'],
    ['{{ js "a\'b<c>\\n" }}', "a\\'b\\u003Cc\\u003E\\u000A"],
    ['{{ urlquery "a b" "&" }}', 'a+b%26'],
    ['{{ not true }} {{ not "" }}', 'false true'],
  ])
})

t.test("Loki's functions on text", async (t) => {
  checkAll(t, [
    ['{{ ToLower "AB" }}{{ ToUpper "cd" }}{{ lower "EF" }}{{ upper "gh" }}', 'abCDefGH'],
    ['{{ Replace "aaa" "a" "b" 2 }} {{ Replace "aaa" "a" "b" -1 }} {{ replace "a" "b" "aaa" }}', 'bba bbb bbb'],
    ['{{ Replace "ab" "" "-" -1 }} {{ Replace "ab" "" "-" 2 }} {{ Replace "aaa" "a" "b" 0 }}', '-a-b- -a-b aaa'],
    ['{{ Trim "xxaxx" "x" }} {{ TrimLeft "xxaxx" "x" }} {{ TrimRight "xxaxx" "x" }}', 'a axx xxa'],
    ['{{ TrimPrefix "abc" "a" }} {{ TrimSuffix "abc" "c" }} {{ TrimSpace "  a\\t" }}|', 'bc ab a|'],
    ['{{ trim "  a " }}|{{ trimAll "$" "$5.00$" }}|{{ trimPrefix "-" "-a" }}|{{ trimSuffix "-" "a-" }}', 'a|5.00|a|a'],
    [
      '{{ trunc 5 "hello world" }}|{{ trunc -5 "hello world" }}|{{ trunc 9 "abc" }}|{{ trunc 2 .utf }}',
      'hello|world|abc|ä',
    ],
    [
      '{{ substr 0 5 "hello world" }}|{{ substr 6 11 "hello world" }}|{{ substr -1 3 "hello" }}|{{ substr 2 -1 "hello" }}',
      'hello|world|hel|llo',
    ],
    ['{{ title "hello big-world don\'t" }}', "Hello Big-World Don'T"],
    ['{{ contains "ell" "hello" }} {{ hasPrefix "he" "hello" }} {{ hasSuffix "he" "hello" }}', 'true true false'],
    ['{{ indent 2 "a\\nb" }}|{{ nindent 1 "a" }}', '  a\n  b|\n a'],
    ['{{ repeat 3 "ab" }}', 'ababab'],
    [
      '{{ alignLeft 5 "hello world" }}|{{ alignLeft 5 "hi" }}|{{ alignRight 5 "hello world" }}|{{ alignRight 5 "hi" }}',
      'hello|hi   |world|   hi',
    ],
    ['{{ alignRight 2 .utf }}|{{ alignLeft 5 .utf }}', '€😀|äöü€😀'],
    ['{{ urlencode "a b/ü!*" }} {{ urldecode "a+b%2F%C3%BC" }}', 'a+b%2F%C3%BC%21%2A a b/ü'],
    ['{{ b64enc "hé" }} {{ b64dec "aMOp" }} {{ b64dec "a" }}', 'aMOp hé illegal base64 data at input byte 0'],
    ['{{ b64dec "YQ\\n=\\n=" | len }} {{ b64dec "YWJ\\nj" | len }}', '1 3'],
    ...(
      [
        ['ab=', 3],
        ['a=', 1],
        ['=', 0],
        ['ab=x', 2],
        ['ab==x', 4],
        ['abc=x', 4],
        ['abcd=', 4],
        ['ab\\n=', 4],
        ['ab é', 2],
        ['ab\\nc', 1],
        ['YQ==YQ==', 4],
      ] as const
    ).map(([text, at]): [string, string] => [`{{ b64dec "${text}" }}`, `illegal base64 data at input byte ${at}`]),
    ['{{ default "-" "" }} {{ default "-" "x" }} {{ .missing | default "none" }}', '- x none'],
    [`{{ regexReplaceAll "(a*)bc" "aabc bc" "$\{1}x" }}`, 'aax x'],
    ['{{ regexReplaceAll "(?P<y>\\\\d+)-(\\\\d+)" "12-34" "$2/$y/$$" }}', '34/12/$'],
    ['{{ regexReplaceAllLiteral "(t)s=" "ts=1" "$1" }}', '$11'],
    ['{{ regexReplaceAll "a*" "baac" "-" }}', '-b-c-'],
    ['{{ count "a|b" "abab" }} {{ count "o" "foo" }} {{ __line__ | count "e" }}', '4 2 2'],
    ['{{ __line__ | upper }}', 'THE LINE'],
  ])
})

t.test('keys of objects in the order of their bytes in UTF-8', async (t) => {
  checkAll(t, [
    [String.raw`{{ range $k, $v := fromJson "{\"😀\":3,\"\ufffd\":2,\"é\":1,\"a\":0}" }}{{$v}}{{end}}`, '0123'],
  ])
})

t.test("Loki's functions on numbers", async (t) => {
  checkAll(t, [
    [
      '{{ add 3 2 5 }} {{ add .n 1 }} {{ sub 5 2 }} {{ mul 5 2 3 }} {{ div 10 3 }} {{ mod 10 3 }} {{ div -7 2 }} {{ mod -7 2 }}',
      '10 43 3 30 3 1 -3 -1',
    ],
    [
      '{{ addf 3.5 2 5 }} {{ addf 0.1 0.2 }} {{ subf 5.5 2 1.5 }} {{ mulf 5.5 2 2.5 }} {{ divf 10 2 4 }} {{ divf 1 3 }}',
      '10.5 0.3 2 27.5 1.25 0.3333333333333333',
    ],
    ['{{ max 1 2 3 }} {{ min 1 2 3 }} {{ maxf 1 2.5 3 }} {{ minf 1.5 2 3 }}', '3 1 3 1.5'],
    ['{{ ceil 123.001 }} {{ floor 123.9999 }} {{ floor -1.5 }}', '124 123 -2'],
    [
      '{{ round 123.555555 3 }} {{ round 123.88571428571 5 .2 }} {{ round 123.88571428571 5 }}',
      '123.556 123.88572 123.88571',
    ],
    [
      '{{ "3" | int }} {{ "3.5" | float64 }} {{ int "x" }} {{ int 3.9 }} {{ int "7.00" }} {{ float64 "x" }}',
      '3 3.5 0 3 7 0',
    ],
    [
      '{{ sub "7.9" "-1.5" }} {{ int ".5" }} {{ int "-.5" }} {{ int "0x1f" }} {{ int "1e3" }} {{ int "1.5s" }}',
      '8 0 0 31 0 0',
    ],
    ['{{ bytes "1KiB" }} {{ duration "1m30s" }} {{ duration_seconds "250ms" }}', '1024 90 0.25'],
    ['{{ div .n 10 }} {{ mulf 1000 1000 }} {{ mulf 1000 100 }} {{ divf 1 100000 }}', '4 1e+06 100000 1e-05'],
    ['{{ add 9223372036854775807 1 }}', '-9223372036854775808'],
  ])
})

t.test('fromJson', async (t) => {
  checkAll(t, [
    ['{{ fromJson "{\\"foo\\": 55}" }}', 'map[foo:55]'],
    ['{{ fromJson "not json" }}|{{ (fromJson "not json").field }}', '<no value>|<no value>'],
    ['{{ fromJson "[1,\\"a\\",true,null,1.5]" }}', '[1 a true <nil> 1.5]'],
    ['{{ (fromJson .json).nul }}|{{ (fromJson .json).none }}', '<no value>|<no value>'],
    ['{{ fromJson "1 2" }}|{{ range fromJson "{" }}x{{ end }}', '<no value>|'],
    ['{{ fromJson `{"a":null}` }}', 'map[a:<nil>]'],
    ['{{ (fromJson `{"__proto__":"x"}`).__proto__ }}', 'x'],
  ])
})

t.test('time', async (t) => {
  checkAll(t, [
    ['{{ __timestamp__ }}', '2024-03-05 06:07:08.009010011 +0000 UTC'],
    ['{{ __timestamp__ | date "2006-01-02T15:04:05.00Z07:00" }}', '2024-03-05T06:07:08.00Z'],
    ['{{ date "Mon Jan _2 2006 3:04PM .000000" __timestamp__ }}', 'Tue Mar  5 2024 6:07AM .009010'],
    [
      '{{ date "Monday January 2 06 002 __2 pm MST -0700 -07:00 Z0700" __timestamp__ }}',
      'Tuesday March 5 24 065  65 am UTC +0000 +00:00 Z',
    ],
    [
      '{{ unixEpoch __timestamp__ }} {{ unixEpochMillis __timestamp__ }} {{ unixEpochNanos __timestamp__ }}',
      '1709618828 1709618828009 1709618828009010011',
    ],
    ['{{ unixEpoch now }} {{ date "2006" now }}', '1700000000 2023'],
    ['{{ unixEpoch (toDate "2006-01-02" "2021-11-02") }}', '1635811200'],
    ['{{ toDate "2006-01-02" "nonsense" }}', '0001-01-01 00:00:00 +0000 UTC'],
    ['{{ "2021-11-02T10:20:30.5Z" | toDate "2006-01-02T15:04:05.999999999Z" | unixEpochMillis }}', '1635848430500'],
    ['{{ toDateInZone "2006-01-02 15:04" "Europe/Berlin" "2021-07-02 12:00" | unixEpoch }}', '1625220000'],
    ['{{ toDateInZone "2006-01-02 15:04" "Europe/Berlin" "2021-01-02 12:00" }}', '2021-01-02 12:00:00 +0100 CET'],
    ['{{ toDateInZone "2006-01-02" "America/New_York" "2021-07-02" }}', '2021-07-02 00:00:00 -0400 EDT'],
    ['{{ toDateInZone "2006-01-02" "No/Where" "2021-07-02" }}', '2021-07-02 00:00:00 +0000 UTC'],
    ['{{ toDate "2006-01-02T15:04:05-07:00" "2021-07-02T10:00:00+05:30" }}', '2021-07-02 10:00:00 +0530 +0530'],
    [
      '{{ date "2006-01-02" (unixToTime "1679577215") }} {{ date "2006-01-02" (unixToTime "19439") }}',
      '2023-03-23 2023-03-23',
    ],
    [
      '{{ unixToTime "1679577215000" | unixEpoch }} {{ unixToTime "1679577215000000" | unixEpoch }} {{ unixToTime "1679577215000000001" | unixEpochNanos }}',
      '1679577215 1679577215 1679577215000000001',
    ],
    [
      '{{ __timestamp__.Format "15:04" }} {{ __timestamp__.Unix }} {{ (now).Year }} {{ __timestamp__.Weekday }}',
      '06:07 1709618828 2023 Tuesday',
    ],
    ['{{ date "2006" 0 }}', '1970'],
  ])
})

t.test('templates that cannot be read are refused', async (t) => {
  const rows = [
    '{{',
    '{{ .app',
    '{{ }}',
    '{{ if .a }}',
    '{{ end }}',
    '{{ else }}',
    '{{ if .a }}{{ else }}{{ else }}{{ end }}',
    '{{ nope .a }}',
    '{{ $x }}',
    '{{ "open }}',
    '{{ .a | "x" }}',
    '{{ .a | }}',
    '{{ (.a }}',
    '{{ .a) }}',
    '{{ break }}',
    '{{ range .a }}{{ else }}{{ break }}{{ end }}',
    '{{ define "x" }}',
    '{{ define x }}{{ end }}',
    '{{ define "x" }}{{ end }}{{ define "x" }}{{ end }}',
    '{{ template }}',
    '{{ 1x }}',
    "{{ 'ab' }}",
    '{{ "\\q" }}',
    '{{ 99999999999999999999n }}',
    '{{ .a ! }}',
    '{{ if $x := 1 }}{{ end }}{{ $x }}',
    '{{ if 1 }}{{ $y := 1 }}{{ else }}{{ $y }}{{ end }}',
    '{{ $x = 1 }}',
    `${'{{ if 1 }}'.repeat(100)}${'{{ end }}'.repeat(100)}`,
    `{{ ${'('.repeat(100)}1${')'.repeat(100)} }}`,
  ]
  for (const source of rows)
    t.throws(() => compileTemplate(source, 0n), { code: 'query_malformed' }, source.slice(0, 60))
})

t.test('templates that fail on an entry throw a GatewayError', async (t) => {
  const rows = [
    '{{ div 1 0 }}',
    '{{ mod 1 0 }}',
    '{{ divf 1 0 }}',
    '{{ .app.x }}',
    '{{ repeat -1 "a" }}',
    '{{ eq .n 42 }}',
    '{{ lt 1 2.5 }}',
    '{{ trunc .app 3 }}',
    '{{ upper 1 }}',
    '{{ upper }}',
    '{{ index "abc" 9 }}',
    '{{ len 3 }}',
    '{{ range .app }}{{ end }}',
    '{{ nil }}',
    '{{ template "missing" }}',
    '{{ unixEpoch "x" }}',
    '{{ unixToTime "12" }}',
    '{{ bytes "many" }}',
    '{{ duration "x" }}',
    '{{ urldecode "%zz" }}',
    '{{ regexReplaceAll "(" "a" "b" }}',
    '{{ substr 3 1 "hello" }}',
    '{{ slice "abc" 2 1 }}',
    '{{ .app 1 }}',
    '{{ eq 1 }}',
    '{{ and }}',
    '{{ date "2006" 9000000000000000000 }}',
    '{{ indent -1 "x" }}',
  ]
  for (const source of rows) t.throws(() => run(source), GatewayError, source)
})

t.test('hostile templates end with an error', async (t) => {
  const rows = [
    '{{ range 1000000000 }}{{ end }}',
    '{{ range 1000 }}{{ range 1000 }}{{ range 1000 }}x{{ end }}{{ end }}{{ end }}',
    '{{ repeat 1000000000 "x" }}',
    '{{ repeat 9223372036854775807 "x" }}',
    '{{ repeat 1000000 "x" | repeat 1000000 }}',
    '{{ printf "%1000000d" 1 | printf "%[1]s%[1]s%[1]s%[1]s%[1]s" }}',
    '{{ $x := "xxxxxxxxxx" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}',
    '{{ $x := "xxxxxxxxxx" }}{{ range 100 }}{{ $x = Replace $x "x" "xx" -1 }}{{ end }}',
    '{{ indent 1000000000 "x" }}',
    '{{ nindent 100000 (repeat 1000 "\\n") }}',
    '{{ alignLeft 1000000000 "x" }}',
    '{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}',
    '{{ define "x" }}{{ template "x" . }}{{ template "x" . }}{{ end }}{{ template "x" . }}',
    '{{ range 10000 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}',
    '{{ range 50000 }}{{ regexReplaceAll "x" (repeat 100000 "x") "yy" }}{{ end }}',
    `{{ fromJson (print (repeat 100 "[") (repeat 100 "]")) }}`,
    '{{ range 100000 }}{{ printf "%s" $ }}{{ end }}',
    '{{ date (repeat 1000000 "January") now }}',
    '{{ range 100000 }}{{ len (repeat 1000 "x") }}{{ end }}',
    '{{ count "(x{1,30}){1,30}y" (repeat 100000 "x") }}',
  ]
  for (const source of rows) t.throws(() => run(source), { code: 'query_refused' }, source.slice(0, 60))
})

t.test('fields are the labels that a template may read', async (t) => {
  const rows: [source: string, fields: string[] | undefined][] = [
    ['{{.a}} {{.b | upper}} {{ if .c }}{{ $.d }}{{ end }}', ['a', 'b', 'c', 'd']],
    ['text {{ __line__ }}', []],
    ['{{ . }}', undefined],
    ['{{ range $k, $v := $ }}{{ end }}', undefined],
    ['{{ (fromJson .j).x }}', ['j']],
  ]
  for (const [source, fields] of rows) {
    const found = compileTemplate(source, 0n).fields
    t.strictSame(found === undefined ? undefined : [...found].sort(), fields, source)
  }
})

t.test('any text is a template or rejected; its output is text or a GatewayError', async (t) => {
  const word = fc.oneof(
    fc.constantFrom(...FUNCTION_NAMES),
    fc.constantFrom(
      '.app',
      '.n',
      '.json',
      '.utf',
      '$',
      '.',
      '"x"',
      '1',
      '-1',
      '1.5',
      '1000000',
      'nil',
      'true',
      '(',
      ')',
      '|',
      '"%d %q %v"',
      '$x',
      ':=',
      '(fromJson .json)',
      'now',
      '""',
      '"2006-01-02"',
    ),
  )
  const action = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => `{{ ${words.join(' ')} }}`)
  const piece = fc.oneof(
    action,
    fc.constantFrom(
      '{{',
      '}}',
      '{{ end }}',
      '{{ else }}',
      '{{ range 3 }}',
      '{{ if .n }}',
      '{{ with .json }}',
      'text',
      '{{- ',
      ' -}}',
      '{{/*',
      '*/}}',
      '{{ define "x" }}',
      '{{ template "x" . }}',
    ),
    fc.string({ unit: 'binary' }),
  )
  const source = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''))
  let ran = 0
  const property = fc.property(source, (text) => {
    try {
      run(text)
      ran++
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3000 }))
  t.ok(ran > 50, 'some of them are good')
})

t.test('every function takes any arguments without anything but a GatewayError', async (t) => {
  const arg = fc.constantFrom(
    '.app',
    '.utf',
    '.json',
    '1',
    '-1',
    '0',
    '3.5',
    '""',
    '"a"',
    'nil',
    'true',
    '.',
    'now',
    '(fromJson .json)',
    '(fromJson "[1,2]")',
    '1000000',
    '"Europe/Berlin"',
    '"2006-01-02 15:04:05.000 MST -07:00"',
    '"%[3]*.[2]*[1]f %x %q %c %U %s %t %e %G %+d %#x %08b"',
  )
  const call = fc.tuple(fc.constantFrom(...FUNCTION_NAMES), fc.array(arg, { maxLength: 4 }))
  const property = fc.property(call, ([name, args]) => {
    try {
      run(`{{ ${name} ${args.join(' ')} }}`)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 4000 }))
})
