import fc from 'fast-check'
import t from 'tap'
import {
  approximateNs,
  compareNs,
  fitsNs,
  formatRfc3339,
  makeNsColumn,
  msToNs,
  NS_MAX,
  NS_MIN,
  nsColumnOf,
  parseRfc3339,
  writeNs,
} from '../../src/domain/time.ts'

const RFC3339: [text: string, ns: bigint][] = [
  ['1970-01-01T00:00:00Z', 0n],
  ['1969-12-31T23:59:59.999999999Z', -1n],
  ['2026-11-21T10:00:00Z', 1_795_255_200_000_000_000n],
  ['2026-11-21T10:00:00.5Z', 1_795_255_200_500_000_000n],
  ['2026-11-21T10:00:00.000000001Z', 1_795_255_200_000_000_001n],
  ['2024-02-29T00:00:00Z', 1_709_164_800_000_000_000n],
  ['1677-09-21T00:12:43.145224192Z', NS_MIN],
  ['2262-04-11T23:47:16.854775807Z', NS_MAX],
]
for (const [text, ns] of RFC3339) {
  t.test(`${text} is ${ns} ns, both ways`, async (t) => {
    t.equal(formatRfc3339(ns), text)
    t.equal(parseRfc3339(text), ns)
  })
}

const READ: [name: string, text: string, ns: bigint][] = [
  ['an offset', '2026-11-21T12:00:00+02:00', 1_795_255_200_000_000_000n],
  ['a negative offset', '2026-11-21T08:30:00-01:30', 1_795_255_200_000_000_000n],
  ['lower-case letters', '2026-11-21t10:00:00z', 1_795_255_200_000_000_000n],
  ['digits beyond the nanosecond, cut off', '1970-01-01T00:00:00.1234567899Z', 123_456_789n],
  ['a year before the range', '0001-01-01T00:00:00Z', -62_135_596_800_000_000_000n],
]
for (const [name, text, ns] of READ) t.test(`reads ${name}`, async (t) => t.equal(parseRfc3339(text), ns))

const REFUSED: [name: string, text: string][] = [
  ['nothing', ''],
  ['a day alone', '2026-11-21'],
  ['no zone', '2026-11-21T10:00:00'],
  ['no seconds', '2026-11-21T10:00Z'],
  ['31 February', '2026-02-31T00:00:00Z'],
  ['29 February of another year', '2026-02-29T00:00:00Z'],
  ['a month 13', '2026-13-01T00:00:00Z'],
  ['an hour 24', '2026-11-21T24:00:00Z'],
  ['a minute 60', '2026-11-21T10:60:00Z'],
  ['a fraction without digits', '2026-11-21T10:00:00.Z'],
  ['a comma', '2026-11-21T10:00:00,5Z'],
  ['space around it', ' 2026-11-21T10:00:00Z'],
  ['a line break at its end', '2026-11-21T10:00:00Z\n'],
  ['an offset of 25 hours', '2026-11-21T10:00:00+25:00'],
  ['digits of another script', '２０２６-11-21T10:00:00Z'],
]
for (const [name, text] of REFUSED) {
  t.test(`rejects ${name}`, async (t) => t.equal(parseRfc3339(text), undefined))
}

const instant = fc.oneof(
  fc.bigInt({ min: NS_MIN, max: NS_MAX }),
  fc.bigInt({ min: -5n * 10n ** 9n, max: 5n * 10n ** 9n }),
)

t.test('formatted times can be read back', async () => {
  fc.assert(
    fc.property(instant, (ns) => parseRfc3339(formatRfc3339(ns)) === ns),
    { numRuns: 2000 },
  )
})

t.test('seconds and nanos are stored as exact nanoseconds', async () => {
  const parts = fc.record({
    seconds: fc.integer({ min: -9_223_372_035, max: 9_223_372_035 }),
    nanos: fc.nat(999_999_999),
  })
  fc.assert(
    fc.property(parts, ({ seconds, nanos }) => {
      const column = makeNsColumn(3)
      writeNs(column, 1, seconds, nanos)
      return (
        fitsNs(seconds, nanos) &&
        column.values[1] === BigInt(seconds) * 1_000_000_000n + BigInt(nanos) &&
        column.values[0] === 0n &&
        column.values[2] === 0n
      )
    }),
    { numRuns: 5000 },
  )
})

t.test('columns compare like their bigints, exactly and approximately', async () => {
  fc.assert(
    fc.property(instant, fc.oneof(instant, fc.constantFrom(-1n, 0n, 1n, 2n ** 32n)), (a, b) => {
      const column = nsColumnOf(BigInt64Array.of(a, BigInt.asIntN(64, b)))
      const [x, y] = [column.values[0] as bigint, column.values[1] as bigint]
      const order = x < y ? -1 : x > y ? 1 : 0
      const rough = approximateNs(column, 0) - approximateNs(column, 1)
      return Math.sign(compareNs(column, 0, column, 1)) === order && (rough === 0 || Math.sign(rough) === order)
    }),
    { numRuns: 5000 },
  )
})

t.test('a view of part of a column has the same times', async (t) => {
  const whole = BigInt64Array.of(1n, -2n, NS_MAX, NS_MIN)
  const part = nsColumnOf(whole.subarray(1, 3))
  t.same([...part.values], [-2n, NS_MAX])
  t.equal(part.words.length, 4)
  t.equal(compareNs(part, 0, part, 1) < 0, true)
})

t.test('times outside 64-bit nanoseconds are detected', async (t) => {
  for (const seconds of [9_223_372_036, -9_223_372_036, 1e300, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.notOk(fitsNs(seconds, 0), `${seconds}`)
  }
  for (const nanos of [-1, 1e9, Number.NaN]) t.notOk(fitsNs(0, nanos), `${nanos} nanos`)
  t.equal(msToNs(1.9), 1_000_000n)
  t.equal(msToNs(-0.5), -1_000_000n)
})
