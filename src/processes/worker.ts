/** The queue worker: the common parts of its function and its process, and the process. */

import type { Logger } from 'pino'
import type { Config } from '../config/read-config.ts'
import { GatewayError } from '../domain/errors.ts'
import type { ArchiveParts } from '../flows/archive/archive-messages.ts'
import type { QueueWork } from '../flows/archive/archive-queue.ts'
import { wait } from '../homes/machine.ts'
import { openWorker as openWorkerHome, type WorkerHome } from '../homes/worker-home.ts'
import { WorkerReports } from '../telemetry/archive-reports.ts'
import type { EmfReporter } from '../telemetry/emf.ts'
import { decodeMessage } from '../transport/lambda/sqs-records.ts'
import { openReporter } from './report-metrics.ts'

export interface Worker {
  readonly home: WorkerHome
  readonly reports: WorkerReports
  readonly parts: ArchiveParts
  readonly metrics: EmfReporter
}

/** Calls no service yet. Throws config_invalid if settings are missing. */
export function openWorker(config: Config, log: Logger): Worker {
  const home = openWorkerHome(config.aws)
  const { archive, deadLetters } = home
  const reports = new WorkerReports(log)
  const parts: ArchiveParts = {
    decode: decodeMessage,
    write: (object) => archive.write(object),
    ...(deadLetters && { bury: (message, reason) => deadLetters.send(message, reason) }),
    reports,
  }
  return { home, reports, parts, metrics: openReporter(config, 'worker', reports.totals) }
}

/** The work of a worker outside Lambda, which receives messages itself. Throws config_invalid without a queue. */
export function queueWorkOf({ home, parts, reports }: Worker): QueueWork {
  if (home.queue === undefined) {
    throw new GatewayError('config_invalid', 'the worker needs MILLRACE_QUEUE_URL; set it')
  }
  return {
    ...parts,
    queue: home.queue,
    wait,
    repeat: (beat, ms) => {
      const timer = setInterval(beat, ms)
      return () => clearInterval(timer)
    },
    random: Math.random,
    receiveFailed: (error) => reports.receiveFailed(error),
    removeFailed: (count) => reports.removeFailed(count),
  }
}
