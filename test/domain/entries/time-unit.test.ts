import t from 'tap'
import { faultOfTime, unitOfEarlyTime, unitOfHugeSeconds } from '../../../src/domain/entries/time-unit.ts'

const NOW_MS = Date.UTC(2026, 10, 29)
const DAY_MS = 86_400_000

/** The unit of a count that was read as nanoseconds. */
function unitOf(count: number): string | undefined {
  const seconds = Math.floor(count / 1e9)
  return unitOfEarlyTime(seconds, count - seconds * 1e9, NOW_MS)
}

t.test('recognises times that are no nanoseconds', async (t) => {
  const rows: [name: string, count: number, unit: string | undefined][] = [
    ['seconds', NOW_MS / 1000, 'seconds'],
    ['milliseconds', NOW_MS, 'milliseconds'],
    ['microseconds', NOW_MS * 1e3, 'microseconds'],
    ['nanoseconds', NOW_MS * 1e6, undefined],
    ['milliseconds of half a year ago', NOW_MS - 180 * DAY_MS, 'milliseconds'],
    ['milliseconds of half a year ahead', NOW_MS + 180 * DAY_MS, 'milliseconds'],
    ['milliseconds of two years ago', NOW_MS - 730 * DAY_MS, undefined],
    ['the epoch', 0, undefined],
    ['a nanosecond', 1, undefined],
    ['1999 in nanoseconds', Date.UTC(1999, 11, 31) * 1e6, undefined],
    ['1980 in nanoseconds', Date.UTC(1980, 0, 1) * 1e6, undefined],
    ['before 1970', -NOW_MS, undefined],
  ]
  for (const [name, count, unit] of rows) t.equal(unitOf(count), unit, name)
})

t.test('recognises the unit in the field for seconds', async (t) => {
  t.equal(unitOfHugeSeconds(NOW_MS, NOW_MS), 'milliseconds')
  t.equal(unitOfHugeSeconds(NOW_MS * 1e6, NOW_MS), 'nanoseconds')
  t.equal(unitOfHugeSeconds(-62_135_596_800, NOW_MS), undefined)
})

t.test('names what is wrong with a time outside the range', async (t) => {
  t.equal(faultOfTime(1, -1, NOW_MS), 'with -1 nanoseconds in its second; send 0 to 999999999')
  t.equal(faultOfTime(1, 1e9, NOW_MS), 'with 1000000000 nanoseconds in its second; send 0 to 999999999')
  t.equal(faultOfTime(NOW_MS, 0, NOW_MS), 'that looks like milliseconds; send seconds')
  t.equal(faultOfTime(-1e18, 0, NOW_MS), 'outside the years 1677 to 2262')
})
