import t from 'tap'
import { formatExpr } from '../../src/logql/parse/format.ts'
import { parseExpr } from '../../src/logql/parse/parse.ts'
import {
  givesLines,
  isLogql,
  levelsOf,
  readQuestion,
  type Source,
  withFilter,
  withLevels,
  withLine,
  withTyped,
  writeQuestion,
} from '../../web/query/chips.ts'

const QUERIES: readonly (readonly [query: string, written: string, kinds: readonly string[]])[] = [
  ['{app="mill"}', '{app="mill"}', []],
  ['{ app = "mill", env!~"dev.*" }', '{app="mill", env!~"dev.*"}', []],
  ['{app="mill"} |= "wheel" != `not "this"`', '{app="mill"} |= "wheel" != `not "this"`', ['line', 'line']],
  ['{app="mill"} | json | status >= 500', '{app="mill"} | json | status >= 500', ['text', 'label']],
  ['{app="mill"} | json != "x"', '{app="mill"} | json != "x"', ['text', 'line']],
  ['{app="mill"} | level != "x" |> "a <_>"', '{app="mill"} | level != "x" |> "a <_>"', ['label', 'line']],
  ['{app="mill"} | a="1" or b="2"', '{app="mill"} | a = "1" or b = "2"', ['text']],
  [
    '{app="mill"} | json a="b.c" | line_format "{{.a}}"',
    '{app="mill"} | json a = "b.c" | line_format "{{.a}}"',
    ['text', 'text'],
  ],
  ['{app="mill"} | took > 5s', '{app="mill"} | took > 5s', ['label']],
]
for (const [query, written, kinds] of QUERIES) {
  t.test(`chips of ${query}`, async (t) => {
    const question = readQuestion(query)
    if (question === undefined) return t.fail('it has chips')
    t.strictSame(
      question.stages.map(({ kind }) => kind),
      kinds,
    )
    t.equal(writeQuestion(question), written)
    t.equal(formatExpr(parseExpr(written)), formatExpr(parseExpr(query)), 'the same query')
  })
}

t.test('a text that is not a log query has no chips', async (t) => {
  for (const query of ['', 'rate({app="mill"}[5m])', '{app="mill"', '{app="mill"} [5m]', '{app=~}', 'word', '"']) {
    t.equal(readQuestion(query), undefined, query)
  }
})

const base = { matchers: [{ name: 'service_name', op: '=~', value: '.+' }], stages: [] }

t.test('a value becomes a filter that the gateway accepts', async (t) => {
  const written = (...args: [string, '=' | '!=', string, Parameters<typeof withFilter>[4]]): string => {
    const query = writeQuestion(withFilter(base, ...args))
    parseExpr(query)
    return query
  }
  t.equal(written('app', '=', 'a "b" \\ c', { kind: 'label' }), '{app=`a "b" \\ c`}')
  t.equal(written('app', '!=', 'mill', { kind: 'label' }), '{service_name=~".+", app!="mill"}')
  t.equal(written('trace', '=', 'x', { kind: 'metadata' }), '{service_name=~".+"} | trace = "x"')
  t.equal(
    written('http.status', '=', '500', { kind: 'json', path: ['http', 'status'] }),
    '{service_name=~".+"} | json http_status = "http.status" | http_status = "500"',
  )
  t.equal(
    written('x', '!=', '1', { kind: 'json', path: ['a b'] }),
    '{service_name=~".+"} | json x = "[\\"a b\\"]" | x != "1"',
  )
  t.equal(
    written('path', '=', '/', { kind: 'logfmt', key: 'path' }),
    '{service_name=~".+"} | logfmt path = "path" | path = "/"',
  )
})

t.test('a filter replaces a contradicting one', async (t) => {
  const once = withFilter(base, 'app', '=', 'a', { kind: 'label' })
  t.equal(writeQuestion(withFilter(once, 'app', '=', 'b', { kind: 'label' })), '{app="b"}')
  t.equal(writeQuestion(withFilter(once, 'app', '!=', 'a', { kind: 'label' })), '{service_name=~".+", app!="a"}')
})

t.test('levels are one filter', async (t) => {
  const some = withLevels(base, ['critical', 'error'])
  t.equal(writeQuestion(some), '{service_name=~".+"} | detected_level =~ "critical|fatal|error"')
  t.strictSame(levelsOf(some), ['critical', 'error'])
  t.equal(writeQuestion(withLevels(some, ['warn'])), '{service_name=~".+"} | detected_level = "warn"')
  t.equal(levelsOf(withLevels(some, [])).length, 6)
})

const SOURCES: Readonly<Record<string, Source>> = {
  app: { kind: 'label' },
  trace: { kind: 'metadata' },
  path: { kind: 'logfmt', key: 'path' },
  user_id: { kind: 'json', path: ['user', 'id'] },
}

t.test('typed text becomes a filter', async (t) => {
  const typed = (text: string): string => {
    const query = writeQuestion(withTyped(base, text, (name) => SOURCES[name]))
    parseExpr(query)
    return query
  }
  t.equal(typed('card declined'), '{service_name=~".+"} |= "card declined"')
  t.equal(typed('-health'), '{service_name=~".+"} != "health"')
  t.equal(typed('app=mill'), '{app="mill"}')
  t.equal(typed('app!=mill'), '{service_name=~".+", app!="mill"}')
  t.equal(typed('status>=500'), '{service_name=~".+"} | json | logfmt | status >= 500')
  t.equal(typed('trace=t1'), '{service_name=~".+"} | trace = "t1"')
  t.equal(typed('path=~/api.*'), '{service_name=~".+"} | logfmt path = "path" | path =~ "/api.*"')
  t.equal(typed('user_id>5'), '{service_name=~".+"} | json user_id = "user.id" | user_id > 5')
  t.equal(typed('level=error'), '{service_name=~".+"} | detected_level = "error"')
})

t.test('line filters go before parsers', async (t) => {
  const parsed = readQuestion('{app="mill"} |= "a" | json | b = "c"')
  t.equal(writeQuestion(withLine(parsed ?? base, '|>', 'x <_>')), '{app="mill"} |= "a" |> "x <_>" | json | b = "c"')
})

t.test('LogQL is distinguished from plain words', async (t) => {
  for (const text of ['{app="mill"}', 'sum(rate({a=~"b"}[5m]))']) t.ok(isLogql(text))
  for (const text of ['word', 'a = b', 'json {}', '{"a": 1}']) t.notOk(isLogql(text), text)
  t.ok(givesLines('# why\n{app="mill"}'))
  t.notOk(givesLines('rate({app="mill"}[5m])'))
})
