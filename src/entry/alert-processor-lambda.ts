/** The alert processor as a Lambda function, invoked by log group subscriptions and a schedule. */

import pino from 'pino'
import { SYSTEM_CLOCK as clock } from '../homes/machine.ts'
import { loadSettings } from '../homes/references.ts'
import { openIncidents } from '../processes/incidents.ts'
import { openScheduledWatch } from '../processes/scheduled-watch.ts'
import { answerProcessorEvent } from '../transport/lambda/cloudwatch-records.ts'

// Runs when Lambda loads the module, so invalid settings fail the start of the function.
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
  // The cause is about gzip or JSON and contains no line.
  onCorrupt: (cause: unknown) =>
    log.warn({ reason: cause instanceof Error ? cause.message : '' }, 'received a corrupt record'),
}

/** Called by Lambda for each delivery and each scheduled event. */
export function handler(event: unknown): ReturnType<typeof answerProcessorEvent> {
  return answerProcessorEvent(parts, event)
}
