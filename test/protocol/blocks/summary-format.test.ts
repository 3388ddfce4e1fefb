import fc from 'fast-check'
import t from 'tap'
import type { SummarisedRun, SummaryPart } from '../../../src/domain/entries/run-summary.ts'
import { NS_MAX, NS_MIN } from '../../../src/domain/time.ts'
import { decodeSummaries, encodeSummaries } from '../../../src/protocol/blocks/summary-format.ts'

const TIME = fc.oneof(fc.bigInt(NS_MIN, NS_MAX), fc.constantFrom(NS_MIN, NS_MAX, 0n, -1n, 2n ** 53n, 2n ** 53n + 1n))
const AMOUNT = fc.oneof(fc.nat(300), fc.nat(2 ** 31), fc.constantFrom(127, 128, 2 ** 28 - 1, 2 ** 28, 2 ** 40))
const COUNTS = fc.uniqueArray(
  fc.record({ level: fc.nat(255), entries: AMOUNT, bytes: AMOUNT }, { noNullPrototype: true }),
  {
    minLength: 1,
    maxLength: 9,
    selector: ({ level }) => level,
  },
)
const NAMES = Array.from({ length: 24 }, (_, i) => `name_${i}_${'é'.repeat(i)}`)

const RUN: fc.Arbitrary<SummarisedRun> = fc
  .record({
    times: fc.array(TIME, { minLength: 2, maxLength: 12 }),
    counts: fc.array(COUNTS, { minLength: 6, maxLength: 6 }),
    metadataNames: fc.option(fc.subarray(NAMES), { nil: undefined }),
  })
  .map(({ times, counts, metadataNames }) => {
    const sorted = times.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    const parts: SummaryPart[] = []
    for (let i = 0; i + 1 < sorted.length; i += 2) {
      const own = counts[i / 2] ?? []
      const entries = own.reduce((sum, count) => sum + count.entries, 0)
      parts.push({ oldest: sorted[i] as bigint, newest: sorted[i + 1] as bigint, entries, counts: own })
    }
    return { parts, metadataNames }
  })

const IDS = Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0)

t.test('decoding gives what was encoded, at the borders of all numbers', async (t) => {
  fc.assert(
    fc.property(fc.array(RUN, { minLength: 1, maxLength: 8 }), (runs) => {
      const decoded = decodeSummaries(encodeSummaries(runs, IDS), IDS)
      const sorted = (run: SummarisedRun) => ({
        ...run,
        metadataNames: run.metadataNames && [...run.metadataNames].sort(),
      })
      t.strictSame(decoded.map(sorted), runs.map(sorted))
    }),
    { numRuns: 100 },
  )
})

const PART: SummaryPart = { oldest: 5n, newest: 70n, entries: 3, counts: [{ level: 4, entries: 3, bytes: 12 }] }
const ENCODED = encodeSummaries([{ parts: [PART, PART], metadataNames: ['trace'] }], IDS)

t.test('a summary of one run takes few bytes', async (t) => {
  t.ok(encodeSummaries([{ parts: [PART], metadataNames: [] }], IDS).length <= 24)
})

t.test('a changed bit, truncation, or the ids of other streams are damage', async (t) => {
  for (let bit = 0; bit < ENCODED.length * 8; bit++) {
    const changed = ENCODED.slice()
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
    t.throws(() => decodeSummaries(changed, IDS), { code: 'store_damaged' }, `bit ${bit}`)
  }
  for (let length = 0; length < ENCODED.length; length++) {
    t.throws(() => decodeSummaries(ENCODED.subarray(0, length), IDS), { code: 'store_damaged' }, `${length} bytes`)
  }
  t.throws(() => decodeSummaries(ENCODED, Uint8Array.of(2, 0, 0, 0, 1, 0, 0, 0)), { code: 'store_damaged' })
})
