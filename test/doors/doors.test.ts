import t from 'tap'
import { HOMES, type TestHome } from '../support/homes.ts'
import { checkDoors } from './check-doors.ts'
import { parseDoorFile, readDoorCases } from './door-file.ts'
import { faultOf } from './door-run.ts'

const cases = readDoorCases()

checkDoors(HOMES[0] as TestHome)

t.test('the suite has the promised number of cases', async (t) => {
  t.ok(cases.length >= 60, `${cases.length} cases`)
  t.equal(new Set(cases.map(({ file, name }) => `${file} ${name}`)).size, cases.length, 'each has a name of its own')
})

t.test('a case without a request or a response is an error, not skipped', async (t) => {
  t.throws(() => parseDoorFile('x.txt', '== a\nbody\n--\n200\n'), /has no line "POST/)
  t.throws(() => parseDoorFile('x.txt', '== a\nPOST /x\n\nbody\n--\nno status\n'), /has no line with a status/)
})

t.test('a server that loses lines is detected', async (t) => {
  const outcome = { status: 204, text: '', stored: [], sent: ['x'] }
  t.match(faultOf(outcome), /204, and 1 of 1 lines are not found/)
  t.match(faultOf({ ...outcome, status: 400 }), /without a word/)
  t.match(faultOf({ ...outcome, status: 500, text: 'oops' }), /answered 500/)
  t.equal(faultOf({ ...outcome, status: 400, text: 'no' }), undefined)
  t.equal(faultOf({ ...outcome, stored: ['x'] }), undefined)
  t.equal(faultOf({ ...outcome, text: '{"partialSuccess":{"rejectedLogRecords":"1"}}' }), undefined)
})
