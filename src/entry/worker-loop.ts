/** The queue worker as a process. */

import { archiveQueue } from '../flows/archive/archive-queue.ts'
import { runProcess } from '../processes/process.ts'
import { reportInRounds } from '../processes/report-metrics.ts'
import { openWorker, queueWorkOf } from '../processes/worker.ts'

await runProcess(
  {
    service: 'millrace-worker',
    stopMs: 20_000,
    stopping: 'stopping after archiving received messages',
    start: async ({ config }, log) => {
      const worker = openWorker(config, log)
      const work = queueWorkOf(worker)
      const stopping = new AbortController()
      const endReports = reportInRounds(worker.metrics)
      log.info({}, 'started: archiving messages from the queue')
      const worked = archiveQueue(work, stopping.signal)
      return {
        stop: async () => {
          stopping.abort()
          await worked
          await endReports()
          worker.home.close()
        },
      }
    },
  },
  process.env,
)
