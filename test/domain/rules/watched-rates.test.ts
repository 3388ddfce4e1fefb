import fc from 'fast-check'
import t from 'tap'
import { WatchedRates } from '../../../src/domain/rules/watched-rates.ts'

const SETTINGS = { warmUpHours: 1, factor: 2, countMin: 30, seriesMax: 250 }
const names = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ service: `s${at}`, level: 'info', count: 1 }))

t.test('the texts of many series are bounded, and restore all of them', async (t) => {
  const rates = new WatchedRates(SETTINGS)
  for (let minute = 0; minute < 300; minute++) rates.observe(minute, names(250))
  const texts = rates.texts()
  t.equal(texts.length, 3)
  t.ok(texts.every((text) => text.length < 200_000))
  const again = new WatchedRates(SETTINGS)
  again.load(texts)
  t.strictSame([again.figures, again.lastMinute], [rates.figures, rates.lastMinute])
  t.strictSame(again.texts(), texts)
})

t.test('a series without lines for weeks is dropped', async (t) => {
  const rates = new WatchedRates({ ...SETTINGS, seriesMax: 1 })
  rates.observe(0, names(1))
  for (let minute = 1; minute < 5 * 10_080; minute++) rates.observe(minute, [])
  t.equal(rates.figures.series, 0)
  rates.observe(5 * 10_080, [{ service: 'new', level: 'info', count: 1 }])
  t.equal(rates.figures.series, 1)
})

t.test('any texts leave rates that can be observed', async (t) => {
  const text = fc.oneof(
    fc.json(),
    fc.json().map((value) => `{"version":1,"minute":5,"series":[${value}]}`),
    fc.json().map((value) => `{"version":1,"minute":${value},"series":[{"service":"a","level":"b","hours":[1]}]}`),
  )
  const isSound = fc.property(fc.array(text, { maxLength: 3 }), (texts) => {
    const rates = new WatchedRates(SETTINGS)
    rates.load(texts)
    rates.observe(100, names(2))
    return rates.figures.series >= 2
  })
  t.doesNotThrow(() => fc.assert(isSound, { numRuns: 300 }))
})
