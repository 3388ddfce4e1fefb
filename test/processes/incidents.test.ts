import { spawnSync } from 'node:child_process'
import t from 'tap'
import { readConfig } from '../../src/config/read-config.ts'
import { openEmbedded } from '../../src/homes/embedded-home.ts'
import { SYSTEM_CLOCK } from '../../src/homes/machine.ts'
import { openIncidents, startIncidents } from '../../src/processes/incidents.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { makeBatch, openAdmission } from '../support/helper.ts'
import { testFolder } from '../support/test-folder.ts'

t.test('an accepted error line is an incident in the log when the gateway stops', async (t) => {
  const config = readConfig({ MILLRACE_DATA_DIR: testFolder(t), MILLRACE_INCIDENT_AUDIT: 'true' })
  const clock = SYSTEM_CLOCK
  const home = openEmbedded(config, clock, new Metrics().storeEvents({ error: () => undefined }))
  t.teardown(() => home.close())
  const reported: object[] = []
  const log = {
    warn: (facts: object) => reported.push(facts),
    info: () => undefined,
    error: (facts: object) => reported.push(facts),
  }
  const incidents = await openIncidents(config, clock, log)
  const running = await startIncidents(incidents, { blocks: home.blocks, clock, log })
  const entries = [{ ns: BigInt(Date.now()) * 1_000_000n, line: 'ERROR: payments are down' }]
  const admission = { ...openAdmission(clock), discoverLevels: true }
  const batch = makeBatch([{ labels: { service_name: 'shop' }, entries }], admission)
  await home.ports.store.append(batch)
  await running.stop()
  t.match(reported, [{ transition: 'opened', severity: 'error', count: 1, tenant: 'fake' }])
  t.equal(incidents.totals.transitions.get('opened'), 1)
})

t.test('a line that a killed process did not count is counted by the next', async (t) => {
  const dataDir = testFolder(t)
  const child = new URL('./incidents-child.ts', import.meta.url).pathname
  const { signal, stderr } = spawnSync(process.execPath, [child, dataDir], { encoding: 'utf8' })
  t.equal(signal, 'SIGKILL', stderr)
  const reported: object[] = []
  for (let start = 0; start < 2; start++) {
    const config = readConfig({ MILLRACE_DATA_DIR: dataDir })
    const clock = SYSTEM_CLOCK
    const log = { warn: (facts: object) => reported.push(facts), info: () => undefined, error: () => undefined }
    const home = openEmbedded(config, clock, new Metrics().storeEvents(log))
    const running = await startIncidents(await openIncidents(config, clock, log), { blocks: home.blocks, clock, log })
    await running.stop()
    await home.close()
  }
  t.match(reported, [{ transition: 'opened', count: 1 }])
  t.equal(reported.length, 1, 'once')
})

const REFUSED: readonly (readonly [name: string, env: Record<string, string>, code: string])[] = [
  ['a filter that cannot be read', { MILLRACE_INCIDENT_FILTER: '{app=' }, 'config_invalid'],
  ['mail without a sender', { MILLRACE_ALERT_SMTP_URL: 'smtp://localhost' }, 'config_invalid'],
  ['the aws home without a table', { MILLRACE_HOME: 'aws' }, 'config_invalid'],
]
for (const [name, env, code] of REFUSED) {
  t.test(`refuses ${name}, before anything is counted`, async (t) => {
    const config = readConfig({ MILLRACE_DATA_DIR: testFolder(t), ...env })
    const log = { warn: () => undefined, info: () => undefined, error: () => undefined }
    await t.rejects(openIncidents(config, SYSTEM_CLOCK, log), { code })
  })
}

t.test('an invalid secret is not shown', async (t) => {
  t.throws(() => readConfig({ MILLRACE_ALERT_WEBHOOK_URL: 'ftp://hidden' }), { message: /not shown/ })
  t.throws(() => readConfig({ MILLRACE_ALERT_WEBHOOK_SECRET: 'hidden' }), { message: /^(?!.*hidden)/s })
})
