/** The alert processor as a process that polls the log groups itself: in a container, or on a machine. */

import closeWithGrace from 'close-with-grace'
import pino from 'pino'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { IncidentLoop } from '../flows/incidents/incident-loop.ts'
import { readLogGroups } from '../flows/incidents/read-log-groups.ts'
import { openGroupReader } from '../homes/incident-home.ts'
import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { loadSettings } from '../homes/references.ts'
import { closeIncidents, commonRounds, openIncidents, scheduleTimer } from '../processes/incidents.ts'
import { openScheduledWatch } from '../processes/scheduled-watch.ts'

/** How long the current round may take after a signal to stop. */
const CLOSE_DELAY_MS = 20_000
/** Rule groups have their own intervals, of at least a second. */
const RULES_EVERY_MS = 1000

try {
  await run((await loadSettings(process.env)).config)
} catch (error) {
  if (!(error instanceof GatewayError)) throw error
  process.stderr.write(`millrace: ${error.message}\n`)
  process.exitCode = 1
}

async function run(config: Config): Promise<void> {
  const { logGroups, everyMs } = config.incidents.cloudWatch
  // In the aws home it also applies what gateways counted.
  if (logGroups.length === 0 && config.service.home !== 'aws') {
    throw new GatewayError('config_invalid', 'the alert processor needs MILLRACE_ALERT_LOG_GROUPS; set it')
  }
  const log = pino(
    { level: config.service.logLevel, base: { service: 'millrace-alerts' } },
    pino.destination({ dest: 2, sync: true }),
  )
  const clock = SYSTEM_CLOCK
  const incidents = await openIncidents(config, clock, log)
  const watch = await openScheduledWatch(config, clock, log, incidents)
  const groups = {
    ...incidents.cloudWatch,
    reader: await openGroupReader(config),
    cursors: incidents.home.store,
    logGroups,
    onFailure: (logGroup: string, err: unknown) => log.warn({ logGroup, err }, 'reading a log group failed'),
  }
  const rounds = [{ everyMs, run: () => readLogGroups(groups) }, ...commonRounds(incidents)]
  if (watch !== undefined) rounds.push({ everyMs: RULES_EVERY_MS, run: () => watch.evaluateDue() })
  const loop = new IncidentLoop(rounds, scheduleTimer, (err) =>
    log.error({ err }, 'a round failed; the next one retries'),
  )
  await readLogGroups(groups)
  loop.start()
  log.info({ logGroups, everyMs }, 'started: error lines become incidents')
  closeWithGrace({ delay: CLOSE_DELAY_MS, logger: false }, async ({ err, signal }) => {
    if (err !== undefined) log.fatal({ err }, 'stopped by an error')
    else log.info({ signal }, 'stopping after sending pending notifications')
    await closeIncidents(incidents, async () => {
      await loop.stop()
      await watch?.close()
    })
  })
}
