import fc from 'fast-check'
import t from 'tap'
import { parseBytes, parseGoDuration, parseGoFloat } from '../../../src/logql/pipeline/convert.ts'

t.test('durations as Go reads them', async (t) => {
  const accepted: [text: string, ns: number][] = [
    ['1ns', 1],
    ['1us', 1e3],
    ['1\u00b5s', 1e3],
    ['1\u03bcs', 1e3],
    ['250ms', 250e6],
    ['1s', 1e9],
    ['1.5s', 1.5e9],
    ['.5s', 0.5e9],
    ['1.s', 1e9],
    ['1h15m30.5s', 4530.5e9],
    ['-2m', -120e9],
    ['+2m', 120e9],
    ['0', 0],
    ['0.3333333333333333333h', 1_200_000_000_000],
    ['2562047h', 2562047 * 3600e9],
  ]
  for (const [text, ns] of accepted) t.equal(parseGoDuration(text), ns, text)
  for (const text of [
    '',
    '1',
    's',
    '.s',
    '-',
    '1d',
    '1w',
    '1 s',
    '1S',
    '1e3s',
    '1s ',
    '1s-1s',
    '2562048h',
    '1sx',
    '9'.repeat(300),
  ]) {
    t.equal(parseGoDuration(text), undefined, `refuses ${text.slice(0, 20)}`)
  }
})

t.test('sizes as humans write them, in any case (trap 12)', async (t) => {
  const accepted: [text: string, bytes: number][] = [
    ['0', 0],
    ['512', 512],
    ['1B', 1],
    ['1kb', 1000],
    ['1KB', 1000],
    ['1k', 1000],
    ['1KiB', 1024],
    ['1Ki', 1024],
    ['1.5 MiB', 1572864],
    ['1mb', 1e6],
    ['2GB', 2e9],
    ['1TiB', 2 ** 40],
    ['1,024', 1024],
    ['1.0001kb', 1000],
    ['15EiB', 15 * 2 ** 60],
  ]
  for (const [text, bytes] of accepted) t.equal(parseBytes(text), bytes, text)
  for (const text of ['', 'B', '-1', '1x', '1 1', '1kbb', '16EiB', 'MB1', '1.2.3', '1e3']) {
    t.equal(parseBytes(text), undefined, `refuses ${text}`)
  }
})

t.test('numbers as Go reads them', async (t) => {
  const accepted: [text: string, value: number][] = [
    ['1', 1],
    ['-1.5', -1.5],
    ['+.5', 0.5],
    ['1.', 1],
    ['1e3', 1000],
    ['1E-3', 0.001],
    ['inf', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['+Inf', Number.POSITIVE_INFINITY],
    ['0x1p-2', 0.25],
    ['-0X1.8p1', -3],
    ['1e-400', 0],
    ['1_000.5_5', 1000.55],
    ['1e1_0', 1e10],
    ['0x_1_0p3', 128],
  ]
  for (const [text, value] of accepted) t.equal(parseGoFloat(text), value, text)
  t.ok(Number.isNaN(parseGoFloat('NaN')))
  for (const text of [
    '',
    ' 1',
    '1 ',
    '1e400',
    '0x1',
    '0xp1',
    '1,5',
    'abc',
    '--1',
    '1__0',
    '_1',
    '1_',
    '1_.5',
    '1_e1',
    '1e_1',
    'Inf_',
    '0b1',
    'infin',
    '+nan',
    'e3',
  ]) {
    t.equal(parseGoFloat(text), undefined, `refuses ${text}`)
  }
})

t.test('any text has a finite value or none', async (t) => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[-+0-9.eEpPxXkmgtiBshnu, ]{0,20}$/))
  const property = fc.property(text, (value) => {
    const ns = parseGoDuration(value)
    const bytes = parseBytes(value)
    const number = parseGoFloat(value)
    const numbers = number === undefined || Number.isFinite(number) || /inf|nan/i.test(value)
    return numbers && (ns === undefined || Number.isFinite(ns)) && (bytes === undefined || bytes >= 0)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
})

t.test('a plain duration has the same value as part of a longer one', async (t) => {
  const unit = fc.constantFrom('ns', 'us', 'µs', 'μs', 'ms', 's', 'm', 'h', 'x', 'mm', 'ss')
  const text = fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 12n }), unit).map((parts) => parts.join(''))
  fc.assert(fc.property(text, (each) => t.equal(parseGoDuration(each), parseGoDuration(`${each}0ns`))))
})
