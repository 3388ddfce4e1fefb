/** The compactor of the archive as a process: in a container, or on a machine. */

import { wait } from '../homes/machine.ts'
import { openCompactor } from '../processes/archive/compactor.ts'
import { runProcess } from '../processes/process.ts'
import { reportInRounds } from '../processes/report-metrics.ts'

/** Ten minutes of arrivals are compacted three minutes after their end; an empty round costs a read a bucket. */
const ROUND_MS = 60_000

await runProcess(
  {
    service: 'millrace-compactor',
    stopMs: 60_000,
    stopping: 'stopping after the files that are being written',
    start: async ({ config }, log) => {
      const compactor = await openCompactor(config, log)
      const stopping = new AbortController()
      const endReports = reportInRounds(compactor.metrics)
      log.info({}, 'started: compacting the archive')
      const work = async (): Promise<void> => {
        while (!stopping.signal.aborted) {
          await compactor.run(stopping.signal)
          await wait(ROUND_MS, stopping.signal)
        }
      }
      const worked = work()
      return {
        stop: async () => {
          stopping.abort()
          await worked
          await endReports()
          await compactor.close()
        },
      }
    },
  },
  process.env,
)
