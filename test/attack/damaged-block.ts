/** Bits of one block that a disk has changed. */

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Attack, assertHolds, nowNs, pushJson } from './attack.ts'

const PUSHES = 20

interface Answer {
  readonly status: string
  readonly warnings?: readonly string[]
  readonly data?: { readonly result: readonly { readonly values: readonly unknown[] }[] }
}

/** Changes the last bytes of the text of a block in the middle. */
function damage(dataDir: string): void {
  const db = new DatabaseSync(join(dataDir, 'millrace.db'))
  const changed = db
    .prepare(
      `UPDATE blocks SET text = CAST(substr(text, 1, length(text) - 4) || x'00000000' AS BLOB)
       WHERE id = (SELECT id FROM blocks ORDER BY id LIMIT 1 OFFSET ${PUSHES / 2})`,
    )
    .run().changes
  db.close()
  if (changed !== 1) throw new Error(`BUG: ${changed} blocks were damaged`)
}

export const damagedBlock: Attack = {
  name: 'damaged-block',
  promise: 'a query that reaches a damaged block gets everything else, and a warning',
  async run(field) {
    const gateway = await field.start()
    for (let i = 0; i < PUSHES; i++) {
      const streams = [{ stream: { app: 'shop' }, values: [[nowNs(), `line ${i} ${'x'.repeat(200)}`]] }]
      await pushJson(gateway.url, JSON.stringify({ streams }))
    }
    await gateway.stop()
    damage(field.dataDir())
    const { url } = await field.start()
    const response = await fetch(
      `${url}/loki/api/v1/query_range?query=${encodeURIComponent('{app="shop"}')}&limit=${PUSHES}`,
    )
    const body = await response.text()
    const { data, warnings = [] } = response.ok ? (JSON.parse(body) as Answer) : {}
    const lines = (data?.result ?? []).reduce((sum, { values }) => sum + values.length, 0)
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const counted = /^millrace_\w*damaged\w* \d+/m.exec(metrics)?.[0] ?? 'no metric counts it'
    const seen = `${response.status}, ${lines} of ${PUSHES} lines, ${warnings.length} warnings; ${counted}`
    assertHolds(response.ok && lines === PUSHES - 1 && warnings.length > 0 && counted.endsWith(' 1'), seen)
    return seen
  },
}
