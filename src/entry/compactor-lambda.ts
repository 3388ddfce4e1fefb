/** The compactor of the archive as a Lambda function, invoked by a schedule. */

import { openCompactor } from '../processes/archive/compactor.ts'
import { startFunction } from '../processes/function.ts'
import { reportAfterEach } from '../processes/report-metrics.ts'

const { config, log } = await startFunction('millrace-compactor', process.env)
const compactor = await openCompactor(config, log)

/** Called by Lambda every ten minutes, one at a time. */
export const handler: (event: unknown, context: unknown) => Promise<void> = reportAfterEach(compactor.metrics, () =>
  compactor.run(),
)
