import t, { type Test } from 'tap'
import { type Admission, BatchBuilder } from '../../../src/domain/entries/batch-builder.ts'
import { PUSH_LIMITS, type PushLimits } from '../../../src/domain/limits.ts'
import { equalityMatcher } from '../../../src/domain/selector.ts'
import { acceptPush, type PushOutcome } from '../../../src/flows/push/accept-push.ts'
import { StreamGateKeeper } from '../../../src/flows/push/stream-gate.ts'
import { FixedClock, feed, openAdmission, openStore, type PlainStream, readAll } from '../../support/helper.ts'

interface Pushing {
  readonly clock: FixedClock
  readonly store: ReturnType<typeof openStore>
  push(...streams: PlainStream[]): Promise<PushOutcome>
}

function pushingTo(t: Test, limits: Partial<PushLimits> = {}, overrides: Partial<Admission> = {}): Pushing {
  const clock = new FixedClock()
  const store = openStore(t, clock)
  const all = { ...PUSH_LIMITS, ...limits }
  const gate = new StreamGateKeeper(all, clock)
  return {
    clock,
    store,
    push: (...streams) => {
      const builder = new BatchBuilder({
        ...openAdmission(clock),
        limits: all,
        streams: gate,
        nowMs: clock.ms,
        ...overrides,
      })
      feed(builder, streams)
      return acceptPush({ store }, builder, { rate: { gate, limits: all } })
    },
  }
}

function stream(clock: FixedClock, app: string, ...lines: string[]): PlainStream {
  return { labels: { app }, entries: lines.map((line, i) => ({ ns: clock.nowNs + BigInt(i), line })) }
}

t.test('stores valid entries and reports rejected ones', async (t) => {
  const { clock, store, push } = pushingTo(t, { lineBytesMax: 5 })
  const outcome = await push(stream(clock, 'a', 'one', 'far too long', 'two'))
  t.match(outcome, { accepted: 2, duplicates: 0, dropped: 0, lineBytes: 6 })
  t.same([...outcome.refusals.byReason], [['line_too_long', 1]])
  t.same(
    (await readAll(store)).map(({ line }) => line),
    ['one', 'two'],
  )
})

t.test('a retried push is accepted, as its lines are stored', async (t) => {
  const { clock, store, push } = pushingTo(t)
  await push(stream(clock, 'a', 'one', 'two'))
  t.match(await push(stream(clock, 'a', 'one', 'two', 'three')), { accepted: 3, duplicates: 2 })
  t.equal((await readAll(store)).length, 3)
})

t.test('a push without valid entries does not call the store', async (t) => {
  const dropped = [[equalityMatcher('app', '=', 'noise')]]
  const { clock, store, push } = pushingTo(t, { lineBytesMax: 5 }, { dropped })
  await store.close()
  t.match(await push(stream(clock, 'noise', '1', '2')), { accepted: 0, dropped: 2 })
  t.match(await push(stream(clock, 'a', 'far too long')), { accepted: 0, dropped: 0, lineBytes: 0 })
  t.match(await push(), { accepted: 0 })
  await t.rejects(push(stream(clock, 'a', '1')), { code: 'store_unavailable' })
})

t.test("nothing of a push beyond the tenant's rate is stored", async (t) => {
  const { clock, store, push } = pushingTo(t, { tenantRate: { bytesPerSecond: 10, burstBytes: 10 } })
  await push(stream(clock, 'a', '12345'))
  const message =
    "ingestion rate limit exceeded for user fake (limit: 10 bytes/sec) while attempting to ingest '2' lines totaling '6' bytes, reduce log volume or raise MILLRACE_TENANT_RATE"
  await t.rejects(push(stream(clock, 'b', '123', '456')), { code: 'entries_limited', status: 429, message })
  t.equal((await readAll(store)).length, 1)
  clock.ms += 1000
  t.match(await push(stream(clock, 'b', '123', '456')), { accepted: 2 })
})

t.test('lines of a stream within its rate are stored, the others rejected', async (t) => {
  const { clock, store, push } = pushingTo(t, { streamRate: { bytesPerSecond: 10, burstBytes: 10 } })
  const outcome = await push(stream(clock, 'a', '12345678', '9abcdefg', 'hi'), stream(clock, 'b', '0123456789'))
  t.match(outcome, { accepted: 3 })
  t.equal(outcome.refusals.status, 429)
  t.same([...outcome.refusals.byReason], [['per_stream_rate_limit', 1]])
  t.match(outcome.refusals.text, 'user \'fake\', total ignored: 1 out of 3 for stream: {app="a"}')
  t.same(
    (await readAll(store)).map(({ line }) => line),
    ['12345678', 'hi', '0123456789'],
  )
})

t.test('new streams beyond the limit of active streams are rejected, known ones are accepted', async (t) => {
  const { clock, push } = pushingTo(t, { activeStreamsMax: 1 })
  const outcome = await push(stream(clock, 'a', '1'), stream(clock, 'b', '2'), stream(clock, 'a', '3'))
  t.equal(outcome.accepted, 2)
  t.same([...outcome.refusals.byReason], [['stream_limit', 1]])
  clock.ms += 3600_001
  t.match(await push(stream(clock, 'b', '2')), { accepted: 1 })
})
