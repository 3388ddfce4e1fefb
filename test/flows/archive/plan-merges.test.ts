import t from 'tap'
import { planMerges } from '../../../src/flows/archive/plan-merges.ts'
import type { ArchiveFile } from '../../../src/ports/archive.ts'

const HOUR = 3600_000
const MIB = 2 ** 20
/** 2026-11-29, an hour of which has six ten minutes. */
const DAY_MS = Date.UTC(2026, 10, 29)
const FIRST = DAY_MS / 600_000
const END_MS = DAY_MS + 24 * HOUR

const file = (key: string, span: number, rest: Partial<ArchiveFile> = {}): ArchiveFile => ({
  key,
  day: '2026-11-29',
  bytes: MIB,
  rows: 1,
  lineBytes: 1,
  oldest: 0n,
  newest: 0n,
  first: { tenant: 'a', stream: 0n },
  last: { tenant: 'a', stream: 0n },
  indexStart: 0,
  indexBytes: 0,
  span: FIRST + span,
  level: 0,
  committedMs: DAY_MS,
  ...rest,
})
const plan = (files: readonly ArchiveFile[], nowMs: number) =>
  planMerges(files, END_MS, nowMs).map(({ level, files }) => `${level}: ${files.map(({ key }) => key).join(' ')}`)

const HOUR_FILES = [file('b', 1), file('a', 0), file('c', 6), file('d', 7)]

t.test('the files of an hour become one when it is over, earlier arrivals first', async (t) => {
  t.same(plan(HOUR_FILES, DAY_MS + HOUR), [])
  t.same(plan(HOUR_FILES, DAY_MS + HOUR + 900_000), ['1: a b'])
  t.same(plan(HOUR_FILES, DAY_MS + 3 * HOUR), ['1: a b', '1: c d'])
  t.same(plan([file('a', 0), file('c', 6)], DAY_MS + 3 * HOUR), [], 'one file is what it would become')
})

t.test('the files of a day become one two hours after its end, in parts of 256 MiB', async (t) => {
  t.same(plan(HOUR_FILES, END_MS + 2 * HOUR), ['2: a b c d'])
  const large = HOUR_FILES.map((each) => ({ ...each, bytes: 100 * MIB }))
  t.same(plan(large, END_MS + 2 * HOUR), ['2: a b', '2: c d'])
  const done = [file('x', 5, { level: 2 }), file('y', 8, { level: 2 })]
  t.same(plan([...done, file('late', 200)], END_MS + 40 * HOUR), [], 'a late one stays by itself')
  t.same(plan([...done, file('late', 200), file('later', 201)], END_MS + 40 * HOUR), ['2: late later'])
})

t.test('many small files of late lines are merged once more', async (t) => {
  const small = Array.from({ length: 8 }, (_, i) => file(`s${i}`, i, { level: 2 }))
  t.same(plan(small, END_MS + 9 * HOUR), ['2: s0 s1 s2 s3 s4 s5 s6 s7'])
  t.same(plan(small.slice(1), END_MS + 9 * HOUR), [])
})

t.test('what was committed a moment ago stays: a reader may have an older state', async (t) => {
  const nowMs = DAY_MS + 3 * HOUR
  const files = HOUR_FILES.map((each) => ({ ...each, committedMs: nowMs - 899_999 }))
  t.same(plan(files, nowMs), [])
  t.same(plan(files, nowMs + 1), ['1: a b', '1: c d'])
})
