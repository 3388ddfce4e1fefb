/** The compactor of the archive as a Lambda function, invoked by a schedule. */

import type { Context } from 'aws-lambda'
import { openCompactor } from '../processes/archive/compactor.ts'
import { startFunction } from '../processes/function.ts'
import { reportAfterEach } from '../processes/report-metrics.ts'

const { config, log } = await startFunction('millrace-compactor', process.env)
const compactor = await openCompactor(config, log)

/** Nothing new is begun when Lambda ends the run in less than this: the files of one step take a minute or two. */
const LAST_STEP_MS = 180_000

/** Called by Lambda every ten minutes, one at a time. */
export const handler: (event: unknown, context: Context) => Promise<void> = reportAfterEach(
  compactor.metrics,
  (_event, context) =>
    compactor.run(AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - LAST_STEP_MS))),
)
