import fc from 'fast-check'
import t from 'tap'
import { formatDuration, parseDuration } from '../../src/domain/duration.ts'

const READ: [string, number | undefined][] = [
  ['0', 0],
  ['7d', 604_800_000],
  ['2w', 1_209_600_000],
  ['1h30m', 5_400_000],
  ['1d1ms', 86_400_001],
  ['500ms', 500],
  ['', undefined],
  ['5', undefined],
  ['m', undefined],
  ['30m1h', undefined],
  ['1h1h', undefined],
  ['-1h', undefined],
  ['1.5h', undefined],
  ['1H', undefined],
  [' 1h', undefined],
  ['99999999999d', undefined],
]
for (const [text, wanted] of READ) {
  t.test(`reads ${JSON.stringify(text)}`, async (t) => t.equal(parseDuration(text), wanted))
}

t.test('decodes what it encoded', async (t) => {
  const property = fc.property(fc.nat(2 ** 45), (ms) => parseDuration(formatDuration(ms)) === ms)
  t.doesNotThrow(() => fc.assert(property))
  t.equal(formatDuration(14 * 86_400_000 + 1), '14d1ms')
})
