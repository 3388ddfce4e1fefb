import t from 'tap'
import { REFUSAL_STATUS, Refusals } from '../../../src/domain/entries/refusals.ts'
import { REFUSAL_TEXTS_MAX } from '../../../src/domain/limits.ts'

t.test('nothing refused', async (t) => {
  const refusals = new Refusals()
  t.ok(refusals.isEmpty)
  t.equal(refusals.entries, 0)
  t.equal(refusals.text, '')
  t.equal(refusals.last, undefined)
})

t.test('a single distinct text is returned as it is', async (t) => {
  const refusals = new Refusals()
  for (let i = 0; i < 3; i++) refusals.add('line_too_long', 'too long')
  t.equal(refusals.text, 'too long')
  t.equal(refusals.entries, 3)
  t.same(refusals.last, { reason: 'line_too_long', text: 'too long' })
})

t.test('several texts are grouped with their counts', async (t) => {
  const refusals = new Refusals()
  refusals.add('line_too_long', 'a')
  refusals.add('invalid_labels', () => 'b')
  refusals.add('line_too_long', 'a')
  t.equal(refusals.text, '2 errors like: a; 1 errors like: b')
  t.same(
    [...refusals.byReason],
    [
      ['line_too_long', 2],
      ['invalid_labels', 1],
    ],
  )
})

t.test('texts are bounded, counts are whole', async (t) => {
  const refusals = new Refusals()
  for (let i = 0; i < 50_000; i++) refusals.add('line_too_long', () => `line ${i}`)
  const groups = refusals.text.split('; ')
  t.equal(groups.length, REFUSAL_TEXTS_MAX + 1)
  t.equal(groups.at(-1), `${50_000 - REFUSAL_TEXTS_MAX} other errors`)
  t.equal(refusals.entries, 50_000)
  t.equal(refusals.byReason.get('line_too_long'), 50_000)
})

t.test('lines counted under an existing text do not repeat it', async (t) => {
  const refusals = new Refusals()
  const refusal = { reason: 'invalid_labels', text: 'bad labels' } as const
  refusals.add(refusal.reason, refusal.text)
  refusals.count(refusal, 4)
  refusals.add('per_stream_rate_limit', 'the total of a stream', 0)
  t.equal(refusals.entries, 5)
  t.equal(refusals.text, '1 errors like: bad labels; 1 errors like: the total of a stream')
})

t.test('the status is 429 only where every reason passes with time', async (t) => {
  for (const [reason, status] of Object.entries(REFUSAL_STATUS)) {
    const refusals = new Refusals()
    refusals.add(reason as keyof typeof REFUSAL_STATUS, 'text')
    t.equal(refusals.status, status, reason)
    refusals.add('stream_limit', 'text')
    t.equal(refusals.status, status, `${reason} and stream_limit`)
    refusals.add('invalid_labels', 'text')
    t.equal(refusals.status, 400, `${reason} and invalid_labels`)
  }
})
