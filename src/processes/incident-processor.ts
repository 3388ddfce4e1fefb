/** The alert processor, in a function or a process: raises incidents from log groups, and evaluates rules. */

import type { Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import { IncidentLoop } from '../flows/incidents/incident-loop.ts'
import { readLogGroups } from '../flows/incidents/read-log-groups.ts'
import { openGroupReader } from '../homes/incident-home.ts'
import type { Clock } from '../ports/log-store.ts'
import type { EmfReporter } from '../telemetry/emf.ts'
import { incidentTotals } from '../telemetry/incident-metrics.ts'
import type { RecordsParts } from '../transport/lambda/cloudwatch-records.ts'
import { closeIncidents, commonRounds, type Incidents, openIncidents, scheduleTimer } from './incidents.ts'
import type { RunningProcess } from './process.ts'
import { openReporter, reportInRounds, type WriteLine } from './report-metrics.ts'
import { openScheduledWatch } from './scheduled-watch.ts'

/** Rule groups have their own intervals, of at least a second. */
const RULES_EVERY_MS = 1000

export interface OpenProcessor extends RecordsParts {
  /** Reports incidents and notifications to CloudWatch. */
  readonly metrics: EmfReporter
}

/** Returns the handler of a function's events. Throws like openIncidents and openScheduledWatch. */
export async function openProcessor(
  config: Config,
  clock: Clock,
  log: Logger,
  write?: WriteLine,
): Promise<OpenProcessor> {
  const incidents = await openIncidents(config, clock, log)
  const watch = await openScheduledWatch(config, clock, log, incidents)
  return {
    ...incidents.cloudWatch,
    notify: incidents.notify,
    metrics: openMetrics(config, incidents, write),
    sweep: async () => {
      await watch?.evaluateDue()
      return incidents.desk.sweep()
    },
    // The cause is about gzip or JSON and contains no line.
    onCorrupt: (cause) =>
      log.warn({ reason: cause instanceof Error ? cause.message : '' }, 'received a corrupt record'),
  }
}

/**
 * Reads the log groups itself, in rounds, and applies counts of gateways in the aws home, until it is stopped. Resolves
 * after the first round. Throws like openProcessor, and config_invalid if it would have nothing to do.
 */
export async function runProcessor(config: Config, clock: Clock, log: Logger): Promise<RunningProcess> {
  const { logGroups, everyMs } = config.incidents.cloudWatch
  if (logGroups.length === 0 && config.service.home !== 'aws') {
    throw new GatewayError('config_invalid', 'the alert processor needs MILLRACE_ALERT_LOG_GROUPS; set it')
  }
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
  const onFailure = (err: unknown): void => log.error({ err }, 'a round failed; the next one retries')
  const loop = new IncidentLoop(rounds, scheduleTimer, onFailure)
  await readLogGroups(groups)
  loop.start()
  const stopReports = config.service.home === 'aws' ? reportInRounds(openMetrics(config, incidents)) : undefined
  log.info({ logGroups, everyMs }, 'started: error lines become incidents')
  return {
    stop: () =>
      closeIncidents(incidents, async () => {
        await loop.stop()
        await watch?.close()
        await stopReports?.()
      }),
  }
}

function openMetrics(config: Config, { totals }: Incidents, write?: WriteLine): EmfReporter {
  return openReporter(config, 'alert-processor', incidentTotals(totals), write)
}
