/** Common parts of the worker's function and process: settings, adapters, log and metrics. */

import pino, { type Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import type { ArchiveParts } from '../flows/archive/archive-messages.ts'
import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { loadSettings } from '../homes/references.ts'
import { openWorker, type WorkerHome } from '../homes/worker-home.ts'
import { WorkerReports } from '../telemetry/archive-reports.ts'
import { EmfReporter } from '../telemetry/emf.ts'
import { decodeMessage } from '../transport/lambda/sqs-records.ts'

export interface Worker {
  readonly home: WorkerHome
  readonly config: Config
  readonly log: Logger
  readonly reports: WorkerReports
  readonly parts: ArchiveParts
  readonly metrics: EmfReporter
}

/** Reads the environment. Throws config_invalid, or source_unavailable if a referenced setting cannot be fetched. */
export async function openWorkerOf(env: NodeJS.ProcessEnv): Promise<Worker> {
  const { config } = await loadSettings(env)
  const log = pino(
    { level: config.service.logLevel, base: { service: 'millrace-worker' } },
    pino.destination({ dest: 2, sync: true }),
  )
  const home = openWorker(config.aws)
  const { archive, deadLetters } = home
  const reports = new WorkerReports(log)
  const parts: ArchiveParts = {
    decode: decodeMessage,
    write: (object) => archive.write(object),
    ...(deadLetters && { bury: (message, reason) => deadLetters.send(message, reason) }),
    reports,
  }
  const metrics = new EmfReporter({
    namespace: config.aws.metricsNamespace,
    service: 'worker',
    readTotals: reports.totals,
    clock: SYSTEM_CLOCK,
    write: (line) => process.stdout.write(line),
  })
  return { home, config, log, reports, parts, metrics }
}
