/** `npm run test:storm -- --pushes 200 --rounds 5 [--through gateway]`: a longer storm. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { stormAws } from './aws-storm.ts'
import { stormGateway } from './gateway-storm.ts'

const { values } = parseArgs({
  options: {
    pushes: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    through: { type: 'string', default: 'store' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'millrace-storm-'))
for (let round = 0; round < Number(values.rounds); round++) {
  const seed = Number(values.seed) + round
  const options = { seed, pushes: Number(values.pushes) }
  const { faults, wrongs, ...figures } =
    values.through === 'gateway'
      ? await stormGateway({ ...options, folder })
      : await stormAws({ ...options, cacheDir: folder })
  console.log({ seed, ...figures })
  console.table(faults)
  if (wrongs.length + figures.damages.length === 0) continue
  console.log(wrongs)
  process.exitCode = 1
}
rmSync(folder, { recursive: true })
