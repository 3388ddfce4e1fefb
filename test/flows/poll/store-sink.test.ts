import t, { type Test } from 'tap'
import type { SourceEntry } from '../../../src/domain/sources/source-entry.ts'
import { StoreSink } from '../../../src/flows/poll/store-sink.ts'
import { FixedClock, openStore, readAll } from '../../support/helper.ts'

const PROJECT = { id: 'abcdefabcdefabcdefabcdef', name: 'demo' }
const NOW = new FixedClock().ms
const NOBODY: ReadonlySet<string> = new Set()

const entryOf = (id: string, fields: Partial<SourceEntry> = {}): SourceEntry => ({
  id,
  timestampMs: NOW - 1000,
  level: 'error',
  line: `line of ${id}`,
  metadata: [
    ['meta_flow', 'main'],
    ['trace_id', 't-1'],
    ['id', id],
  ],
  json: JSON.stringify({ _id: id }),
  ...fields,
})

const open = (t: Test, lineBytesMax = 1000) => {
  const clock = new FixedClock()
  // Without a duplicate window, so that the sink must detect duplicates itself.
  const store = openStore(t, clock, { duplicateWindowMs: 0 })
  const sink = new StoreSink({ store, clock, tenant: 'fake', source: 'cognigy', lineBytesMax })
  return { store, sink, read: () => readAll(store) }
}

t.test('an entry becomes a line of its source, project and level, with the rest as metadata', async (t) => {
  const { sink, read } = open(t)
  t.same(await sink.write(PROJECT, [entryOf('a')], NOBODY), {
    stored: 1,
    duplicates: 0,
    oversized: 0,
    rejected: new Map(),
  })
  const [entry] = await read()
  t.match(entry, {
    key: '{level="error", project="demo", service_name="unknown_service", source="cognigy"}',
    ns: BigInt(NOW - 1000) * 1_000_000n,
    line: 'line of a',
    metadata: [
      ['detected_level', 'error'],
      ['id', 'a'],
      ['meta_flow', 'main'],
      ['trace_id', 't-1'],
    ],
  })
})

t.test('doubtful entries are looked up by id', async (t) => {
  const { sink, read } = open(t)
  const entries = Array.from({ length: 50 }, (_, i) =>
    entryOf(`id-${i}`, { timestampMs: NOW - i, level: i % 2 ? 'info' : 'warn' }),
  )
  await sink.write(PROJECT, entries.slice(0, 30), NOBODY)
  const outcome = await sink.write(PROJECT, entries, new Set(entries.map(({ id }) => id)))
  t.match(outcome, { stored: 20, duplicates: 30 })
  t.equal((await read()).length, 50)
  t.match(
    await sink.write({ ...PROJECT, name: 'other' }, entries, new Set(['id-1'])),
    { stored: 50 },
    'in their project',
  )
})

t.test('an entry that does not fit in metadata is stored as a JSON line', async (t) => {
  const { sink, read } = open(t)
  const rows: readonly (readonly [name: string, metadata: SourceEntry['metadata']])[] = [
    ['many', Array.from({ length: 200 }, (_, i) => [`meta_${i}`, 'x'])],
    ['large', [['meta_a', 'x'.repeat(70_000)]]],
    [
      'alike',
      [
        ['meta_a b', '1'],
        ['meta_a_b', '2'],
      ],
    ],
    ['level', [['detected_level', 'info']]],
  ]
  for (const [name, metadata] of rows) {
    await sink.write(PROJECT, [entryOf(name, { metadata: [...metadata, ['id', name]] })], NOBODY)
    const entry = (await read()).find(({ metadata }) => metadata.some(([key, value]) => key === 'id' && value === name))
    t.equal(entry?.line, JSON.stringify({ _id: name }), name)
  }
})

t.test('a line that is too long is truncated between characters, with a mark, and reported', async (t) => {
  const { sink, read } = open(t, 100)
  t.match(await sink.write(PROJECT, [entryOf('a', { line: 'é'.repeat(80) })], NOBODY), { stored: 1, oversized: 1 })
  const line = (await read())[0]?.line ?? ''
  t.match(line, /^é+ … \(cut: 160 bytes\)$/)
  t.ok(Buffer.byteLength(line) <= 100)
})

t.test('accepts any entries of the source', async (t) => {
  const { sink, read } = open(t)
  const odd = [
    entryOf('old', { timestampMs: 0 }),
    entryOf('ahead', { timestampMs: NOW + 86_400_000 }),
    entryOf('empty', { line: '' }),
    entryOf('lone \ud800 half', { line: 'lone \ud800 half' }),
  ]
  t.match(await sink.write({ ...PROJECT, name: 'a "name" {of} ü' }, odd, NOBODY), { stored: 4 })
  t.equal((await read()).length, 4)
})

t.test('a large write is stored in parts', async (t) => {
  const { sink, read } = open(t, 2 ** 20)
  const entries = Array.from({ length: 20 }, (_, i) => entryOf(`id-${i}`, { line: String(i).repeat(500_000) }))
  t.match(await sink.write(PROJECT, entries, NOBODY), { stored: 20 })
  t.equal((await read()).length, 20)
})
