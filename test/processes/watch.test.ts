import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SqliteIncidents } from '../../src/adapters/embedded/sqlite-incidents.ts'
import { type Environment, readConfig } from '../../src/config/read-config.ts'
import type { Incident } from '../../src/domain/incidents/incident.ts'
import { IncidentDesk } from '../../src/flows/incidents/raise-incidents.ts'
import { openWatch, type Watch } from '../../src/processes/watch.ts'
import type { WatchReports } from '../../src/telemetry/watch-log.ts'
import { HASH } from '../contract/incident-store.ts'
import { FixedClock, makeBatch, openAdmission, openStore } from '../support/helper.ts'
import { testFolder } from '../support/test-folder.ts'

const MINUTE = 60_000
const DAY = 1440 * MINUTE
const RETENTION = { eventMemoryMs: DAY, closedKeptMs: 30 * DAY }
const RULES = `
groups:
  - name: errors
    rules:
      - alert: TooMany
        expr: sum by (app) (count_over_time({app="shop"} |= "bad" [1m])) > 1
        annotations: {summary: "{{ $labels.app }} wrote {{ $value }} bad lines"}
`

const failures: unknown[] = []
const EVENTS: WatchReports = {
  rulesChanged: () => undefined,
  rulesRefused: (cause) => failures.push(cause),
  groupEvaluated: () => undefined,
  ruleFailed: (_group, _rule, cause) => failures.push(cause),
  groupFailed: (_group, cause) => failures.push(cause),
  anomaliesFailed: (_tenant, cause) => failures.push(cause),
}

interface Gateway {
  readonly clock: FixedClock
  readonly watch: Watch
  push(lines: readonly string[]): Promise<void>
  incidents(): Promise<readonly Incident[]>
}

/** Lines and incidents in SQLite, and a watch. */
function openGateway(t: Test, env: Environment, files: Readonly<Record<string, string>> = {}): Gateway {
  const clock = new FixedClock()
  const folder = testFolder(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, 'rules', 'fake'), { recursive: true })
    writeFileSync(join(folder, 'rules', 'fake', name), text)
  }
  const rules = Object.keys(files).length > 0 ? { MILLRACE_RULES: join(folder, 'rules') } : {}
  const config = readConfig({ MILLRACE_DATA_DIR: folder, ...rules, ...env })
  const store = openStore(t, clock, { dataDir: folder })
  const kept = new SqliteIncidents(folder, RETENTION, () => clock.ms)
  const incidents = new IncidentDesk({
    store: kept,
    hash: HASH,
    clock,
    settings: { targets: [], leaseMs: 1000, singlesMax: 20 },
    onWritten: () => undefined,
  })
  const watch = openWatch({ config, ports: { clock, store }, incidents, states: kept, events: EVENTS })
  t.teardown(async () => {
    await watch.close()
    await kept.close()
  })
  return {
    clock,
    watch,
    push: async (lines) => {
      const entries = lines.map((line, at) => ({ ns: clock.nowNs - 1000n + BigInt(at), line }))
      const labels = { app: 'shop', service_name: 'shop' }
      await store.append(makeBatch([{ labels, entries }], openAdmission(clock)))
    },
    incidents: async () => {
      const all = { tenant: 'fake', states: undefined, sinceMs: undefined, labels: [], limit: 10, after: undefined }
      return (await kept.list(all)).incidents
    },
  }
}

t.test('a rule opens an incident, and closes it', async (t) => {
  const { clock, watch, push, incidents } = openGateway(t, {}, { 'shop.yaml': RULES })
  await push(['bad 1', 'bad 2', 'good'])
  await watch.evaluateDue(clock.nowMs())
  t.match(await incidents(), [{ kind: 'rule', state: 'open', title: 'shop wrote 2 bad lines', count: 1 }])
  t.strictSame(
    watch.rules?.source.list().map(({ namespace }) => namespace),
    ['shop.yaml'],
  )
  clock.ms += 2 * MINUTE
  await watch.evaluateDue(clock.nowMs())
  t.match(await incidents(), [{ kind: 'rule', state: 'closed', changedBy: undefined }])
  t.strictSame(failures, [])
})

t.test('a rule that fires again reopens the same incident', async (t) => {
  const { clock, watch, push, incidents } = openGateway(t, {}, { 'shop.yaml': RULES })
  for (const _ of [1, 2]) {
    await push(['bad 1', 'bad 2'])
    await watch.evaluateDue(clock.nowMs())
    clock.ms += 2 * MINUTE
    await watch.evaluateDue(clock.nowMs())
    clock.ms += 2 * MINUTE
  }
  t.match(await incidents(), [{ count: 2, state: 'closed', transitions: 4 }])
  t.equal((await incidents()).length, 1)
})

t.test('anomalies of the default tenant open an incident too', async (t) => {
  const env = { MILLRACE_ANOMALIES: 'true', MILLRACE_ANOMALY_WARM_UP: '1d' }
  const { clock, watch, push, incidents } = openGateway(t, env)
  const minute = async (count: number): Promise<void> => {
    await push(Array.from({ length: count }, (_, at) => `${clock.ms} ${at}`))
    await watch.evaluateDue(clock.nowMs() + MINUTE / 2)
    clock.ms += MINUTE
  }
  // Twenty minutes are enough to learn the rate.
  for (let hour = 0; hour < 26; hour++) {
    for (let at = 0; at < 21; at++) await minute(20)
    clock.ms += (60 - 21) * MINUTE
  }
  for (let at = 0; at < 6; at++) await minute(20)
  t.strictSame([await incidents(), failures], [[], []])
  for (let at = 0; at < 6; at++) await minute(200)
  t.match(await incidents(), [{ kind: 'anomaly', state: 'open', severity: 'warn' }])
  t.strictSame(watch.anomalies?.figures, { series: 1, ignored: 0, anomalies: 1 })
})

t.test('without settings there is nothing to watch', async (t) => {
  const { clock, watch } = openGateway(t, {})
  t.strictSame([watch.rules, watch.anomalies], [undefined, undefined])
  watch.start()
  await watch.evaluateDue(clock.nowMs())
})

t.test('invalid rule files fail the start', async (t) => {
  t.throws(() => openGateway(t, {}, { 'shop.yaml': RULES.replace('> 1', '> ') }), {
    code: 'config_invalid',
    message: /shop\.yaml.*\n {2}line 6, column 15: rule "TooMany": expr: /,
  })
})
