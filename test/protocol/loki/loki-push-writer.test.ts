import fc from 'fast-check'
import snappy from 'snappyjs'
import t from 'tap'
import { encodePushProtobuf, PUSH_REQUEST } from '../../../src/protocol/loki/loki-push-encode.ts'
import { PushWriter } from '../../../src/protocol/loki/loki-push-writer.ts'

const entries = fc.array(
  fc.record({ ns: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), line: fc.string({ unit: 'grapheme', maxLength: 300 }) }),
  { minLength: 1, maxLength: 30 },
)

const messageOf = (bytes: Uint8Array) =>
  PUSH_REQUEST.toObject(PUSH_REQUEST.decode(bytes), { defaults: true, longs: String })

t.test('any range of entries equals protobufjs’s message', async (t) => {
  const labels = '{app="é"}'
  const writer = new PushWriter(labels)
  fc.assert(
    fc.property(entries, fc.nat(29), fc.nat(29), (all, a, b) => {
      writer.clear()
      for (const { ns, line } of all) writer.add(ns, Buffer.from(line))
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
