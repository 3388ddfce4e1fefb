import fc from 'fast-check'
import t from 'tap'
import { formatSeconds, formatValue } from '../../../src/protocol/loki/loki-number.ts'

t.test('numbers are printed without an exponent', async (t) => {
  for (const [value, text] of [
    [0, '0'],
    [-0, '-0'],
    [1.5, '1.5'],
    [1e21, '1000000000000000000000'],
    [1.25e21, '1250000000000000000000'],
    [1e-7, '0.0000001'],
    [-1.5e-7, '-0.00000015'],
    [123456789.125, '123456789.125'],
    [5e-324, `0.${'0'.repeat(323)}5`],
    [Number.MAX_VALUE, `17976931348623157${'0'.repeat(292)}`],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NEGATIVE_INFINITY, '-Inf'],
  ] as const) {
    t.equal(formatValue(value), text)
  }
})

t.test('a formatted number parses to the same number', async (t) => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      const text = formatValue(value)
      if (text.endsWith('Inf')) return
      if (!/^-?\d+(\.\d+)?$/.test(text) || !Object.is(Number(text), value)) throw new Error(text)
    }),
  )
  t.pass('no difference was found')
})

t.test('times are seconds with at most three decimals', async (t) => {
  for (const [ns, text] of [
    [0n, '0'],
    [1_700_000_000_000_000_000n, '1700000000'],
    [1_700_000_000_250_000_000n, '1700000000.25'],
    [1_700_000_000_001_999_999n, '1700000000.001'],
    [4_000_000_000_000_000_000n, '4000000000'],
    [-1_500_000_000n, '-1.5'],
  ] as const) {
    t.equal(formatSeconds(ns), text)
  }
})
