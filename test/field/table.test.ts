import t from 'tap'
import type { FieldRow } from './harness.ts'
import { formatTable, isClean } from './table.ts'

const PASSED: FieldRow = {
  area: 'doors',
  name: 'pushes',
  outcome: { passed: 139, total: 139, note: 'stored', details: [] },
}
const PARTLY: FieldRow = {
  area: 'Loki fidelity',
  name: 'cases',
  outcome: { passed: 9, total: 10, note: 'Loki 3.7.6', details: ['one'] },
}
const SKIPPED: FieldRow = { area: 'agents', name: 'kills', outcome: { skipped: 'PROMTAIL_BIN is not set' } }
const FAILED: FieldRow = { area: 'emulators', name: 'moto', outcome: { failed: 'no answer' } }

t.test('the table has a row for each comparison, and reasons for skipped ones', async (t) => {
  t.equal(
    formatTable([PASSED, PARTLY, SKIPPED, FAILED]),
    [
      'area           comparison  passed   of  note',
      'doors          pushes         139  139  stored',
      'Loki fidelity  cases            9   10  Loki 3.7.6',
      'agents         kills            -    -  skipped: PROMTAIL_BIN is not set',
      'emulators      moto             -    -  failed: no answer',
    ].join('\n'),
  )
})

t.test('a skipped row is not a fault; a failed or incomplete one is', async (t) => {
  t.equal(isClean([PASSED, SKIPPED]), true)
  t.equal(isClean([PASSED, PARTLY]), false)
  t.equal(isClean([FAILED]), false)
})
