/** The alert processor as a Lambda function, invoked by log group subscriptions and a schedule. */

import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { startFunction } from '../processes/function.ts'
import { openProcessor } from '../processes/incident-processor.ts'
import { reportAfterEach } from '../processes/report-metrics.ts'
import { answerProcessorEvent } from '../transport/lambda/cloudwatch-records.ts'

const { config, log } = await startFunction('millrace-alerts', process.env)
const parts = await openProcessor(config, SYSTEM_CLOCK, log)

/** Called by Lambda for each delivery and each scheduled event. */
export const handler = reportAfterEach(parts.metrics, (event: unknown, _context: unknown) =>
  answerProcessorEvent(parts, event),
)
