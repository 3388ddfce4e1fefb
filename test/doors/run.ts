/**
 * npm run doors -- --url URL: sends pushes with mistakes of real clients to any Loki-compatible URL, and prints a
 * score.
 *
 * A push passes if it is stored as intended, or rejected with a message and not stored completely. The exit code is 1
 * if a push is lost. Lines have labels of this run; nothing is deleted.
 */

import { parseArgs } from 'node:util'
import { readDoorCases } from './door-file.ts'
import { type DoorOutcome, type DoorTarget, faultOf, NOT_SERVED, runDoorCase } from './door-run.ts'

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:3100' },
    /** `Name: value`, may be repeated. */
    header: { type: 'string', multiple: true, default: [] },
    verbose: { type: 'boolean', default: false },
  },
})

const headers = Object.fromEntries(
  values.header.map((header): [string, string] => {
    const colon = header.indexOf(':')
    return [header.slice(0, colon).trim(), header.slice(colon + 1).trim()]
  }),
)
const target: DoorTarget = { url: values.url, headers, nowMs: Date.now, run: Date.now().toString(36) }

let good = 0
let skipped = 0
let lost = 0
for (const [index, door] of readDoorCases().entries()) {
  const name = `${door.file.replace('test/doors/cases/', '')}: ${door.name}`
  const outcome = await runDoorCase(door, index, target)
  if (outcome.status === NOT_SERVED && door.status !== NOT_SERVED) {
    skipped++
    console.log(`skip  ${name}: ${door.path} is not served`)
    continue
  }
  const fault = faultOf(outcome)
  if (fault === undefined) good++
  else lost++
  if (fault !== undefined) console.log(`LOST  ${name}: ${fault}`)
  else if (values.verbose) console.log(`ok    ${name}: ${describe(outcome)}`)
}
console.log(`\n${good} of ${good + lost} pushes stored, or refused in words; ${skipped} skipped`)
process.exitCode = lost === 0 ? 0 : 1

function describe({ status, text, stored }: DoorOutcome): string {
  return `${status}, ${stored.length} stored${text === '' ? '' : `: ${text.trim().slice(0, 160)}`}`
}
