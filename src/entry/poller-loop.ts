/** The poller as a separate container: polls until it is stopped. */

import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { openPollerProcess } from '../processes/poller.ts'
import { runProcess } from '../processes/process.ts'

await runProcess(
  {
    service: 'millrace',
    // Time for a running poll to store its entries and release its lease.
    stopMs: 60_000,
    stopping: 'stopping after the current run',
    start: async ({ config }, log) => {
      const poller = await openPollerProcess(config, SYSTEM_CLOCK, log)
      poller.start()
      log.info({ projects: config.poll.projects.length, intervalMs: config.poll.intervalMs }, 'polling')
      return poller
    },
  },
  process.env,
)
