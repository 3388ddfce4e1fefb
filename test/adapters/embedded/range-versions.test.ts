import fc from 'fast-check'
import t from 'tap'
import { RangeVersions } from '../../../src/adapters/embedded/range-versions.ts'
import { NS_MAX, NS_MIN } from '../../../src/domain/time.ts'

const HOUR = 3600n * 1_000_000_000n

t.test('a change affects the overlapping ranges of its tenant', async (t) => {
  const versions = new RangeVersions()
  t.equal(versions.of(1, NS_MIN, NS_MAX), 0)
  versions.changed(1, 5n * HOUR, 6n * HOUR)
  const seen = versions.of(1, 5n * HOUR, 6n * HOUR)
  versions.changed(1, 8n * HOUR, 8n * HOUR)
  versions.changed(2, 5n * HOUR, 5n * HOUR)
  t.equal(versions.of(1, 5n * HOUR, 6n * HOUR), seen, 'other hours and other tenants are not affected')
  t.equal(versions.of(1, 0n, 4n * HOUR), 0)
  t.not(versions.of(1, 5n * HOUR, 9n * HOUR), seen)
  t.not(versions.of(1, NS_MIN, NS_MAX), seen)
})

t.test('a change of very many hours affects every range', async (t) => {
  const versions = new RangeVersions()
  versions.changed(1, NS_MIN, NS_MAX)
  t.not(versions.of(1, 5n * HOUR, 6n * HOUR), 0)
})

t.test('after any changes, the next one affects all overlapping ranges, in bounded memory', async (t) => {
  const instant = fc.oneof(
    fc.bigInt({ min: -30n * HOUR, max: 30n * HOUR }),
    fc.bigInt({ min: -5000n * HOUR, max: 5000n * HOUR }),
    fc.constantFrom(NS_MIN, NS_MAX),
  )
  const range = fc.tuple(instant, instant).map(([a, b]) => (a < b ? ([a, b] as const) : ([b, a] as const)))
  const property = fc.property(fc.array(range, { maxLength: 40 }), range, range, (before, [oldest, newest], asked) => {
    const versions = new RangeVersions()
    for (const change of before) versions.changed(1, ...change)
    const seen = versions.of(1, ...asked)
    versions.changed(1, oldest, newest)
    const isTouched = newest >= asked[0] && oldest < asked[1]
    return !isTouched || versions.of(1, ...asked) > seen
  })
  fc.assert(property, { numRuns: 500 })
  t.pass()
})
