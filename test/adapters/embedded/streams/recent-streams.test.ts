import t from 'tap'
import { RecentStreams } from '../../../../src/adapters/embedded/streams/recent-streams.ts'

t.test('a stream may have entries up to its newest time', async (t) => {
  const streams = new RecentStreams()
  t.notOk(streams.mayHaveFrom(1, 0n), 'a stream that was never committed has none')
  streams.add(1, 100n, 5)
  streams.add(1, 50n, 6)
  t.ok(streams.mayHaveFrom(1, 100n), 'an older block does not hide a newer one')
  t.notOk(streams.mayHaveFrom(1, 101n))
  t.notOk(streams.mayHaveFrom(2, 0n))
})

t.test('streams leave with the window', async (t) => {
  const streams = new RecentStreams()
  streams.add(1, 100n, 5)
  streams.add(2, 100n, 6)
  streams.add(1, 90n, 7)
  streams.forgetBefore(7)
  t.ok(streams.mayHaveFrom(1, 100n), 'the last commit counts')
  t.notOk(streams.mayHaveFrom(2, 100n))
  streams.forgetBefore(8)
  t.notOk(streams.mayHaveFrom(1, 100n))
})

t.test('while a stream that made room is in the window, any unknown stream may have entries', async (t) => {
  const streams = new RecentStreams(2)
  for (const id of [1, 2, 3]) streams.add(id, 100n, id)
  t.ok(streams.mayHaveFrom(1, 1000n), 'it made room')
  t.ok(streams.mayHaveFrom(99, 1000n), 'it could have been this one')
  t.notOk(streams.mayHaveFrom(3, 101n), 'known streams are still distinguished')
  streams.forgetBefore(2)
  t.notOk(streams.mayHaveFrom(99, 1000n))
})
