/** The alert processor as a process that polls the log groups itself. */

import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { runProcessor } from '../processes/incident-processor.ts'
import { runProcess } from '../processes/process.ts'

await runProcess(
  {
    service: 'millrace-alerts',
    stopMs: 20_000,
    stopping: 'stopping after sending pending notifications',
    start: ({ config }, log) => runProcessor(config, SYSTEM_CLOCK, log),
  },
  process.env,
)
