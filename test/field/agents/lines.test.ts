import t from 'tap'
import type { FoundEntry } from '../../support/read-back.ts'
import { lineOf, tally } from './lines.ts'

const entry = (line: string, ns = 0n, stream = { job: 'app' }): FoundEntry => ({ line, ns, stream, metadata: {} })
const [a, b, c] = [0, 1, 2].map((n) => entry(lineOf(n, 0), BigInt(n))) as [FoundEntry, FoundEntry, FoundEntry]
const clean = { wanted: 3, found: 3, lost: 0, doubled: 0, reordered: 0, changed: 0 }

const CASES: [name: string, entries: FoundEntry[], want: Partial<typeof clean>][] = [
  ['all of them', [a, b, c], {}],
  ['one is missing', [a, c], { found: 2, lost: 1 }],
  ['one came twice', [a, b, b, c], { found: 4, doubled: 1 }],
  ['two changed places', [a, c, b], { reordered: 1 }],
  ['two streams keep their own order', [c, { ...a, stream: { job: 'other' } }, { ...b, stream: { job: 'other' } }], {}],
  ['a message is cut off', [a, b, entry('{"n":2,"msg":"x"}')], { lost: 1, changed: 1 }],
  ['a line is no JSON', [a, b, entry('{')], { lost: 1, changed: 1 }],
  ['a line is of no number', [a, b, c, entry(lineOf(3, 0))], { found: 4, changed: 1 }],
  ['keys are left out', [a, b, entry(JSON.stringify({ msg: JSON.parse(c.line).msg, n: 2 }))], {}],
]

for (const [name, entries, want] of CASES) {
  t.test(`lines are counted: ${name}`, async (t) => {
    t.strictSame(tally(entries, 3), { ...clean, ...want })
  })
}
