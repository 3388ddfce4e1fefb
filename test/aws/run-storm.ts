/** A longer storm. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { stormAws } from './aws-storm.ts'
import { stormGateway } from './gateway-storm.ts'

const USAGE = `npm run test:storm -- [--pushes 100] [--rounds 3] [--seed 1] [--through store|gateway] [--path firehose|direct]

  --path direct storms the store while a compactor runs and is killed`

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    path: { type: 'string', default: 'firehose' },
    pushes: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    through: { type: 'string', default: 'store' },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit()
}
const path = values.path === 'direct' ? 'direct' : 'firehose'
const folder = mkdtempSync(join(tmpdir(), 'millrace-storm-'))
for (let round = 0; round < Number(values.rounds); round++) {
  const seed = Number(values.seed) + round
  const options = { seed, pushes: Number(values.pushes) }
  const { faults, wrongs, ...figures } =
    values.through === 'gateway'
      ? await stormGateway({ ...options, folder })
      : await stormAws({ ...options, path, cacheDir: folder })
  console.log({ seed, ...figures })
  console.table(faults)
  if (wrongs.length + figures.damages.length === 0) continue
  console.log(wrongs)
  process.exitCode = 1
}
rmSync(folder, { recursive: true })
