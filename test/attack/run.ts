/**
 * `npm run test:attack [-- NAME…] [--checkout FOLDER]`: small inputs that once broke a bound, each against its
 * own gateways. Each prints a line; the exit code is 1 if a promise does not hold. With a checkout of an earlier version it
 * shows the effect there.
 */

import { parseArgs } from 'node:util'
import { type Attack, Field } from './attack.ts'
import { damagedBlock } from './damaged-block.ts'
import { fullDisk } from './full-disk.ts'
import { longLabelPushes, storedLabels } from './label-text.ts'
import { inventedNames } from './logins.ts'
import { idleStreams, streamCap } from './many-streams.ts'
import { noisyTenant } from './noisy-tenant.ts'
import { otherOrigin } from './other-origin.ts'
import { anyBytes, processShown, terminal } from './shown-text.ts'
import { tinyEntries } from './tiny-entries.ts'

const ATTACKS: readonly Attack[] = [
  longLabelPushes,
  storedLabels,
  idleStreams,
  fullDisk,
  tinyEntries,
  inventedNames,
  noisyTenant,
  damagedBlock,
  otherOrigin,
  terminal,
  anyBytes,
  processShown,
  streamCap,
]

const { values, positionals } = parseArgs({ allowPositionals: true, options: { checkout: { type: 'string' } } })

for (const { name, promise, run } of ATTACKS) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  const field = new Field(values.checkout)
  try {
    console.log(`${name}: held: ${promise}\n    ${await run(field)}`)
  } catch (cause) {
    console.log(`${name}: BROKEN: ${promise}\n    ${cause instanceof Error ? cause.message : cause}`)
    process.exitCode = 1
  } finally {
    await field.clear()
  }
}
