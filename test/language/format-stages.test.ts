import fc from 'fast-check'
import t from 'tap'
import type { LabelAssignment } from '../../src/logql/parse/syntax.ts'
import { compileLabelFormat } from '../../src/logql/pipeline/label-format.ts'
import { compileLineFormat } from '../../src/logql/pipeline/line-format.ts'
import { makeEntry, type TestEntry } from './make-entry.ts'

function entryWith(parsed: Record<string, string>): TestEntry {
  const entry = makeEntry('the line', { stream: { app: 'shop' }, metadata: [['trace', 't1']] })
  for (const [name, value] of Object.entries(parsed)) entry.labels.setParsed(name, value)
  return entry
}

function shown(entry: TestEntry): string {
  return entry.labels
    .all()
    .map(({ name, value }) => `${name}=${value}`)
    .join(' ')
}

function template(target: string, source: string): LabelAssignment {
  return { kind: 'template', target, template: source }
}

function rename(target: string, source: string): LabelAssignment {
  return { kind: 'rename', target, source }
}

t.test('line_format', async (t) => {
  t.test('builds the line from labels of every kind', async (t) => {
    const entry = entryWith({ n: '1' })
    compileLineFormat('{{.app}} {{.trace}} {{.n}} {{ __line__ }}', 0n).run(entry, entry.labels)
    t.equal(entry.line, 'shop t1 1 the line')
  })
  t.test('a template that fails leaves the line and sets TemplateFormatErr', async (t) => {
    const entry = entryWith({ n: '0' })
    compileLineFormat('x {{ div 1 .n }}', 0n).run(entry, entry.labels)
    t.equal(entry.line, 'the line')
    t.equal(entry.labels.get('__error__'), 'TemplateFormatErr')
    t.equal(entry.labels.get('__error_details__'), 'the template divides by zero')
  })
  t.test('a template that cannot be parsed is rejected with its line', async (t) => {
    const message = 'parse error : invalid template: line 2: function "nope" not defined'
    t.throws(() => compileLineFormat('a\n{{ nope }}', 0n), { code: 'query_malformed', message })
  })
  t.test('`reads` lists the labels', async (t) => {
    t.strictSame([...(compileLineFormat('{{.a}}{{.b}}', 0n).reads ?? [])], ['a', 'b'])
    t.equal(compileLineFormat('{{.}}', 0n).reads, undefined)
  })
})

t.test('label_format (trap 22)', async (t) => {
  const rows: [name: string, assignments: LabelAssignment[], labels: string][] = [
    ['a rename removes the source', [rename('x', 'n')], 'app=shop trace=t1 x=1'],
    ['a template makes a label', [template('x', '{{.n}}{{.app}}')], 'app=shop n=1 trace=t1 x=1shop'],
    ['a template may replace a stream label', [template('app', 'new')], 'app=new n=1 trace=t1'],
    ['an empty text is an empty label', [template('n', '')], 'app=shop n= trace=t1'],
    [
      'templates of one stage see the labels before it',
      [template('n', '2'), template('m', '{{.n}}')],
      'app=shop m=1 n=2 trace=t1',
    ],
    [
      'a template sees an earlier rename',
      [rename('x', 'n'), template('m', '{{.x}}{{.n}}')],
      'app=shop m=1 trace=t1 x=1',
    ],
    ['a rename after a template moves its text', [template('n', '2'), rename('x', 'n')], 'app=shop trace=t1 x=2'],
    ['a missing source changes nothing', [rename('x', 'nothing')], 'app=shop n=1 trace=t1'],
  ]
  for (const [name, assignments, labels] of rows) {
    const entry = entryWith({ n: '1' })
    compileLabelFormat(assignments, 0n).run(entry, entry.labels)
    t.equal(shown(entry), labels, name)
  }
  t.test('a template that fails sets TemplateFormatErr, the others still run', async (t) => {
    const entry = entryWith({ n: '0' })
    compileLabelFormat([template('x', '{{ div 1 .n }}'), template('y', 'z')], 0n).run(entry, entry.labels)
    t.equal(entry.labels.get('__error__'), 'TemplateFormatErr')
    t.equal(entry.labels.get('x'), undefined)
    t.equal(entry.labels.get('y'), 'z')
  })
  t.test('`reads` lists sources and fields', async (t) => {
    t.strictSame([...(compileLabelFormat([rename('x', 'a'), template('y', '{{.b}}')], 0n).reads ?? [])], ['a', 'b'])
    t.equal(compileLabelFormat([template('y', '{{.}}')], 0n).reads, undefined)
  })
})

t.test('any labels produce a line', async (t) => {
  const stage = compileLineFormat('{{.n | upper | trunc 5}} {{ fromJson .n }} {{ add .n 1 }} {{ printf "%q" .n }}', 0n)
  const property = fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (value) => {
    const entry = entryWith({ n: value })
    stage.run(entry, entry.labels)
    return entry.labels.hasError || entry.line !== 'the line'
  })
  t.doesNotThrow(() => fc.assert(property))
})
