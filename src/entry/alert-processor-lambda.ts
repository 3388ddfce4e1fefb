/** The alert processor as a Lambda function: log groups feed it, a clock wakes it. */

import pino from 'pino'
import { SYSTEM_CLOCK as clock } from '../homes/machine.ts'
import { loadSettings } from '../homes/references.ts'
import { openIncidents } from '../processes/incidents.ts'
import { openScheduledWatch } from '../processes/scheduled-watch.ts'
import { answerProcessorEvent } from '../transport/lambda/cloudwatch-records.ts'

// Loading the module is the function's start: what is wrong with the settings is told there.
const { config } = await loadSettings(process.env)
const log = pino(
  { level: config.service.logLevel, base: { service: 'millrace-alerts' } },
  pino.destination({ sync: true }),
)
const incidents = await openIncidents(config, clock, log)
const watch = await openScheduledWatch(config, clock, log, incidents)
const parts = {
  ...incidents.cloudWatch,
  notify: incidents.notify,
  sweep: async () => {
    await watch?.evaluateDue()
    return incidents.desk.sweep()
  },
  // The cause tells of gzip or JSON, never of a line.
  onCorrupt: (cause: unknown) =>
    log.warn({ reason: cause instanceof Error ? cause.message : '' }, 'a record is corrupt'),
}

/** What Lambda calls for each delivery and each stroke of the clock. */
export function handler(event: unknown): ReturnType<typeof answerProcessorEvent> {
  return answerProcessorEvent(parts, event)
}
