/**
 * `npm run field -- [--only TEXT] [--full] [--details]`: compares this gateway with what others wrote, as far as it is
 * here, and prints one table. LOKI_BIN or LOKI_URL, LOKI_SRC, PROMTAIL_BIN and the like say where it is.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { FieldRow } from './harness.ts'
import { HARNESSES } from './registry.ts'
import { formatTable, isClean } from './table.ts'

const { values } = parseArgs({
  options: {
    /** Only comparisons whose area or name has this text. */
    only: { type: 'string', default: '' },
    /** As long as docs/fidelity.md asks; minutes otherwise. */
    full: { type: 'boolean', default: false },
    /** Also what did not pass. */
    details: { type: 'boolean', default: false },
  },
})

const folder = mkdtempSync(join(tmpdir(), 'millrace-field-'))
const rows: FieldRow[] = []
try {
  for (const [i, harness] of HARNESSES.entries()) {
    if (!`${harness.area} ${harness.name}`.toLowerCase().includes(values.only.toLowerCase())) continue
    const row = { area: harness.area, name: harness.name }
    const missing = harness.missing(process.env)
    if (missing !== undefined) {
      rows.push({ ...row, outcome: { skipped: missing } })
      continue
    }
    const own = join(folder, String(i))
    mkdirSync(own)
    try {
      const outcome = await harness.run({ env: process.env, folder: own, isQuick: !values.full })
      rows.push({ ...row, outcome })
      if (values.details) for (const each of outcome.details) console.log(each)
    } catch (error) {
      rows.push({ ...row, outcome: { failed: error instanceof Error ? error.message : String(error) } })
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(formatTable(rows))
if (!isClean(rows)) process.exitCode = 1
