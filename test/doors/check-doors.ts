/** Runs the cases against a home of the application, each as a test. */

import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { TestHome } from '../support/homes.ts'
import { fillIn, readDoorCases } from './door-file.ts'
import { type DoorTarget, differenceOf, faultOf, runDoorCase } from './door-run.ts'

export function checkDoors(home: TestHome): void {
  t.test(`${home.name}: mistakes of real clients are stored, or rejected with a message`, async (t) => {
    const { app, clock } = await home.start(t, { MILLRACE_AGE_MAX: 'off' })
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    const target: DoorTarget = { url: `http://127.0.0.1:${port}`, headers: {}, nowMs: () => clock.ms, run: 'test' }
    for (const [index, door] of readDoorCases().entries()) {
      await t.test(`${door.file.replace('test/doors/cases/', '')}: ${door.name}`, async (t) => {
        const outcome = await runDoorCase(door, index, target)
        const fill = (text: string): string => fillIn(text, `door-test-${index}`, clock.ms)
        t.equal(differenceOf(door, outcome, fill), undefined)
        t.equal(faultOf(outcome), undefined, 'nothing is lost without a word')
      })
    }
  })
}
