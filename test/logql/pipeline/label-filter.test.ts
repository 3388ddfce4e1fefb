import fc from 'fast-check'
import t from 'tap'
import { equalityMatcher } from '../../../src/domain/selector.ts'
import type { CompareOperator, LabelFilter, Unwrap } from '../../../src/logql/parse/syntax.ts'
import { compileLabelFilter, labelsOfFilter } from '../../../src/logql/pipeline/label-filter.ts'
import { compileUnwrap, labelsOfUnwrap } from '../../../src/logql/pipeline/unwrap.ts'
import { makeEntry, type TestEntry } from '../../language/make-entry.ts'

function number(name: string, operator: CompareOperator, value: number): LabelFilter {
  return { kind: 'number', name, operator, value }
}

function string(name: string, operator: '=' | '!=', value: string): LabelFilter {
  return { kind: 'string', matcher: equalityMatcher(name, operator, value) }
}

function entryWith(parsed: Record<string, string>): TestEntry {
  const entry = makeEntry('')
  for (const [name, value] of Object.entries(parsed)) entry.labels.setParsed(name, value)
  return entry
}

t.test('conditions on values', async (t) => {
  const duration = (operator: CompareOperator, value: bigint): LabelFilter => ({
    kind: 'duration',
    name: 'd',
    operator,
    value,
  })
  const bytes = (operator: CompareOperator, value: number): LabelFilter => ({
    kind: 'bytes',
    name: 'b',
    operator,
    value,
  })
  const ip = (operator: '=' | '!=', value: string): LabelFilter => ({ kind: 'ip', name: 'ip', operator, value })
  const labels = { n: '500', d: '1.5s', b: '2KiB', ip: '10.1.2.3', s: 'x', empty: '' }
  const rows: [name: string, filter: LabelFilter, keeps: boolean][] = [
    ['n == 500', number('n', '==', 500), true],
    ['n != 500', number('n', '!=', 500), false],
    ['n >= 500', number('n', '>=', 500), true],
    ['n > 500', number('n', '>', 500), false],
    ['n < 501', number('n', '<', 501), true],
    ['n <= 499', number('n', '<=', 499), false],
    ['d > 1s', duration('>', 1_000_000_000n), true],
    ['d == 1500ms', duration('==', 1_500_000_000n), true],
    ['b == 2048', bytes('==', 2048), true],
    ['b > 1MB', bytes('>', 1e6), false],
    ['ip in range', ip('=', '10.0.0.0/8'), true],
    ['ip not in range', ip('!=', '10.0.0.0/8'), false],
    ['s = x', string('s', '=', 'x'), true],
    ['and', { kind: 'and', left: number('n', '>', 1), right: string('s', '=', 'y') }, false],
    ['or', { kind: 'or', left: number('n', '>', 1), right: string('s', '=', 'y') }, true],
    ['or, the right one', { kind: 'or', left: string('s', '=', 'y'), right: number('n', '>', 1) }, true],
  ]
  for (const [name, filter, keeps] of rows) {
    const { labels: set } = entryWith(labels)
    t.equal(compileLabelFilter(filter)(set), keeps, name)
    t.equal(set.hasError, false)
  }
})

t.test('absent labels and values that do not convert (trap 11)', async (t) => {
  t.test('a condition on a number drops an entry without the label', async (t) => {
    for (const operator of ['==', '!=', '<', '>='] as const) {
      t.equal(compileLabelFilter(number('x', operator, 0))(entryWith({}).labels), false)
    }
  })
  t.test('a value that does not convert keeps the entry with LabelFilterErr', async (t) => {
    const { labels } = entryWith({ x: 'many' })
    t.equal(compileLabelFilter(number('x', '>', 0))(labels), true)
    t.equal(labels.get('__error__'), 'LabelFilterErr')
    t.equal(labels.get('__error_details__'), 'strconv.ParseFloat: parsing "many": invalid syntax')
  })
  t.test('an absent label is the empty string to a string condition', async (t) => {
    t.equal(compileLabelFilter(string('x', '!=', ''))(entryWith({}).labels), false)
    t.equal(compileLabelFilter(string('x', '!=', ''))(entryWith({ x: '1' }).labels), true)
    t.equal(compileLabelFilter(string('x', '=', ''))(entryWith({}).labels), true)
  })
  t.test(
    'an entry with an error is filtered like any other, and keeps its error; conditions on addresses let it pass',
    async (t) => {
      const { labels } = entryWith({ x: '1' })
      labels.setError('JSONParserErr', '')
      t.equal(compileLabelFilter(number('x', '>', 5))(labels), false)
      t.equal(compileLabelFilter(number('x', '<', 5))(labels), true)
      t.equal(compileLabelFilter(number('absent', '<', 5))(labels), false)
      t.equal(compileLabelFilter({ kind: 'ip', name: 'x', operator: '=', value: '10.0.0.1' })(labels), true)
      t.equal(compileLabelFilter({ kind: 'duration', name: 'x', operator: '<', value: 5n })(labels), true)
      t.equal(labels.get('__error__'), 'JSONParserErr')
      t.equal(compileLabelFilter(string('__error__', '=', ''))(labels), false)
      t.equal(compileLabelFilter(string('__error__', '=', 'JSONParserErr'))(labels), true)
    },
  )
  t.test('an ip condition drops an entry without the label, whichever its operator', async (t) => {
    for (const operator of ['=', '!='] as const) {
      const filter = compileLabelFilter({ kind: 'ip', name: 'x', operator, value: '::1' })
      t.equal(filter(entryWith({}).labels), false)
    }
  })
})

t.test('labelsOfFilter returns the labels that are read', async (t) => {
  const filter: LabelFilter = {
    kind: 'or',
    left: number('a', '>', 1),
    right: { kind: 'and', left: string('b', '=', ''), right: number('c', '>', 1) },
  }
  t.strictSame(labelsOfFilter(filter), ['a', 'b', 'c'])
})

t.test('unwrap (trap 20)', async (t) => {
  const unwrap = (conversion: Unwrap['conversion'], filters: LabelFilter[] = []): Unwrap => ({
    label: 'x',
    conversion,
    filters,
  })
  const rows: [name: string, conversion: Unwrap['conversion'], value: string, number: number][] = [
    ['a number', 'none', '1.5', 1.5],
    ['a duration in seconds', 'duration', '1m30s', 90],
    ['duration_seconds is the same', 'duration_seconds', '250ms', 0.25],
    ['bytes', 'bytes', '1KiB', 1024],
  ]
  for (const [name, conversion, value, expected] of rows) {
    const entry = entryWith({ x: value, y: '1' })
    t.equal(compileUnwrap(unwrap(conversion))(entry), expected, name)
    t.equal(entry.labels.get('x'), value, 'the label stays for an aggregation by it')
  }
  t.test('an entry without the label is dropped', async (t) => {
    t.equal(compileUnwrap(unwrap('none'))(entryWith({})), undefined)
  })
  t.test('a failing conversion sets SampleExtractionErr', async (t) => {
    const entry = entryWith({ x: 'many' })
    t.equal(compileUnwrap(unwrap('none'))(entry), 0)
    t.equal(entry.labels.get('__error__'), 'SampleExtractionErr')
  })
  t.test('a filter after it may drop that entry', async (t) => {
    t.equal(compileUnwrap(unwrap('none', [string('__error__', '=', '')]))(entryWith({ x: 'many' })), undefined)
    t.equal(compileUnwrap(unwrap('none', [string('__error__', '=', '')]))(entryWith({ x: '3' })), 3)
  })
  t.strictSame(labelsOfUnwrap(unwrap('none', [number('y', '>', 1)])), ['x', 'y'])
})

t.test('any value has a result', async (t) => {
  const filters = [
    number('x', '>', 1),
    string('x', '=', 'a'),
    { kind: 'duration', name: 'x', operator: '<', value: 5n },
    { kind: 'bytes', name: 'x', operator: '<', value: 5 },
    { kind: 'ip', name: 'x', operator: '=', value: '::1' },
  ] satisfies LabelFilter[]
  const tests = filters.map(compileLabelFilter)
  const property = fc.property(fc.string({ unit: 'binary' }), (value) => {
    for (const test of tests) test(entryWith({ x: value }).labels)
  })
  t.doesNotThrow(() => fc.assert(property))
})
