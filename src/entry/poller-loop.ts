/** The poller as a separate container: polls until it is stopped. */

import closeWithGrace from 'close-with-grace'
import pino from 'pino'
import { GatewayError } from '../domain/errors.ts'
import { openHome } from '../homes/home.ts'
import { SYSTEM_CLOCK } from '../homes/machine.ts'
import { loadSettings } from '../homes/references.ts'
import { homeEvents } from '../processes/home-events.ts'
import { openPoller } from '../processes/poller.ts'
import { Metrics } from '../telemetry/metrics.ts'

/** Time for a running poll to store its entries and release its lease. */
const CLOSE_DELAY_MS = 60_000

try {
  await serve()
} catch (error) {
  if (!(error instanceof GatewayError)) throw error
  process.stderr.write(`millrace: ${error.message}\n`)
  process.exitCode = 1
}

async function serve(): Promise<void> {
  const { config } = await loadSettings(process.env)
  const log = pino(
    { level: config.service.logLevel, base: { service: 'millrace' } },
    pino.destination({ dest: 2, sync: true }),
  )
  const clock = SYSTEM_CLOCK
  const isEmbedded = config.service.home === 'embedded'
  const needsStore = isEmbedded ? config.poll.sinks?.includes('store') !== false : config.poll.sinks?.includes('store')
  if (isEmbedded && needsStore) {
    const text =
      'in the embedded home the gateway polls; to poll in a separate container, set MILLRACE_HOME=aws or MILLRACE_POLL_SINKS=cloudwatch'
    throw new GatewayError('config_invalid', text)
  }
  const home = needsStore ? await openHome(config, clock, homeEvents(new Metrics(), log)) : undefined
  const opened = await openPoller({ config, clock, log, ...(home !== undefined && { ports: home.ports }) })
  if (opened === undefined) {
    throw new GatewayError('config_invalid', 'MILLRACE_POLL_PROJECTS: not set; the poller has nothing to poll')
  }
  const stop = opened.start()
  log.info({ projects: config.poll.projects.length, intervalMs: config.poll.intervalMs }, 'polling')
  closeWithGrace({ delay: CLOSE_DELAY_MS, logger: false }, async ({ err, signal }) => {
    if (err !== undefined) log.fatal({ err }, 'stopped by an error')
    else log.info({ signal }, 'stopping after the current run')
    await stop()
    opened.close()
    await home?.close()
  })
}
