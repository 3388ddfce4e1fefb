import t, { type Test } from 'tap'
import { type TailFrame, type TailRequest, TailSession } from '../../../src/flows/query/tail-logs.ts'
import { finishSlices } from '../../../src/kit/slices.ts'
import { parseExpr } from '../../../src/logql/parse/parse.ts'
import type { LogExpr } from '../../../src/logql/parse/syntax.ts'
import { FixedClock, makeBatch, openAdmission, openStore, type PlainStream } from '../../support/helper.ts'

const CLOCK = new FixedClock()
const at = (offset: number): bigint => CLOCK.nowNs + BigInt(offset)
const batchOf = (streams: readonly PlainStream[]) => makeBatch(streams, openAdmission(CLOCK))
const shop = (lines: readonly string[], first = 0): PlainStream => ({
  labels: { app: 'shop' },
  entries: lines.map((line, i) => ({ ns: at(first + i), line })),
})

function makeSession(query: string, request: Partial<TailRequest> = {}): TailSession {
  const expr = parseExpr(query) as LogExpr
  return new TailSession({ tenant: 'fake', query: expr, start: 0n, limit: 100, delayMs: 0, nowMs: 0, ...request })
}

async function loaded(t: Test, session: TailSession, past: readonly PlainStream[] = []): Promise<TailSession> {
  const store = openStore(t, CLOCK)
  if (past.length > 0) await store.append(batchOf(past))
  await session.load(store, CLOCK.nowMs())
  return session
}

const linesOf = (session: TailSession, nowMs = CLOCK.nowMs()): string[] | undefined =>
  session.takeFrame(nowMs)?.entries.map(({ line }) => line)

t.test('returns the newest stored lines, oldest first', async (t) => {
  const session = await loaded(t, makeSession('{app="shop"}', { limit: 2 }), [shop(['one', 'two', 'three'], -10)])
  t.strictSame(linesOf(session), ['two', 'three'])
  t.equal(session.takeFrame(CLOCK.nowMs()), undefined)
})

t.test('applies the selector, the filters and the stages', async (t) => {
  const session = await loaded(t, makeSession('{app="shop"} |= "a" | logfmt | x > 1 | line_format "{{.x}}!"'))
  const other = { labels: { app: 'mail' }, entries: [{ ns: at(0), line: 'a x=9' }] }
  t.ok(session.offer(batchOf([shop(['a x=1', 'a x=2', 'b x=3']), other]), CLOCK.nowMs()))
  const frame = session.takeFrame(CLOCK.nowMs())
  t.strictSame(
    frame?.entries.map(({ line, labels, parsed }) => [line, labels, parsed.at(-1)]),
    [['2!', [{ name: 'app', value: 'shop' }], ['x', '2']]],
  )
  t.notOk(session.offer(batchOf([other]), CLOCK.nowMs()), 'nothing of another stream')
})

t.test('holds live lines back until the initial lines are loaded, without duplicates', async (t) => {
  const store = openStore(t, CLOCK)
  const session = makeSession('{app="shop"}')
  await store.append(batchOf([shop(['one', 'two'])]))
  session.offer(batchOf([shop(['one', 'two'])]), CLOCK.nowMs())
  session.offer(batchOf([shop(['three'], 2)]), CLOCK.nowMs())
  t.equal(session.takeFrame(CLOCK.nowMs()), undefined)
  await session.load(store, CLOCK.nowMs())
  t.strictSame(linesOf(session), ['one', 'two'])
  t.strictSame(linesOf(session), ['three'])
  t.equal(session.takeFrame(CLOCK.nowMs()), undefined)
  session.offer(batchOf([shop(['one'])]), CLOCK.nowMs() + 10_000)
  t.strictSame(linesOf(session, CLOCK.nowMs() + 10_000), ['one'], 'what comes again much later is news')
})

t.test('holds lines back for the delay, and orders due lines by time', async (t) => {
  const session = await loaded(t, makeSession('{app="shop"}', { delayMs: 2000 }))
  const nowMs = CLOCK.nowMs()
  session.offer(batchOf([shop(['late'], 5)]), nowMs)
  session.offer(batchOf([shop(['early'], 1)]), nowMs + 500)
  session.offer(batchOf([shop(['later'], 9)]), nowMs + 900)
  t.equal(session.takeFrame(nowMs + 1999), undefined)
  t.strictSame(linesOf(session, nowMs + 2500), ['early', 'late'])
  t.strictSame(linesOf(session, nowMs + 2900), ['later'])
})

t.test('buffers ten frames of a hundred lines, and reports dropped lines', async (t) => {
  const session = await loaded(t, makeSession('{app="shop"}'))
  session.offer(batchOf([shop(Array.from({ length: 1003 }, (_, i) => `line ${i}`))]), CLOCK.nowMs())
  let lines = 0
  const dropped = []
  for (let frames = 0; ; frames++) {
    const frame = session.takeFrame(CLOCK.nowMs())
    if (frame === undefined) {
      t.equal(frames, 10)
      break
    }
    t.ok(frame.entries.length <= 100)
    lines += frame.entries.length
    dropped.push(...frame.dropped)
  }
  t.equal(lines, 1000)
  t.strictSame(
    dropped.map(({ ns }) => ns),
    [at(1000), at(1001), at(1002)],
  )
})

t.test('bounds the memory of long lines', async (t) => {
  const session = await loaded(t, makeSession('{app="shop"}'))
  session.offer(batchOf([shop(Array.from({ length: 60 }, (_, i) => `${i}`.padEnd(200_000)))]), CLOCK.nowMs())
  const frames = [...framesOf(session)]
  t.equal(frames.flatMap(({ entries }) => entries).length, 42)
  t.equal(frames.flatMap(({ dropped }) => dropped).length, 18)
  for (const { entries } of frames) t.ok(entries.length <= 6, 'a frame is written in one go')
})

/** All due frames. */
function* framesOf(session: TailSession): Generator<TailFrame> {
  for (let frame = session.takeFrame(CLOCK.nowMs()); frame !== undefined; frame = session.takeFrame(CLOCK.nowMs())) {
    yield frame
  }
}

t.test('lines that take too long are copied and read later, in the same order', async (t) => {
  const session = await loaded(t, makeSession('{app="shop"} |= "x"'))
  const numbers = Array.from({ length: 50 }, (_, i) => i)
  const other = { labels: { app: 'mail' }, entries: [{ ns: at(0), line: 'x' }] }
  let looks = 0
  const batch = batchOf([shop(numbers.map((i) => `x${i}`)), other])
  t.ok(session.offer(batch, CLOCK.nowMs(), () => ++looks > 10))
  t.equal(looks, 11, 'the rest is not looked at')
  batch.text.fill(0)
  t.ok(session.offer(batchOf([shop(['x50', 'y', 'x51'], 50)]), CLOCK.nowMs()), 'later pushes come after it')
  t.ok(session.hasPending)
  finishSlices(session.readPending())
  t.notOk(session.hasPending)
  const lines = [...framesOf(session)].flatMap(({ entries }) => entries.map(({ line }) => line))
  t.strictSame(
    lines,
    [...numbers, 50, 51].map((i) => `x${i}`),
  )
})

t.test('lines that are too many to copy are reported as dropped', async (t) => {
  const session = await loaded(t, makeSession('{app="shop"}'))
  const large = shop(Array.from({ length: 50 }, (_, i) => `${i}`.padEnd(200_000)))
  t.ok(session.offer(batchOf([large]), CLOCK.nowMs(), () => true))
  const frames = [...framesOf(session)]
  t.equal(frames.flatMap(({ entries }) => entries).length, 1)
  t.equal(frames.flatMap(({ dropped }) => dropped).length, 49)
})

t.test('copies entries, because the memory of a batch is reused', async (t) => {
  const session = await loaded(t, makeSession('{app="shop"}'))
  const batch = batchOf([shop(['first'])])
  session.offer(batch, CLOCK.nowMs())
  batch.text.fill(0)
  t.strictSame(linesOf(session), ['first'])
})
