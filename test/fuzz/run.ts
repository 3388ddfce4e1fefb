/** `node --expose-gc test/fuzz/run.ts --count 1000000`: a longer HTTP fuzz test. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readConfig } from '../../src/config/read-config.ts'
import { openEmbedded } from '../../src/homes/embedded-home.ts'
import { SYSTEM_CLOCK } from '../../src/homes/machine.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { buildApp } from '../../src/transport/http/app.ts'
import { fuzzHttp } from './http.ts'

const { values } = parseArgs({
  options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' } },
})
const dataDir = mkdtempSync(join(tmpdir(), 'millrace-fuzz-'))
const config = readConfig({ MILLRACE_DATA_DIR: dataDir })
const metrics = new Metrics()
const home = openEmbedded(config, SYSTEM_CLOCK, metrics.storeEvents({ error: console.error }))
const app = await buildApp({ ports: home.ports, config, keys: home.keys, metrics, version: '0.0.0-fuzz' })
const report = await fuzzHttp({
  app,
  count: Number(values.count),
  seed: Number(values.seed),
  nowNs: BigInt(Date.now()) * 1_000_000n,
  onProgress: (done) => console.log(`${done} requests; ${Math.round(process.memoryUsage.rss() / 1e6)} MB`),
})
console.log(report)
console.log(home.ports.store.figures())
await app.close()
await home.close()
rmSync(dataDir, { recursive: true })
if (report.faultCount > 0) process.exitCode = 1
