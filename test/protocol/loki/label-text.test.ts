import t from 'tap'
import { beginStreamOfText } from '../../../src/protocol/loki/label-text.ts'
import { RecordingSink } from '../../support/recording-sink.ts'

t.test('starts the stream of a label text, cached or not', async (t) => {
  const sink = new RecordingSink()
  for (const text of ['{b="2", a="1"}', '{a="1"}', '{b="2", a="1"}']) beginStreamOfText(text, sink)
  t.same(
    sink.streams.map(({ labels }) => labels),
    ['{a="1", b="2"}', '{a="1"}', '{a="1", b="2"}'],
  )
})

t.test('distinguishes more texts than it remembers', async (t) => {
  const sink = new RecordingSink()
  const texts = Array.from({ length: 10_000 }, (_, i) => `{n="${i}"}`)
  for (const text of [...texts, ...texts.toReversed()]) beginStreamOfText(text, sink)
  t.same(
    sink.streams.map(({ labels }) => labels),
    [...texts, ...texts.toReversed()],
  )
})

t.test('starts an invalid stream with the reason, each time', async (t) => {
  const sink = new RecordingSink()
  for (let i = 0; i < 2; i++) beginStreamOfText('{a=b}', sink)
  const unreadable = { labels: '{a=b}', error: '1:4: parse error: expected a quoted value at column 4', entries: [] }
  t.same(sink.streams, [unreadable, unreadable])
})
