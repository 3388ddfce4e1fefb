import t from 'tap'
import { finishSlices } from '../../../src/kit/slices.ts'
import { BodyWriter, bodyBytes, bodyOf } from '../../../src/protocol/bytes/body-writer.ts'

const textOf = (body: readonly Uint8Array[]): string => Buffer.concat(body).toString()

t.test('pieces together are the text', async (t) => {
  const body = new BodyWriter()
  const items = Array.from({ length: 5000 }, (_, i) => `é${i}`.repeat(10))
  body.write('[')
  finishSlices(body.writeList(items, (item) => JSON.stringify(item)))
  body.write(']')
  const pieces = body.finish()
  t.same(JSON.parse(textOf(pieces)), items)
  t.ok(pieces.length > 3)
  t.equal(bodyBytes(pieces), Buffer.byteLength(JSON.stringify(items)))
  for (const piece of pieces) t.ok(piece.length < 256 * 1024)
})

t.test('an empty list and an empty body', async (t) => {
  const body = new BodyWriter()
  finishSlices(body.writeList([], String))
  t.same(body.finish(), [])
  t.equal(textOf(bodyOf('x')), 'x')
})

t.test('a long list is written in slices', async (t) => {
  const work = new BodyWriter().writeList(Array.from({ length: 200_000 }, String), (text) => text)
  let pauses = 0
  while (work.next().done !== true) pauses++
  t.ok(pauses > 10)
})
