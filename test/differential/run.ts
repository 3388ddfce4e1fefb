/**
 * `LOKI_BIN=… node test/differential/run.ts --comparisons 200000`: random data and LogQL put to this gateway and to a
 * Loki, and what differs, shrunk. Exit status 1 where there is a difference that docs/fidelity.md does not name, 2
 * where nothing could be compared.
 */

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { GatewayProcess } from '../support/gateway-process.ts'
import { Fuzzer } from './fuzz.ts'
import { openLoki } from './loki.ts'
import { Peer } from './peer.ts'

const { values } = parseArgs({
  options: {
    comparisons: { type: 'string', default: '5000' },
    'per-set': { type: 'string', default: '400' },
    'in-flight': { type: 'string', default: '8' },
    seed: { type: 'string', default: '1' },
    shrinks: { type: 'string', default: '1' },
    'shrinks-max': { type: 'string', default: '100' },
  },
})
const HOUR = 3_600_000_000_000n
const folder = mkdtempSync(join(tmpdir(), 'differential-'))
const loki = await openLoki(process.env, folder)
if (loki === undefined) {
  console.log('skipped: neither LOKI_URL nor LOKI_BIN is set')
  process.exitCode = 2
} else {
  const gateway = await GatewayProcess.start({ dataDir: join(folder, 'gateway'), env: gatewayEnv() })
  const inFlight = Number(values['in-flight'])
  const [left, right] = [new Peer(gateway.url, inFlight), new Peer(loki.url, inFlight)]
  try {
    const now = BigInt(Date.now()) * 1_000_000n
    const result = await new Fuzzer({
      left,
      right,
      seed: Number(values.seed),
      comparisons: Number(values.comparisons),
      perSet: Number(values['per-set']),
      inFlight,
      before: (now / HOUR) * HOUR,
      run: randomBytes(4).toString('hex'),
      shrinksPerKind: Number(values.shrinks),
      shrinksMax: Number(values['shrinks-max']),
      report: (text) => console.log(text),
      onSilence: () => loki.ensureRunning(),
    }).run()
    for (const [name, count] of result.known) console.log(`known: ${count} ${name}`)
    if (result.found.length > 0) process.exitCode = 1
  } finally {
    left.close()
    right.close()
    await gateway.stop()
    await loki.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Levels are judged by docs/levels.md, not by Loki. */
function gatewayEnv(): Record<string, string> {
  return { MILLRACE_DISCOVER_LEVELS: 'false' }
}
