/** `node test/crash/run.ts --rounds 200`: a longer crash test. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { crash } from './crash.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
})
const dataDir = mkdtempSync(join(tmpdir(), 'millrace-crash-'))
const report = await crash({
  dataDir,
  rounds: Number(values.rounds),
  seed: Number(values.seed),
  onRound: (round, ledger) => {
    if (round % 10 === 0) console.log(`round ${round}: ${ledger.lines} lines sent, ${ledger.faultCount} faults`)
  },
})
console.log(report)
if (report.faultCount > 0) {
  console.log(`the folder is kept: ${dataDir}`)
  process.exitCode = 1
} else rmSync(dataDir, { recursive: true })
