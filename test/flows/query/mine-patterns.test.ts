import t, { type Test } from 'tap'
import { type LinePattern, minePatterns } from '../../../src/flows/query/mine-patterns.ts'
import type { Clock } from '../../../src/ports/log-store.ts'
import { FixedClock, makeBatch, openAdmission, openStore } from '../../support/helper.ts'

const STEP_NS = 10_000_000_000n

async function fill(t: Test, lines: number, line: (i: number) => string) {
  const clock = new FixedClock()
  const store = openStore(t, clock, { blockBytes: 64 * 1024 })
  const end = clock.nowNs
  for (let from = 0; from < lines; from += 10_000) {
    const count = Math.min(10_000, lines - from)
    const entries = Array.from({ length: count }, (_, k) => ({ ns: end - BigInt(from + k + 1), line: line(from + k) }))
    await store.append(makeBatch([{ labels: { app: 'shop' }, entries }], openAdmission(clock)))
  }
  const look = (by: Clock = clock) =>
    minePatterns(store, by, { tenant: 'fake', matchers: [], start: 0n, end, stepNs: STEP_NS })
  const mine = async (by?: Clock) => (await look(by)).patterns
  return { look, mine, end }
}

const linesIn = (patterns: readonly LinePattern[]): number =>
  patterns.flatMap(({ samples }) => samples).reduce((sum, [, count]) => sum + count, 0)

t.test('reads the newest lines, up to its limit', async (t) => {
  const { mine } = await fill(t, 60_000, (i) => (i < 50_000 ? 'new line' : 'old line'))
  const patterns = await mine()
  t.equal(linesIn(patterns), 50_000)
  t.strictSame(
    patterns.map(({ pattern }) => pattern),
    ['new line'],
  )
})

t.test('says how far it looked', async (t) => {
  const few = await fill(t, 100, () => 'a line')
  t.strictSame((await few.look()).looked, { lines: 100, oldestNs: few.end - 100n, isWhole: true })
  const many = await fill(t, 60_000, () => 'a line')
  t.strictSame((await many.look()).looked, { lines: 50_000, oldestNs: many.end - 50_000n, isWhole: false })
  const none = await fill(t, 0, () => '')
  t.strictSame((await none.look()).looked, { lines: 0, oldestNs: undefined, isWhole: true })
  let ms = 0
  const late = await few.look({ nowMs: () => 0, monotonicMs: () => (ms += 10_000) })
  t.equal(late.looked.isWhole, false, 'its time was up')
})

t.test('stops when its time is up', async (t) => {
  const { mine } = await fill(t, 20_000, (i) => `line number ${i} of many that are here`)
  let ms = 0
  const patterns = await mine({ nowMs: () => 0, monotonicMs: () => (ms += 1000) })
  t.ok(linesIn(patterns) > 0)
  t.ok(linesIn(patterns) < 20_000)
})

t.test('merges clusters with the same pattern, and returns the steps in order', async (t) => {
  const { mine, end } = await fill(t, 100, (i) => `request ${i} done`)
  const [only, ...others] = await mine()
  t.strictSame(others, [])
  t.equal(only?.pattern, 'request <_> done')
  t.strictSame(only?.samples, [[Number(end / 1_000_000_000n) - 10, 100]])
})

t.test('reads only the start of a long line, without splitting a character', async (t) => {
  const { mine } = await fill(t, 1, () => `begin ${'ü€🦊'.repeat(2000)}`)
  t.strictSame(
    (await mine()).map(({ pattern }) => pattern),
    ['begin <_>'],
  )
})
