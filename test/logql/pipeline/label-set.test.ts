import fc from 'fast-check'
import t from 'tap'
import type { Label } from '../../../src/domain/labels.ts'
import { LabelSet } from '../../../src/logql/pipeline/label-set.ts'
import { makeEntry } from '../../language/make-entry.ts'

const STREAM: Label[] = [
  { name: 'app', value: 'shop' },
  { name: 'level', value: 'stream' },
]

function shown(labels: LabelSet): string {
  return labels
    .all()
    .map(({ name, value }) => `${name}=${value}`)
    .join(' ')
}

t.test('label collisions (trap 5)', async (t) => {
  t.test('a parsed name that the stream has becomes name_extracted', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.setParsed('level', 'parsed')
    t.equal(shown(labels), 'app=shop level=stream level_extracted=parsed')
    t.equal(labels.get('level'), 'stream')
  })
  t.test('a parsed name that structured metadata has becomes name_extracted', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [['trace', 'metadata']])
    labels.setParsed('trace', 'parsed')
    t.equal(shown(labels), 'app=shop level=stream trace=metadata trace_extracted=parsed')
  })
  t.test('metadata that the stream has becomes name_extracted', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [['level', 'metadata']])
    t.equal(shown(labels), 'app=shop level=stream level_extracted=metadata')
    t.strictSame(labels.parts().metadata, [['level_extracted', 'metadata']])
  })
  t.test('for the _extracted name a parsed value wins over metadata', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [['level', 'metadata']])
    labels.setParsed('level', 'parsed')
    t.equal(shown(labels), 'app=shop level=stream level_extracted=parsed')
    t.strictSame(labels.parts().parsed, [['level_extracted', 'parsed']])
    t.strictSame(labels.parts().metadata, [])
  })
  t.test('of two parsed values the first stays, over several parsers', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    t.equal(labels.setParsed('x', '1'), true)
    t.equal(labels.setParsed('x', '2'), false)
    t.equal(labels.get('x'), '1')
  })
  t.test('a dropped stream label still makes a parsed one _extracted', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.delete('level')
    labels.setParsed('level', 'parsed')
    t.equal(shown(labels), 'app=shop level_extracted=parsed')
  })
})

t.test('the parts of an answer', async (t) => {
  t.test('an untouched stream is the very same array', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [['m', '1']])
    labels.setParsed('p', '2')
    t.equal(labels.parts().stream, STREAM)
    t.strictSame(labels.parts(), { stream: STREAM, metadata: [['m', '1']], parsed: [['p', '2']] })
  })
  t.test('a dropped stream label is gone from the stream', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.delete('level')
    t.strictSame(labels.parts().stream, [{ name: 'app', value: 'shop' }])
  })
  t.test('a formatted stream label moves to the parsed ones', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.setFormatted('level', 'new')
    t.strictSame(labels.parts(), {
      stream: [{ name: 'app', value: 'shop' }],
      metadata: [],
      parsed: [['level', 'new']],
    })
  })
  t.test('an error and its details are among the parsed labels', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.setParsed('_a', '1')
    labels.setParsed('a', '1')
    labels.setError('JSONParserErr', 'why')
    t.strictSame(labels.parts().parsed, [
      ['__error__', 'JSONParserErr'],
      ['__error_details__', 'why'],
      ['_a', '1'],
      ['a', '1'],
    ])
  })
  t.test('an empty parsed label is shown there, and in all()', async (t) => {
    const labels = new LabelSet()
    labels.reset([], [])
    labels.setParsed('a', '')
    t.strictSame(labels.parts().parsed, [['a', '']])
    t.strictSame(labels.all(), [{ name: 'a', value: '' }])
    t.equal(labels.get('a'), '')
  })
})

t.test('drop and keep (trap 23)', async (t) => {
  t.test('keeping nothing never removes __error__, __error_details__ and __preserve_error__', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.setError('JSONParserErr', 'why')
    labels.preserveError()
    labels.retain(() => false)
    t.equal(shown(labels), '__error__=JSONParserErr __error_details__=why __preserve_error__=true')
  })
  t.test('dropping __error__ clears only the error; its details are shown if the entry has other labels', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.setError('JSONParserErr', 'why')
    labels.delete('__error__')
    t.equal(labels.get('__error_details__'), 'why')
    t.equal(shown(labels), 'app=shop level=stream')
    labels.reset([], [])
    labels.setParsed('a', '1')
    labels.setError('JSONParserErr', 'why')
    labels.delete('__error__')
    t.equal(labels.hasError, false)
    t.equal(shown(labels), '__error_details__=why a=1')
    labels.delete('__error_details__')
    t.equal(shown(labels), 'a=1')
  })
  t.test('preserveError does nothing without an error', async (t) => {
    const labels = new LabelSet()
    labels.reset([], [])
    labels.preserveError()
    t.equal(labels.get('__preserve_error__'), undefined)
  })
})

t.test('rename (trap 22)', async (t) => {
  t.test('moves the value, which then counts as parsed', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [['m', '1']])
    labels.rename('app', 'program')
    labels.rename('m', 'meta')
    t.strictSame(labels.parts(), {
      stream: [{ name: 'level', value: 'stream' }],
      metadata: [],
      parsed: [
        ['meta', '1'],
        ['program', 'shop'],
      ],
    })
  })
  t.test('replaces the value of the target', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.rename('level', 'app')
    t.equal(shown(labels), 'app=stream')
  })
  t.test('to itself it takes the label away', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.rename('app', 'app')
    t.equal(shown(labels), 'level=stream')
  })
  t.test('without a source or onto __error__ it changes nothing', async (t) => {
    const labels = new LabelSet()
    labels.reset(STREAM, [])
    labels.rename('missing', 'app')
    labels.rename('app', '__error__')
    labels.setFormatted('__error__', 'x')
    t.equal(shown(labels), 'app=shop level=stream')
    t.equal(labels.parts().stream, STREAM)
  })
})

t.test('entries do not see each other', async (t) => {
  const labels = new LabelSet()
  labels.reset(STREAM, [['m', '1']])
  labels.setParsed('p', '1')
  labels.setError('JSONParserErr', 'why')
  labels.reset([], [])
  t.strictSame(labels.parts(), { stream: [], metadata: [], parsed: [] })
  t.equal(labels.get('app'), undefined)
  labels.setParsed('app', 'x')
  t.equal(shown(labels), 'app=x')
})

t.test('lines with ever new names do not fill the memory, and stay right', async (t) => {
  const labels = new LabelSet()
  for (let i = 0; i < 300; i++) {
    labels.reset(STREAM, [])
    for (let k = 0; k < 100; k++) labels.setParsed(`f_${i}_${k}`, 'v')
    if (labels.all().length !== 102) t.fail(`entry ${i} has ${labels.all().length} labels`)
  }
  t.equal(labels.get('f_299_99'), 'v')
  t.equal(labels.get('f_298_99'), undefined)
})

t.test('names of Object.prototype are labels like any other', async (t) => {
  const { labels } = makeEntry('')
  labels.setParsed('__proto__', '1')
  labels.setParsed('constructor', '2')
  t.equal(shown(labels), '__proto__=1 constructor=2')
})

t.test('key() is equal exactly when all() is', async (t) => {
  const name = fc.constantFrom('a', 'b', 'a=1', '1', '1,1')
  const value = fc.constantFrom('', 'x', '1', '1,1:ax', 'b')
  const build = (pairs: [string, string][]): LabelSet => {
    const labels = new LabelSet()
    labels.reset([], [])
    for (const [n, v] of pairs) labels.setParsed(n, v)
    return labels
  }
  const pairs = fc.array(fc.tuple(name, value), { maxLength: 4 })
  const property = fc.property(pairs, pairs, (one, two) => {
    const [a, b] = [build(one), build(two)]
    return (a.key() === b.key()) === (JSON.stringify(a.all()) === JSON.stringify(b.all()))
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('agrees with a plain model over any sequence of changes', async (t) => {
  const name = fc.constantFrom('a', 'b', 'c', 'd')
  const change = fc.oneof(
    fc.record({ kind: fc.constant('parse' as const), name, other: name }),
    fc.record({ kind: fc.constant('format' as const), name, other: name }),
    fc.record({ kind: fc.constant('delete' as const), name, other: name }),
    fc.record({ kind: fc.constant('rename' as const), name, other: name }),
    fc.record({ kind: fc.constant('keep' as const), name, other: name }),
  )
  const labels = new LabelSet()
  const property = fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
    labels.reset([{ name: 'a', value: 's' }], [['b', 'm']])
    const made = new Set<string>()
    const model = new Map([
      ['a', { from: 's', value: 's' }],
      ['b', { from: 'm', value: 'm' }],
    ])
    for (const [i, { kind, name, other }] of changes.entries()) {
      const value = `v${i}`
      if (kind === 'parse') {
        labels.setParsed(name, value)
        const target = name === 'a' || model.get(name)?.from === 'm' ? `${name}_extracted` : name
        // A label that was already set is not set again, even if it was dropped since.
        if (!made.has(target)) model.set(target, { from: 'p', value })
        made.add(target)
      } else if (kind === 'format') {
        labels.setFormatted(name, value)
        model.set(name, { from: 'p', value })
        made.add(name)
      } else if (kind === 'delete') {
        labels.delete(name)
        model.delete(name)
      } else if (kind === 'rename') {
        labels.rename(name, other)
        const moved = model.get(name)
        if (moved !== undefined) {
          model.set(other, { from: 'p', value: moved.value })
          made.add(other)
          model.delete(name)
        }
      } else {
        labels.retain((n) => n === name || n === other)
        for (const n of [...model.keys()]) if (n !== name && n !== other) model.delete(n)
      }
    }
    const expected = [...model].map(([n, { value }]) => `${n}=${value}`).sort((x, y) => (x < y ? -1 : 1))
    if (shown(labels) !== expected.join(' ')) return false
    const { stream } = labels.parts()
    const fromStream = [...model].filter(([, { from }]) => from === 's').map(([n]) => n)
    return JSON.stringify(stream.map(({ name }) => name)) === JSON.stringify(fromStream.sort())
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('a set shared by entries of one stream forgets the changes of the previous entry', async (t) => {
  const name = fc.constantFrom('a', 'b', 'c', 'd')
  const step = fc.oneof(
    fc.tuple(fc.constant('setParsed' as const), name, fc.constantFrom('', '1')),
    fc.tuple(fc.constant('setFormatted' as const), name, fc.constantFrom('', '2')),
    fc.tuple(fc.constant('rename' as const), name, name),
    fc.tuple(fc.constant('delete' as const), name, fc.constant('')),
  )
  const streams = [
    [],
    [{ name: 'a', value: 's' }],
    [
      { name: 'a', value: 't' },
      { name: 'b', value: 's' },
    ],
  ]
  const entry = fc.record({
    stream: fc.constantFrom(...streams),
    metadata: fc.constantFrom([], [['a', 'm'] as const], [['c', 'm'] as const]),
    steps: fc.array(step, { maxLength: 4 }),
  })
  const property = fc.property(fc.array(entry, { maxLength: 6 }), (entries) => {
    const shared = new LabelSet()
    for (const { stream, metadata, steps } of entries) {
      const own = new LabelSet()
      for (const labels of [shared, own]) {
        labels.reset(stream, metadata)
        for (const [method, one, other] of steps) labels[method](one, other)
      }
      t.strictSame(shared.parts(), own.parts())
      t.equal(shared.key(), own.key())
    }
  })
  fc.assert(property, { numRuns: 500 })
})
