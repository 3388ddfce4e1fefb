import fc from 'fast-check'
import snappy from 'snappyjs'
import t from 'tap'
import { encodePushProtobuf, PUSH_REQUEST } from '../../../src/protocol/loki/loki-push-encode.ts'
import { PushWriter } from '../../../src/protocol/loki/loki-push-writer.ts'

const entries = fc.array(
  fc.record({
    ns: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    line: fc.string({ unit: 'grapheme', maxLength: 300 }),
    metadata: fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 30 },
)

const messageOf = (bytes: Uint8Array) =>
  PUSH_REQUEST.toObject(PUSH_REQUEST.decode(bytes), { defaults: true, longs: String })

const asLabels = (pairs: readonly (readonly [string, string])[]) => pairs.map(([name, value]) => ({ name, value }))

t.test('a range of entries has exactly its streams', async (t) => {
  const writer = new PushWriter('{a="1"}')
  writer.add(1n, Buffer.from('one'))
  writer.beginStream('{a="2"}')
  writer.add(2n, Buffer.from('two'), [{ name: 'k', value: 'v' }])
  writer.add(3n, Buffer.from('three'))
  writer.beginStream('{a="3"}')
  writer.add(4n, Buffer.from('four'))
  const all = [
    { labels: '{a="1"}', entries: [{ ns: 1n, line: 'one' }] },
    {
      labels: '{a="2"}',
      entries: [
        { ns: 2n, line: 'two', metadata: [['k', 'v']] as const },
        { ns: 3n, line: 'three' },
      ],
    },
    { labels: '{a="3"}', entries: [{ ns: 4n, line: 'four' }] },
  ]
  const bodyOf = (from: number, to: number) => messageOf(snappy.uncompress(writer.body(from, to)))
  t.strictSame(bodyOf(0, 4), messageOf(encodePushProtobuf(all)))
  t.strictSame(bodyOf(1, 3), messageOf(encodePushProtobuf(all.slice(1, 2))))
  writer.clear()
  writer.add(5n, Buffer.from('five'))
  t.strictSame(
    bodyOf(0, 1),
    messageOf(encodePushProtobuf([{ labels: '{a="3"}', entries: [{ ns: 5n, line: 'five' }] }])),
  )
})

t.test('any range of entries equals protobufjs’s message', async (t) => {
  const labels = '{app="é"}'
  const writer = new PushWriter(labels)
  fc.assert(
    fc.property(entries, fc.nat(29), fc.nat(29), (all, a, b) => {
      writer.clear()
      for (const { ns, line, metadata } of all) writer.add(ns, Buffer.from(line), asLabels(metadata))
      const from = Math.min(a, b, all.length - 1)
      const to = Math.max(from + 1, Math.min(all.length, Math.max(a, b)))
      t.equal(writer.count, all.length)
      const wanted = encodePushProtobuf([{ labels, entries: all.slice(from, to) }])
      // protobufjs omits fields that are zero.
      t.strictSame(messageOf(snappy.uncompress(writer.body(from, to))), messageOf(wanted))
    }),
    { numRuns: 300 },
  )
})

t.test('memory grows with a long line', async (t) => {
  const writer = new PushWriter('{a="b"}')
  writer.add(1n, Buffer.alloc(1_000_000, 'x'))
  writer.add(2n, Buffer.from('y'))
  t.equal(snappy.uncompress(writer.body(0, 2)).length, writer.byteLength + '{a="b"}'.length + 2 + 4)
})
