import type { AddressInfo } from 'node:net'
import t from 'tap'
import { HOMES } from '../support/homes.ts'
import { fillIn, parseDoorFile, readDoorCases } from './door-file.ts'
import { type DoorTarget, differenceOf, faultOf, runDoorCase } from './door-run.ts'

const cases = readDoorCases()

for (const home of HOMES.slice(0, 2)) {
  t.test(`${home.name}: pushes that clients really send are stored, or refused in words`, async (t) => {
    const { app, clock } = await home.start(t, { MILLRACE_AGE_MAX: 'off' })
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    const target: DoorTarget = { url: `http://127.0.0.1:${port}`, headers: {}, nowMs: () => clock.ms, run: 'test' }
    for (const [index, door] of cases.entries()) {
      await t.test(`${door.file.replace('test/doors/cases/', '')}: ${door.name}`, async (t) => {
        const outcome = await runDoorCase(door, index, target)
        const fill = (text: string): string => fillIn(text, `door-test-${index}`, clock.ms)
        t.equal(differenceOf(door, outcome, fill), undefined)
        t.equal(faultOf(outcome), undefined, 'nothing is lost without a word')
      })
    }
  })
}

t.test('there are as many cases as the suite promises', async (t) => {
  t.ok(cases.length >= 60, `${cases.length} cases`)
  t.equal(new Set(cases.map(({ file, name }) => `${file} ${name}`)).size, cases.length, 'each has a name of its own')
})

t.test('a case without a request or an answer is an error, not a case less', async (t) => {
  t.throws(() => parseDoorFile('x.txt', '== a\nbody\n--\n200\n'), /has no line "POST/)
  t.throws(() => parseDoorFile('x.txt', '== a\nPOST /x\n\nbody\n--\nno status\n'), /has no line with a status/)
})

t.test('a server that loses lines is seen', async (t) => {
  const outcome = { status: 204, text: '', stored: [], sent: ['x'] }
  t.match(faultOf(outcome), /204, and 1 of 1 lines are not found/)
  t.match(faultOf({ ...outcome, status: 400 }), /without a word/)
  t.match(faultOf({ ...outcome, status: 500, text: 'oops' }), /answered 500/)
  t.equal(faultOf({ ...outcome, status: 400, text: 'no' }), undefined)
  t.equal(faultOf({ ...outcome, stored: ['x'] }), undefined)
  t.equal(faultOf({ ...outcome, text: '{"partialSuccess":{"rejectedLogRecords":"1"}}' }), undefined)
})
