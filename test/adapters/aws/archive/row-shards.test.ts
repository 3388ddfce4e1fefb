import fc from 'fast-check'
import t from 'tap'
import {
  formatRaises,
  joinRaises,
  parseRaises,
  raisedAt,
  type ShardRaise,
  shardsAt,
} from '../../../../src/adapters/aws/archive/row-shards.ts'

const stepsOf = (raises: readonly ShardRaise[], spans: readonly number[]) => spans.map((span) => shardsAt(raises, span))

t.test('a raise holds for an hour, then falls by a step each hour; what arrived before keeps its number', async (t) => {
  const once = raisedAt([], { span: 100, sealed: 98 })
  t.same(stepsOf(once, [99, 100, 105, 106]), [1, 8, 8, 1])
  const twice = raisedAt(once, { span: 101, sealed: 98 })
  t.same(stepsOf(twice, [99, 100, 101, 106, 107, 112, 113]), [1, 8, 32, 32, 8, 8, 1])
})

t.test('a raise at the highest step changes nothing', async (t) => {
  let raises: readonly ShardRaise[] = []
  for (let i = 0; i < 3; i++) raises = raisedAt(raises, { span: 100, sealed: 98 })
  t.equal(shardsAt(raises, 100), 128)
  t.equal(raisedAt(raises, { span: 100, sealed: 98 }), raises)
})

t.test('the list stays short while throttles go on', async (t) => {
  let raises: readonly ShardRaise[] = []
  for (let span = 100; span < 2000; span++) raises = raisedAt(raises, { span, sealed: span - 2 })
  t.ok(raises.length <= 3, `${raises.length} raises`)
  t.ok(formatRaises(raises).length < 100)
})

const RAISES = fc.array(
  fc.record({
    from: fc.integer({ min: 0, max: 40 }),
    until: fc.integer({ min: 0, max: 40 }),
    shards: fc.constantFrom(8, 32, 128),
  }),
  { maxLength: 8 },
)
const SPANS = Array.from({ length: 45 }, (_, span) => span)

t.test('joining and writing change no number, and a raise lowers none that is not in files', async () => {
  fc.assert(
    fc.property(RAISES, RAISES, fc.nat(40), fc.nat(40), (a, b, span, sealed) => {
      const [of, ofB] = [stepsOf(a, SPANS), stepsOf(b, SPANS)]
      const joined = stepsOf(parseRaises(formatRaises(joinRaises([...a, ...b]))), SPANS)
      const raised = stepsOf(raisedAt(a, { span, sealed }), SPANS)
      const isJoined = joined.every((shards, i) => shards === Math.max(of[i] as number, ofB[i] as number))
      return isJoined && raised.every((shards, i) => i < sealed || shards >= (of[i] as number))
    }),
  )
})

t.test('a text that is no list of raises is store_damaged', async (t) => {
  for (const text of ['8', '1-2', '1-2:8,3-4:8']) t.throws(() => parseRaises(text), { code: 'store_damaged' })
})
