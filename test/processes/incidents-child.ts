/**
 * A process that accepts an error line and is killed before the line is counted: `incidents-child.ts <data folder>`.
 */

import { readConfig } from '../../src/config/read-config.ts'
import { openEmbedded } from '../../src/homes/embedded-home.ts'
import { SYSTEM_CLOCK as clock } from '../../src/homes/machine.ts'
import { openIncidents, startIncidents } from '../../src/processes/incidents.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { makeBatch, openAdmission } from '../support/helper.ts'

const log = { warn: () => undefined, info: () => undefined, error: () => undefined }
const config = readConfig({ MILLRACE_DATA_DIR: process.argv[2] })
const home = openEmbedded(config, clock, new Metrics().storeEvents(log))
const { blocks, ports } = home
await startIncidents(await openIncidents(config, clock, log), { blocks, clock, log })
const entries = [{ ns: BigInt(Date.now()) * 1_000_000n, line: 'ERROR: payments are down' }]
const batch = makeBatch([{ labels: { service_name: 'shop' }, entries }], {
  ...openAdmission(clock),
  discoverLevels: true,
})
await ports.store.append(batch)
process.kill(process.pid, 'SIGKILL')
