import t, { type Test } from 'tap'
import { LocalFeed } from '../../../../src/adapters/embedded/local-feed.ts'
import { QueryGate } from '../../../../src/flows/query/query-gate.ts'
import { QueryTurns } from '../../../../src/flows/query/query-turns.ts'
import { TailSession } from '../../../../src/flows/query/tail-logs.ts'
import { parseExpr } from '../../../../src/logql/parse/parse.ts'
import type { LogExpr } from '../../../../src/logql/parse/syntax.ts'
import type { LogStore } from '../../../../src/ports/log-store.ts'
import { formatTailFrame } from '../../../../src/protocol/loki/loki-tail-result.ts'
import {
  TAILS_MAX,
  TailConnection,
  type TailEnd,
  TailHub,
  type TailSink,
} from '../../../../src/transport/http/query/tail-connection.ts'
import { THREAD } from '../../../../src/transport/http/thread.ts'
import { FixedClock, makeBatch, openAdmission, openStore } from '../../../support/helper.ts'

class RecordedSink implements TailSink {
  waitingBytes = 0
  readonly frames: string[] = []
  pings = 0
  ended: TailEnd | undefined
  onRoom: () => void = () => undefined
  readonly #waiters: (() => void)[] = []

  listen(onRoom: () => void): void {
    this.onRoom = onRoom
  }

  send(frame: string): void {
    this.frames.push(frame)
    for (const waiter of this.#waiters.splice(0)) waiter()
  }

  ping(): void {
    this.pings++
  }

  end(reason: TailEnd): void {
    this.ended = reason
    for (const waiter of this.#waiters.splice(0)) waiter()
  }

  /** Resolves at the next frame, or the end. */
  news(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }
}

function open(t: Test, wrap: (store: LogStore) => LogStore = (store) => store, delayMs = 0) {
  const clock = new FixedClock()
  const feed = new LocalFeed()
  const gate = new QueryGate({ runningMax: 1, tenantRunningMax: 1, waitingMax: 0 })
  const hub = new TailHub()
  const sink = new RecordedSink()
  const store = openStore(t, clock)
  const query = parseExpr('{app="shop"}') as LogExpr
  const session = new TailSession({ tenant: 'fake', query, start: 0n, limit: 10, delayMs, nowMs: 0 })
  const log = { error: () => undefined } as never
  const connection = new TailConnection(
    { store: wrap(store), clock, feed, gate, turns: new QueryTurns(THREAD), timeoutMs: 60_000 },
    { tenant: 'fake', session, format: (frame) => formatTailFrame(frame, false) },
    sink,
    log,
  )
  const publish = (line: string, tenant = 'fake') =>
    feed.publish(
      makeBatch([{ labels: { app: 'shop' }, entries: [{ ns: clock.nowNs, line }] }], openAdmission(clock, tenant)),
    )
  t.teardown(() => connection.closed())
  return { clock, feed, hub, sink, store, session, connection, publish }
}

t.test('sends published lines of its tenant, and nothing after close', async (t) => {
  const { hub, sink, connection, publish } = open(t)
  connection.start(hub)
  publish('of another', 'other')
  publish('one')
  await sink.news()
  t.strictSame(sink.frames, [`{"streams":[{"stream":{"app":"shop"},"values":[["1795262400000000000","one"]]}]}`])
  t.equal(hub.size, 1)
  connection.closed()
  publish('two')
  connection.tick()
  connection.flush()
  t.equal(sink.frames.length, 1)
  t.equal(sink.pings, 0)
  t.equal(hub.size, 0, 'the hub has removed it')
})

t.test('a clock that moves backwards does not delay lines', async (t) => {
  const { clock, hub, sink, session, store, connection, publish } = open(t, undefined, 5000)
  connection.start(hub)
  await session.load(store, clock.monotonicMs())
  publish('one')
  clock.ms -= 3600_000
  clock.ms += 4999
  connection.tick()
  t.strictSame(sink.frames, [])
  clock.ms += 1
  connection.tick()
  t.equal(sink.frames.length, 1)
})

t.test("ends after an hour with Loki's reason", async (t) => {
  const { clock, hub, sink, connection } = open(t)
  connection.start(hub)
  connection.tick()
  t.equal(sink.pings, 1)
  clock.ms += 3600_000
  connection.tick()
  t.strictSame(sink.ended, { kind: 'expired', text: 'reached tail max duration limit' })
  t.equal(hub.size, 0)
})

t.test('holds back frames from a slow reader, resumes when it reads, and disconnects a stalled one', async (t) => {
  const { clock, hub, sink, connection, publish } = open(t)
  connection.start(hub)
  publish('one')
  await sink.news()
  sink.waitingBytes = 300_000
  publish('two')
  connection.flush()
  t.equal(sink.frames.length, 1)
  sink.waitingBytes = 0
  sink.onRoom()
  t.equal(sink.frames.length, 2)
  sink.waitingBytes = 400_000
  for (let seconds = 0; seconds <= 29; seconds++) {
    connection.tick()
    clock.ms += 1000
  }
  t.equal(sink.ended, undefined)
  sink.waitingBytes = 300_000
  connection.tick()
  t.equal(sink.ended, undefined, 'it took something')
  clock.ms += 30_000
  connection.tick()
  t.equal(sink.ended?.kind, 'slow')
})

t.test('ends when the initial lines cannot be read', async (t) => {
  const { hub, sink, connection } = open(t, (store) => {
    store.read = () => {
      throw new Error('disk')
    }
    return store
  })
  connection.start(hub)
  await sink.news()
  t.strictSame(sink.ended, { kind: 'failed', text: 'the tail failed; see the log of the gateway' })
})

t.test('a tenant has room for ten tails', async (t) => {
  const { hub, connection } = open(t)
  for (let i = 0; i < 10; i++) {
    hub.assertRoom('fake')
    hub.add('fake', Object.create(connection))
  }
  t.throws(() => hub.assertRoom('fake'), {
    code: 'rate_limited',
    message: /^max concurrent tail requests limit exceeded, count > limit \(11 > 10\)/,
  })
  hub.assertRoom('other')
  t.equal(hub.size, 10)
})

t.test('a tail that fails on a batch ends without affecting the push', async (t) => {
  const { hub, sink, connection, session, publish } = open(t)
  session.offer = () => {
    throw new Error('an internal fault')
  }
  connection.start(hub)
  publish('one')
  t.equal(sink.ended?.kind, 'failed')
  t.equal(hub.size, 0)
})

t.test('a tail that starts at the limit ends immediately', async (t) => {
  const { hub, sink, connection } = open(t)
  const others = Array.from({ length: TAILS_MAX }, () => open(t).connection)
  for (const other of others) hub.add('fake', other)
  connection.start(hub)
  t.match(sink.ended?.text, /max concurrent tail requests limit exceeded/)
})

t.test('the number of tails of all tenants is bounded', async (t) => {
  const hub = new TailHub()
  for (let i = 0; i < 200; i++) hub.add(`tenant-${i}`, {} as TailConnection)
  t.throws(() => hub.assertRoom('another'), { code: 'overloaded' })
})
