import fc from 'fast-check'
import t from 'tap'
import {
  countOf,
  MINUTES_OF_DAY,
  MINUTES_OF_WEEK,
  meanAt,
  type RateShape,
  randomOf,
  SHOP,
} from '../../../scripts/simulated-rates.ts'
import { type Anomaly, type BaselineSettings, RateBaseline } from '../../../src/domain/rules/rate-baseline.ts'

const SETTINGS: BaselineSettings = { warmUpHours: 168, factor: 2, countMin: 30 }

interface Run {
  readonly shape?: RateShape
  readonly seed?: number
  readonly minutes: number
  /** Factor of the mean of a minute; undefined: no observation. */
  readonly change?: (minute: number) => number | undefined
  readonly settings?: BaselineSettings
}

interface Found extends Anomaly {
  readonly endMinute: number | undefined
}

/** The anomalies of a simulated series. */
function findAnomalies({ shape = SHOP, seed = 1, minutes, change = () => 1, settings = SETTINGS }: Run): Found[] {
  const random = randomOf(seed)
  const baseline = RateBaseline.empty()
  const found: Found[] = []
  let open: Anomaly | undefined
  for (let minute = 0; minute < minutes; minute++) {
    const factor = change(minute)
    const count = countOf(meanAt(shape, minute) * (factor ?? 1), shape.dispersion, random)
    if (factor !== undefined) baseline.observe(minute, count, settings)
    const { anomaly } = baseline
    if (anomaly !== undefined && open === undefined) found.push({ ...anomaly, endMinute: undefined })
    if (anomaly === undefined && open !== undefined) found.push({ ...(found.pop() as Found), endMinute: minute })
    open = anomaly
  }
  return found
}

const SHAPES: readonly (readonly [name: string, shape: RateShape])[] = [
  ['a shop with days, nights and weekends', SHOP],
  ['the same without bursts', { ...SHOP, dispersion: 1 }],
  ['the same with many bursts', { ...SHOP, dispersion: 40 }],
  ['a small service', { ...SHOP, busy: 5, dispersion: 1 }],
  ['one that sleeps at night', { ...SHOP, night: 0.01 }],
  ['one that grows by a tenth every day', { ...SHOP, drift: 0.1 }],
]

for (const [name, shape] of SHAPES) {
  t.test(`no false alarm in eight weeks after the first: ${name}`, async (t) => {
    for (const seed of [1, 2]) t.strictSame(findAnomalies({ shape, seed, minutes: 5 * MINUTES_OF_WEEK }), [])
  })
}

/** With the first and the last hour of the day in which it starts. */
const CHANGES: readonly (readonly [
  name: string,
  factor: number,
  direction: 'more' | 'fewer',
  delayMax: number,
  first: number,
  last: number,
])[] = [
  ['ten times the lines', 10, 'more', 4, 0, 23],
  ['three times the lines', 3, 'more', 12, 0, 23],
  ['no line at all', 0, 'fewer', 4, 0, 23],
  ['a fifth of the lines, by day,', 0.2, 'fewer', 5, 8, 20],
]

for (const [name, factor, direction, delayMax, first, last] of CHANGES) {
  t.test(
    `${name} for an hour is found within ${delayMax} minutes, and over a quarter of an hour after it`,
    async (t) => {
      for (let time = first; time <= last; time++) {
        const start = 2 * MINUTES_OF_WEEK + time * 60
        const change = (minute: number) => (minute >= start && minute < start + 60 ? factor : 1)
        const [found, ...others] = findAnomalies({ seed: time, minutes: start + 100, change })
        t.strictSame(others, [])
        t.equal(found?.direction, direction)
        t.ok(
          (found?.sinceMinute ?? Number.NaN) - start < delayMax,
          `found after ${found && found.sinceMinute - start} min`,
        )
        t.ok((found?.endMinute ?? Number.NaN) - start - 60 < 15)
      }
    },
  )
}

t.test('a single outlier is not an anomaly', async (t) => {
  const start = 2 * MINUTES_OF_WEEK + 700
  t.strictSame(findAnomalies({ minutes: start + 60, change: (minute) => (minute === start ? 500 : 1) }), [])
})

t.test('minutes without observation are unknown, not empty', async (t) => {
  const start = 2 * MINUTES_OF_WEEK + 700
  const change = (minute: number) => (minute >= start && minute < start + 300 ? undefined : 1)
  t.strictSame(findAnomalies({ minutes: start + 1000, change }), [])
})

t.test('a change that lasts a day becomes normal', async (t) => {
  const start = 2 * MINUTES_OF_WEEK + 700
  const change = (minute: number) => (minute >= start ? 4 : 1)
  const found = findAnomalies({ minutes: start + 3 * MINUTES_OF_DAY, change })
  t.match(found[0], { direction: 'more', endMinute: start + MINUTES_OF_DAY + (found[0]?.sinceMinute ?? 0) - start })
  t.equal(found.length, 1)
})

t.test('nothing is judged before the warm-up or for few lines', async (t) => {
  const start = 3 * MINUTES_OF_DAY
  const change = (minute: number) => (minute >= start && minute < start + 60 ? 10 : 1)
  t.strictSame(findAnomalies({ minutes: start + 100, change }), [])
  t.equal(findAnomalies({ minutes: start + 100, change, settings: { ...SETTINGS, warmUpHours: 48 } }).length, 1)
  const late = 2 * MINUTES_OF_WEEK + 700
  const burst = (minute: number) => (minute >= late && minute < late + 60 ? 10 : 1)
  const shape = { ...SHOP, busy: 0.5, dispersion: 1 }
  t.strictSame(
    findAnomalies({ shape, minutes: late + 100, change: burst, settings: { ...SETTINGS, countMin: 100 } }),
    [],
  )
})

t.test('a new level of a known service is judged from its first minutes', async (t) => {
  const baseline = RateBaseline.silent(500, 1000)
  baseline.observe(1000, 200, SETTINGS)
  baseline.observe(1001, 200, SETTINGS)
  baseline.observe(1002, 200, SETTINGS)
  t.equal(baseline.anomaly, undefined)
  baseline.observe(1003, 200, SETTINGS)
  t.match(baseline.anomaly, { direction: 'more', sinceMinute: 1003 })
})

t.test('a restored baseline continues unchanged', async (t) => {
  const random = randomOf(7)
  const stays = RateBaseline.empty()
  let moves = RateBaseline.empty()
  for (let minute = 0; minute < 2 * MINUTES_OF_WEEK; minute++) {
    const count = countOf(meanAt(SHOP, minute) * (minute > 15_000 && minute < 15_060 ? 5 : 1), 2, random)
    stays.observe(minute, count, SETTINGS)
    moves.observe(minute, count, SETTINGS)
    if (minute % 97 === 0) moves = RateBaseline.restore(JSON.parse(JSON.stringify(moves.state())))
    if (stays.anomaly?.sinceMinute !== moves.anomaly?.sinceMinute) return t.fail(`differs at minute ${minute}`)
  }
  const [a, b] = [stays.state(), moves.state()]
  t.ok(Math.abs(a.scale - b.scale) < 0.2 && Math.abs(a.noise - b.noise) < 0.1, 'but for hundredths')
})

t.test('any counts in any minutes leave a bounded baseline of finite numbers', async (t) => {
  const minutes = fc.array(
    fc.record({ step: fc.integer({ min: 1, max: 4000 }), count: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) }),
    { maxLength: 500 },
  )
  const isSound = fc.property(minutes, (steps) => {
    const baseline = RateBaseline.empty()
    let minute = 0
    for (const { step, count } of steps) {
      minute += step
      baseline.observe(minute, count, { ...SETTINGS, warmUpHours: 0 })
    }
    const state = baseline.state()
    const text = JSON.stringify(state)
    return [state.scale, state.noise].every(Number.isFinite) && state.noise >= 1 && text.length < 8000
  })
  t.doesNotThrow(() => fc.assert(isSound, { numRuns: 100 }))
})
