import fc from 'fast-check'
import t from 'tap'
import { parseExpr } from '../../../src/logql/parse/parse.ts'
import { compileStages } from '../../../src/logql/pipeline/stages.ts'
import { type EntryOptions, makeEntry, parsedOf, type TestEntry } from '../../language/make-entry.ts'

interface RunOptions extends EntryOptions {
  readonly needed?: string[]
}

/** The entry after the pipeline, or undefined if it was dropped. */
function run(pipeline: string, line: string, options: RunOptions = {}): TestEntry | undefined {
  const expr = parseExpr(`{a="b"} ${pipeline}`)
  if (expr.kind !== 'log') throw new Error('a test needs a log query')
  const entry = makeEntry(line, { stream: { app: 'shop' }, ...options })
  const needed = options.needed === undefined ? undefined : new Set(options.needed)
  const stage = compileStages(expr.stages, { needed, nowMs: 1_700_000_000_000 })
  return stage(entry) ? entry : undefined
}

function shown(entry: TestEntry | undefined): string {
  if (entry === undefined) return 'dropped'
  const parsed = Object.entries(parsedOf(entry)).map(([name, value]) => `${name}=${value}`)
  return `${entry.line} {${parsed.join(' ')}}`
}

t.test('stages run in the order written', async (t) => {
  const json = '{"level":"error","n":"5","msg":"hello"}'
  const rows: [pipeline: string, line: string, result: string][] = [
    ['| json', json, `${json} {level=error msg=hello n=5}`],
    ['| json | n > 4 | line_format "{{.msg}}" |= "hello"', json, 'hello {level=error msg=hello n=5}'],
    ['| json | n > 5', json, 'dropped'],
    ['| json | line_format "{{.msg}}" |= "level"', json, 'dropped'],
    ['|= "level" | json | line_format "{{.msg}}"', json, 'hello {level=error msg=hello n=5}'],
    ['| json m="msg", l="level"', json, `${json} {l=error m=hello}`],
    ['| json | level="error" or n < 1', json, `${json} {level=error msg=hello n=5}`],
    ['| logfmt', 'a=1 b=2', 'a=1 b=2 {a=1 b=2}'],
    ['| logfmt --strict', 'a=1 =', 'a=1 = {__error__=LogfmtParserErr a=1}'],
    ['| logfmt --keep-empty', 'a b=', 'a b= {a= b=}'],
    ['| logfmt x="b"', 'a=1 b=2', 'a=1 b=2 {x=2}'],
    ['| regexp `(?P<w>\\w+) (?P<n>\\d+)`', 'get 12', 'get 12 {n=12 w=get}'],
    ['| pattern "<w> <_> <n>"', 'get x 12', 'get x 12 {n=12 w=get}'],
    ['| unpack', '{"pod":"p","_entry":"text"}', 'text {pod=p}'],
    ['| unpack | logfmt', '{"pod":"p","_entry":"a=1"}', 'a=1 {a=1 pod=p}'],
    ['| decolorize', '\u001b[31mred\u001b[0m', 'red {}'],
    ['| json | label_format lvl=level, m="{{.msg}}!"', json, `${json} {lvl=error m=hello! msg=hello n=5}`],
    ['| json | drop msg, n', json, `${json} {level=error}`],
    ['| json | keep level', json, `${json} {level=error}`],
    ['| line_format "{{ unixEpoch now }}"', 'x', '1700000000 {}'],
    ['|> "a <_> c"', 'a b c', 'a b c {}'],
    ['!> "a <_> c"', 'a b c', 'dropped'],
    ['|= ip("10.0.0.0/8")', 'from 10.1.1.1', 'from 10.1.1.1 {}'],
    ['| logfmt | addr = ip("10.0.0.0/8")', 'addr=11.1.1.1', 'dropped'],
    ['| logfmt | took > 1s and size <= 1KiB', 'took=1.5s size=1kib', 'took=1.5s size=1kib {size=1kib took=1.5s}'],
  ]
  for (const [pipeline, line, result] of rows) t.equal(shown(run(pipeline, line)), result, pipeline)
})

t.test('a line that is too long for a costly pattern gets an error', async (t) => {
  const entry = run('| regexp "(?P<a>(a?){500}a{500})"', 'a'.repeat(256 * 1024))
  t.match(parsedOf(entry as TestEntry), { __error__: 'RegexpParserErr' })
})

t.test('a later line filter sees the new line, label_format moves (trap 22)', async (t) => {
  t.equal(shown(run('| line_format "new" |= "old"', 'old')), 'dropped')
  t.equal(shown(run('| logfmt | label_format b=a', 'a=1')), 'a=1 {b=1}')
})

t.test('drop with a matcher drops only what matches (trap 23)', async (t) => {
  t.equal(shown(run('| logfmt | drop a="1", b="x"', 'a=1 b=2')), 'a=1 b=2 {b=2}')
  t.equal(shown(run('| logfmt | keep a="1", b="x"', 'a=1 b=2')), 'a=1 b=2 {a=1}')
  t.equal(shown(run('| json | keep x', 'text')), 'text {__error__=JSONParserErr}')
  t.equal(shown(run('| json | drop __error__, __error_details__', 'text')), 'text {}')
  t.equal(shown(run('| json | drop __error__="LogfmtParserErr"', 'text')), 'text {__error__=JSONParserErr}')
  t.equal(shown(run('| json | drop __error__=~"JSON.*"', 'text')), 'text {}')
  const entry = run('| drop app', 'x')
  t.strictSame(entry?.labels.parts().stream, [])
})

t.test('errors keep the entry, and may be filtered (trap 9)', async (t) => {
  t.equal(shown(run('| json', 'text')), 'text {__error__=JSONParserErr}')
  t.equal(shown(run('| json | __error__=""', 'text')), 'dropped')
  t.equal(shown(run('| json | __error__!=""', 'text')), 'text {__error__=JSONParserErr}')
  t.equal(shown(run('| json | n > 5', 'text')), 'dropped')
  t.equal(shown(run('| json | n = ip("10.0.0.1")', 'text')), 'text {__error__=JSONParserErr}')
  t.equal(shown(run('| logfmt | n > 5', 'n=many')), 'n=many {__error__=LabelFilterErr n=many}')
  t.equal(shown(run('| line_format "{{ div 1 0 }}"', 'x')), 'x {__error__=TemplateFormatErr}')
})

t.test('parsing is lazy (trap 10)', async (t) => {
  t.equal(shown(run('| json', 'text', { needed: [] })), 'text {}', 'no label needed: not parsed, no error')
  t.equal(shown(run('| logfmt --strict', '=', { needed: [] })), '= {}')
  t.equal(shown(run('| json x="a.b"', 'text', { needed: [] })), 'text {}')
  t.equal(shown(run('| json', 'text', { needed: ['x'] })), 'text {__error__=JSONParserErr}')
  t.equal(shown(run('| json', '{"x":1,"y":2}', { needed: ['y'] })), '{"x":1,"y":2} {y=2}')
  t.equal(shown(run('| json | x > 0', '{"x":1,"y":2,"z":3}', { needed: ['y'] })), '{"x":1,"y":2,"z":3} {x=1 y=2}')
  t.equal(shown(run('| json | line_format "{{.z}}"', '{"x":1,"z":3}', { needed: [] })), '3 {z=3}')
  t.equal(shown(run('| json | line_format "{{.}}"', '{"x":1}', { needed: [] })), 'map[app:shop x:1] {x=1}')
  t.equal(shown(run('| json | label_format y=x', '{"x":1,"z":3}', { needed: ['y'] })), '{"x":1,"z":3} {y=1}')
  t.equal(shown(run('| unpack', '{"p":"1","_entry":"t"}', { needed: [] })), 't {}', 'unpack still changes the line')
  t.equal(shown(run('| unpack', 'text', { needed: [] })), 'text {}')
})

t.test('a query that reads __error__ preserves the errors', async (t) => {
  const preserved = (pipeline: string, needed?: string[]): string | undefined => {
    return run(pipeline, 'text', needed === undefined ? {} : { needed })?.labels.get('__preserve_error__')
  }
  t.equal(preserved('| json', ['__error__']), 'true')
  t.equal(preserved('| json | __error__!=""', []), 'true')
  t.equal(preserved('| json', ['x']), undefined)
  t.equal(preserved('| json | __error__!=""'), undefined, 'a log query shows no such label')
})

t.test('collisions with the stream and metadata (trap 5)', async (t) => {
  const entry = run('| json', '{"app":"x","trace":"y"}', { metadata: [['trace', 't1']] })
  t.strictSame({ ...parsedOf(entry as TestEntry) }, { app_extracted: 'x', trace_extracted: 'y' })
  t.equal(shown(run('| json | app="x"', '{"app":"x"}')), 'dropped', 'the plain name is the stream’s')
  t.equal(shown(run('| json | app_extracted="x"', '{"app":"x"}', { needed: [] })), '{"app":"x"} {app_extracted=x}')
})

t.test('stages that cannot be compiled are refused', async (t) => {
  for (const pipeline of ['| line_format "{{"', '| label_format a="{{ nope }}"', '| line_format "{{ .a "']) {
    t.throws(() => run(pipeline, 'x'), { code: 'query_malformed' }, pipeline)
  }
})

t.test('labels parsed on demand equal those of a complete parse', async (t) => {
  const line = fc.oneof(
    fc
      .dictionary(fc.constantFrom('a', 'b', 'c', 'app'), fc.oneof(fc.string(), fc.nat(), fc.record({ b: fc.nat() })))
      .map((o) => JSON.stringify(o)),
    fc.array(fc.constantFrom('a=1', 'b=2', 'b=3', 'c="x y"', 'a', '=', 'app=z')).map((parts) => parts.join(' ')),
  )
  const parser = fc.constantFrom(
    '| json',
    '| logfmt',
    '| json | logfmt',
    '| json x="a", b="a.b"',
    '| logfmt | json',
    '| regexp "(?P<a>\\\\w)(?P<b>.)"',
    '| pattern "<a> <b>"',
  )
  const names = fc.subarray(['a', 'b', 'c', 'a_b', 'app_extracted', 'x'], { minLength: 1 })
  const property = fc.property(line, parser, names, (text, pipeline, needed) => {
    const whole = run(pipeline, text)
    const lazy = run(pipeline, text, { needed })
    return needed.every((name) => whole?.labels.get(name) === lazy?.labels.get(name))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
})
