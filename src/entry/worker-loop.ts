/** The queue worker as a process: in a container, or on a machine. */

import closeWithGrace from 'close-with-grace'
import { GatewayError } from '../domain/errors.ts'
import { archiveQueue, type QueueWork } from '../flows/archive/archive-queue.ts'
import { wait } from '../homes/machine.ts'
import { openWorkerOf, type Worker } from '../processes/worker.ts'

/** How long the current delivery may take after a signal to stop. */
const CLOSE_DELAY_MS = 20_000
const METRICS_MS = 10_000

try {
  await run(await openWorkerOf(process.env))
} catch (error) {
  if (!(error instanceof GatewayError)) throw error
  process.stderr.write(`millrace: ${error.message}\n`)
  process.exitCode = 1
}

async function run(worker: Worker): Promise<void> {
  const { log, home, metrics } = worker
  const work = makeWork(worker)
  const stopping = new AbortController()
  const reporting = setInterval(() => void metrics.report(), METRICS_MS)
  log.info({}, 'started: archiving messages from the queue')
  const worked = archiveQueue(work, stopping.signal)
  closeWithGrace({ delay: CLOSE_DELAY_MS, logger: false }, async ({ err, signal }) => {
    if (err !== undefined) log.fatal({ err }, 'stopped by an error')
    else log.info({ signal }, 'stopping after archiving received messages')
    stopping.abort()
    await worked
    clearInterval(reporting)
    await metrics.flush()
    home.close()
  })
  await worked
}

function makeWork({ home, parts, reports }: Worker): QueueWork {
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
