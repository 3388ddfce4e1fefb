import t from 'tap'
import { nearestName } from '../../src/kit/nearest-name.ts'

const NAMES = ['serve', 'token', 'hash-password', 'help']
const ROWS: [string, string, string | undefined][] = [
  ['two letters swapped', 'sevre', 'serve'],
  ['one letter too many', 'tokens', 'token'],
  ['one letter less', 'hlp', 'help'],
  ['another case', 'SERVE', 'serve'],
  ['a word far from all', 'frobnicate', undefined],
  ['nothing', '', undefined],
  ['a text of any length', 'x'.repeat(100_000), undefined],
]
for (const [name, given, wanted] of ROWS) {
  t.test(`finds the nearest name for ${name}`, async (t) => t.equal(nearestName(given, NAMES), wanted))
}
